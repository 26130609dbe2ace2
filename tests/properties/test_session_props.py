"""Whatever arrives, in whatever state: events or a ProtocolError, and after a refusal the session is CLOSED."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError
from keygw.session.device import DeviceSession
from keygw.session.events import AnsweredFast, FastRefused, Presented, PresentedFast
from keygw.session.states import PAIRING_STATES, Side, State
from keygw.session.vehicle import VehicleSession
from keygw.wire.messages import FAST_RESULT_BYTES, Cmd, Fast, FastResult, MessageType, Res
from keygw_sim.rehearsal import Stage, sent_before

ROAD = [state for state in State if state not in (State.CLOSED, *PAIRING_STATES)]
TYPES = st.sampled_from(list(MessageType)) | st.integers(0, 255).map(MessageType)
SOME = settings(max_examples=40)


def session_of(stage: Stage, side: Side) -> DeviceSession | VehicleSession:
    return stage.device if side is Side.DEVICE else stage.car


def holds(session: DeviceSession | VehicleSession, frames: list[bytes], now: float) -> None:
    """The one invariant."""
    for frame in frames:
        try:
            events = session.receive(frame, now)
        except ProtocolError:
            assert session.state is State.CLOSED
            assert session.receive(frame, now) == []
            assert len(list(session.frames(20))) <= 1  # nobody answers an ERROR, be it a malformed one
            return
        assert isinstance(events, list)
        assert not any(isinstance(event, Presented | PresentedFast) for event in events)


@pytest.mark.parametrize("state", ROAD)
@pytest.mark.parametrize("side", Side)
@SOME
@given(frames=st.lists(st.binary(max_size=60), min_size=1, max_size=6))
def test_random_frames(side: Side, state: State, frames: list[bytes]) -> None:
    stage = Stage().reach(state)
    holds(session_of(stage, side), frames, stage.now)


@pytest.mark.parametrize("state", ROAD)
@pytest.mark.parametrize("side", Side)
@SOME
@given(kind=TYPES, body=st.binary(max_size=120))
def test_random_bodies_under_every_type(side: Side, state: State, kind: MessageType, body: bytes) -> None:
    """Well framed, so that the decoders and the handshake see them."""
    stage = Stage().reach(state)
    frame = bytes((0xC0 | sent_before(state, side.other), kind)) + body
    holds(session_of(stage, side), [frame], stage.now)


def last_frame(state: State, side: Side) -> tuple[Stage, bytes]:
    """A stage in which ``side`` waits for the frame that is returned with it."""
    stage = Stage()
    if side is Side.DEVICE:
        match state:
            case State.SILENT:
                stage.car.greet(7)
            case State.ASKED:
                stage.greet()
                stage.device.begin(stage.now, Cmd(1, Action.UNLOCK))
                for frame in list(stage.device.frames(512)):
                    stage.to_car(frame)
            case State.SHOWN:
                stage.reach(State.SHOWN)
                presented = next(event for event in stage.heard_by_car if isinstance(event, Presented))
                stage.answer(presented)
            case State.HURRIED:
                stage.reach(State.HURRIED)
                stage.car.answer_fast(FastResult(Outcome.DONE, 1, 0))
            case _:
                stage.open()
                stage.car.respond(Res(1, Outcome.DONE, 1))
        (frame,) = stage.car.frames(512)
        return stage, frame
    match state:
        case State.GREETED:
            stage.greet()
            stage.device.begin(stage.now)
        case _:
            stage.open()
            stage.device.command(Cmd(1, Action.UNLOCK))
    (frame,) = stage.device.frames(512)
    return stage, frame


def mutated(frame: bytes, at: int, byte: int, cut: int) -> bytes:
    at = 2 + at % (len(frame) - 2)
    changed = frame[:at] + bytes((byte,)) + frame[at + 1 :]
    return changed[: len(changed) - cut] if cut < len(changed) - 2 else changed


WAITING = [
    (State.SILENT, Side.DEVICE),
    (State.ASKED, Side.DEVICE),
    (State.SHOWN, Side.DEVICE),
    (State.HURRIED, Side.DEVICE),
    (State.OPEN, Side.DEVICE),
    (State.GREETED, Side.VEHICLE),
    (State.OPEN, Side.VEHICLE),
]


@pytest.mark.parametrize(("state", "side"), WAITING)
@SOME
@given(at=st.integers(0, 600), byte=st.integers(0, 255), cut=st.integers(0, 8))
def test_a_true_message_with_a_changed_byte(state: State, side: Side, at: int, byte: int, cut: int) -> None:
    """HELLO is not authenticated by itself, so a changed one may pass here; the handshake notices it later."""
    stage, frame = last_frame(state, side)
    holds(session_of(stage, side), [mutated(frame, at, byte, cut)], stage.now)


@SOME
@given(at=st.integers(0, 600), byte=st.integers(0, 255), cut=st.integers(0, 8))
def test_message_3_with_a_changed_byte_never_presents_anybody(at: int, byte: int, cut: int) -> None:
    stage = Stage().greet()
    stage.device.begin(stage.now, Cmd(1, Action.UNLOCK))
    (message_1,) = stage.device.frames(512)
    stage.to_car(message_1)
    (message_2,) = stage.car.frames(512)
    stage.to_device(message_2)
    (message_3,) = stage.device.frames(512)
    changed = mutated(message_3, at, byte, cut)
    if changed == message_3:
        return
    with pytest.raises(ProtocolError):
        stage.to_car(changed)
    assert stage.car.state is State.CLOSED


@SOME
@given(steps=st.lists(st.floats(0, 400), min_size=1, max_size=8), max_frame=st.integers(2, 512))
def test_time_alone_ends_a_session_once_and_for_all(steps: list[float], max_frame: int) -> None:
    stage = Stage(max_frame=max_frame).open()
    ended = 0
    for step in steps:
        stage.now += step
        ended += len(stage.car.tick(stage.now))
    assert ended == (1 if stage.now >= 1600.0 else 0)
    assert (stage.car.state is State.CLOSED) == (ended == 1)


@SOME
@given(
    tag=st.none() | st.binary(min_size=8, max_size=8),
    ephemeral=st.binary(min_size=32, max_size=32),
    sealed=st.binary(min_size=22, max_size=22),
)
def test_a_fast_that_nobody_sealed_is_answered_with_noise_or_a_breach(
    tag: bytes | None, ephemeral: bytes, sealed: bytes
) -> None:
    """Also under a tag that is right. A breach: a G_D of low order."""
    stage = Stage().greet()
    if tag is None:
        tag = stage.fast_key.tag(stage.info + stage.device._hello, ephemeral)
    try:
        stage.to_car(b"\xc0" + bytes((MessageType.FAST,)) + Fast(tag, ephemeral, sealed).encode())
    except ProtocolError:
        assert stage.car.state is State.CLOSED
        return
    assert stage.heard_by_car == []
    (frame,) = stage.car.frames(512)
    assert (frame[1], len(frame)) == (MessageType.FAST_RESULT, 2 + FAST_RESULT_BYTES)


@SOME
@given(body=st.binary(min_size=FAST_RESULT_BYTES, max_size=FAST_RESULT_BYTES) | st.binary(max_size=60))
def test_a_fast_result_that_nobody_sealed_is_a_refusal_or_a_breach(body: bytes) -> None:
    stage = Stage().reach(State.HURRIED)
    try:
        stage.to_device(b"\xc1" + bytes((MessageType.FAST_RESULT,)) + body)
    except ProtocolError:
        assert len(body) != FAST_RESULT_BYTES
        assert stage.device.state is State.CLOSED
        return
    assert stage.heard_by_device[-1] == FastRefused()
    assert not any(isinstance(event, AnsweredFast) for event in stage.heard_by_device)
    assert not stage.device.talking
