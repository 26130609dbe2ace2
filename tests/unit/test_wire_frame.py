"""Framing: what comes out whole, and every way in which it must not."""

from __future__ import annotations

import pytest

from keygw.model.errors import ProtocolError
from keygw.wire.frame import (
    AFTER_AUTHENTICATION,
    BEFORE_AUTHENTICATION,
    FIRST,
    INACTIVITY_SECONDS,
    LAST,
    MAX_FRAME,
    Fragmenter,
    Reassembler,
)
from keygw.wire.gatt import MIN_FRAME as FRAME_AT_MTU_23

FRAME_AT_MTU_517 = 512
MESSAGE = bytes(range(256)) + b"tail"


def test_a_message_that_fits_is_one_frame() -> None:
    assert list(Fragmenter().split(b"abc", 4)) == [b"\xc0abc"]


def test_the_header_tells_first_last_and_sequence() -> None:
    fragmenter = Fragmenter()
    assert list(fragmenter.split(b"abcde", 3)) == [b"\x80ab", b"\x01cd", b"\x42e"]
    assert list(fragmenter.split(b"f", 3)) == [b"\xc3f"]


@pytest.mark.parametrize("max_frame", [2, 3, FRAME_AT_MTU_23, 100, MAX_FRAME, FRAME_AT_MTU_517, 1000])
def test_whole_messages_one_after_the_other(max_frame: int) -> None:
    fragmenter, reassembler = Fragmenter(), Reassembler()
    for message in (MESSAGE, b"x", b"y" * BEFORE_AUTHENTICATION):
        frames = list(fragmenter.split(message, max_frame))
        assert all(2 <= len(frame) <= min(max_frame, MAX_FRAME) for frame in frames)
        out = [reassembler.push(frame, 0.0) for frame in frames]
        assert out[:-1] == [None] * (len(out) - 1)
        assert out[-1] == message


def test_the_sequence_wraps_modulo_64() -> None:
    fragmenter, reassembler = Fragmenter(), Reassembler()
    headers = []
    for number in range(200):
        (frame,) = fragmenter.split(bytes((number,)), 20)
        headers.append(frame[0] & 0x3F)
        assert reassembler.push(frame, 0.0) == bytes((number,))
    assert headers == [number % 64 for number in range(200)]


@pytest.mark.parametrize("max_frame", [0, 1])
def test_too_small_a_frame_and_an_empty_message_are_our_own_fault(max_frame: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        list(Fragmenter().split(b"a", max_frame))
    with pytest.raises(ValueError, match="empty"):
        list(Fragmenter().split(b"", 20))


def frames_of(message: bytes = MESSAGE, size: int = 20) -> list[bytes]:
    return list(Fragmenter().split(message, size))


def refused(frames: list[bytes], *, at: float = 0.0, step: float = 0.0) -> None:
    reassembler = Reassembler()
    with pytest.raises(ProtocolError):
        [reassembler.push(frame, at + number * step) for number, frame in enumerate(frames)]


def test_a_lost_repeated_or_swapped_frame_is_refused() -> None:
    frames = frames_of()
    refused(frames[1:])
    refused(frames[:3] + frames[4:])
    refused([*frames[:3], frames[2], *frames[3:]])
    refused([frames[0], frames[2], frames[1], *frames[3:]])
    refused([*frames, frames[0]])


def test_a_message_inside_another_is_refused() -> None:
    refused([bytes((FIRST,)) + b"a", bytes((FIRST | LAST | 1,)) + b"b"])


def test_a_middle_or_an_end_without_a_beginning_is_refused() -> None:
    refused([b"\x00a"])
    refused([bytes((LAST,)) + b"a"])
    refused([b"\xc0a", b"\x41b"])


@pytest.mark.parametrize("frame", [b"", b"\xc0", b"\xc0" + bytes(MAX_FRAME)])
def test_a_frame_of_a_wrong_size_is_refused(frame: bytes) -> None:
    refused([frame])


def test_a_late_fragment_is_refused_and_a_slow_one_is_not() -> None:
    frames = frames_of()
    reassembler = Reassembler()
    whole = [reassembler.push(frame, number * INACTIVITY_SECONDS) for number, frame in enumerate(frames)]
    assert whole[-1] == MESSAGE
    refused(frames[:2], step=INACTIVITY_SECONDS + 0.001)


def test_silence_between_messages_is_no_offence() -> None:
    fragmenter, reassembler = Fragmenter(), Reassembler()
    for at in (0.0, 1e6):
        assert [reassembler.push(frame, at) for frame in fragmenter.split(MESSAGE, 100)][-1] == MESSAGE


def test_the_deadline_is_there_exactly_while_a_message_is_unfinished() -> None:
    first, *_ = frames_of()
    reassembler = Reassembler()
    assert reassembler.deadline is None
    reassembler.push(first, 5.0)
    assert reassembler.deadline == 5.0 + INACTIVITY_SECONDS
    for frame in frames_of()[1:]:
        reassembler.push(frame, 6.0)
    assert reassembler.deadline is None


@pytest.mark.parametrize("size", [20, 512])
def test_the_limits_before_and_after_authentication(size: int) -> None:
    for limit in (BEFORE_AUTHENTICATION, AFTER_AUTHENTICATION):
        for length, fits in ((limit, True), (limit + 1, False)):
            reassembler = Reassembler()
            reassembler.limit = limit
            frames = frames_of(bytes(length), size)
            if fits:
                assert [reassembler.push(frame, 0.0) for frame in frames][-1] == bytes(length)
            else:
                with pytest.raises(ProtocolError):
                    [reassembler.push(frame, 0.0) for frame in frames]
    assert Reassembler().limit == BEFORE_AUTHENTICATION


def test_a_bomb_is_refused_at_the_limit_and_not_later() -> None:
    """Fragments without an end: what is kept never exceeds the limit."""
    reassembler = Reassembler()
    bomb = [bytes((number & 0x3F | (FIRST if number == 0 else 0),)) + bytes(19) for number in range(100)]
    fitting = BEFORE_AUTHENTICATION // 19
    assert [reassembler.push(frame, 0.0) for frame in bomb[:fitting]] == [None] * fitting
    with pytest.raises(ProtocolError):
        reassembler.push(bomb[fitting], 0.0)
