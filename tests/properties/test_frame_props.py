"""Framing, for any messages and any frame size: whole, or one ProtocolError; never another message."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygw.model.errors import ProtocolError
from keygw.wire.frame import AFTER_AUTHENTICATION, Fragmenter, Reassembler

SIZES = st.one_of(st.sampled_from([20, 514, 512]), st.integers(2, 512))
MESSAGES = st.lists(st.binary(min_size=1, max_size=600), min_size=1, max_size=4)


def reassembler() -> Reassembler:
    made = Reassembler()
    made.limit = AFTER_AUTHENTICATION
    return made


def collect(frames: list[bytes]) -> list[bytes]:
    into = reassembler()
    return [message for frame in frames if (message := into.push(frame, 0.0)) is not None]


@given(MESSAGES, st.lists(SIZES, min_size=4, max_size=4))
def test_any_messages_at_any_sizes_come_out_whole(messages: list[bytes], sizes: list[int]) -> None:
    """The size may change between messages, as after an MTU exchange."""
    fragmenter = Fragmenter()
    frames = [
        frame for message, size in zip(messages, sizes, strict=False) for frame in fragmenter.split(message, size)
    ]
    assert collect(frames) == messages


@given(st.integers(1, AFTER_AUTHENTICATION), SIZES)
def test_any_length_at_any_size(length: int, size: int) -> None:
    message = bytes(length)
    frames = list(Fragmenter().split(message, size))
    assert sum(len(frame) - 1 for frame in frames) == length
    assert collect(frames) == [message]


@given(MESSAGES, SIZES, st.data())
def test_a_disturbed_stream_never_gives_another_message(messages: list[bytes], size: int, data: st.DataObject) -> None:
    """Lose, repeat or swap one frame: every message delivered is one that was sent, in its place, until the refusal."""
    fragmenter = Fragmenter()
    frames = [frame for message in messages for frame in fragmenter.split(message, size)]
    at = data.draw(st.integers(0, len(frames) - 1))
    disturbance = data.draw(st.sampled_from(["lose", "repeat", "swap"]))
    if disturbance == "lose":
        disturbed = frames[:at] + frames[at + 1 :]
    elif disturbance == "repeat":
        disturbed = [*frames[: at + 1], *frames[at:]]
    else:
        other = data.draw(st.integers(0, len(frames) - 1))
        disturbed = list(frames)
        disturbed[at], disturbed[other] = disturbed[other], disturbed[at]
    into, delivered = reassembler(), []
    try:
        for frame in disturbed:
            message = into.push(frame, 0.0)
            if message is not None:
                delivered.append(message)
    except ProtocolError:
        pass
    else:
        # Only the loss of the very last frame, a swap with itself, or one by a multiple of 64 goes unnoticed here.
        assert disturbed == frames or disturbed == frames[:-1] or disturbance == "swap"
    if disturbance != "swap":
        assert delivered == messages[: len(delivered)]


@given(st.lists(st.binary(max_size=40), max_size=80), st.booleans())
def test_any_bytes_are_a_message_or_a_protocol_error(frames: list[bytes], fix_sequence: bool) -> None:
    into = reassembler()
    taken = 0
    for number, frame in enumerate(frames):
        fixed = bytes((frame[0] & 0xC0 | number & 0x3F,)) + frame[1:] if frame and fix_sequence else frame
        try:
            message = into.push(fixed, 0.0)
        except ProtocolError:
            return
        taken += len(fixed) - 1
        assert message is None or 0 < len(message) <= taken


@given(st.lists(st.floats(0, 10, allow_nan=False), min_size=3, max_size=3))
def test_a_message_lives_as_long_as_its_pauses_are_short(pauses: list[float]) -> None:
    frames = list(Fragmenter().split(b"abcd", 2))
    into, at = reassembler(), 0.0
    times = [0.0]
    for pause in pauses:
        times.append(times[-1] + pause)
    into.push(frames[0], at)
    too_long = any(later - earlier > 2.0 for earlier, later in pairwise(times))
    if too_long:
        with pytest.raises(ProtocolError):
            [into.push(frame, moment) for frame, moment in zip(frames[1:], times[1:], strict=True)]
    else:
        assert [into.push(f, moment) for f, moment in zip(frames[1:], times[1:], strict=True)][-1] == b"abcd"
