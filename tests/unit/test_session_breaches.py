"""Out of turn, tampered with, too late: every breach closes the session, and none of them tells the peer why."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError
from keygw.model.ids import id_bytes
from keygw.model.signal import SignalId
from keygw.session.channel import LABEL_KEY
from keygw.session.core import GREETED_SECONDS, HANDSHAKE_SECONDS, SESSION_SECONDS
from keygw.session.device import DeviceSession
from keygw.session.events import (
    Commanded,
    Ended,
    Event,
    ListPushed,
    Presented,
    SignatureNeeded,
)
from keygw.session.states import PAIRING_STATES, TRANSITIONS, Side, State
from keygw.session.vehicle import VehicleSession
from keygw.wire.frame import INACTIVITY_SECONDS
from keygw.wire.messages import Cmd, ErrorCode, MessageType, Reading, Res
from keygw_sim.rehearsal import Stage, first_of, sent_before

UNLOCK = Cmd(0x01020304, Action.UNLOCK)
REFUSED_ON_THE_AIR = bytes((MessageType.ERROR, ErrorCode.REFUSED))


def newest(events: list[Event]) -> object:
    return events[-1]


def altered(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes((frame[at] ^ 1,)) + frame[at + 1 :]


# -- the state table -----------------------------------------------------------------------------------------------

NO_MESSAGES = MessageType(0x00), MessageType(0x4F), MessageType(0xFF)
VIOLATIONS = [
    (state, receiver, message)
    for state in State
    if state not in (State.CLOSED, *PAIRING_STATES)  # those are walked in test_session_pairing.py
    for receiver in Side
    for message in (*MessageType, *NO_MESSAGES)
    if message is not MessageType.ERROR and (receiver.other, message) not in TRANSITIONS[state]
]


def sequence(stage: Stage, sender: Side) -> int:
    """The next frame's number: every message so far was one frame of that side."""
    return sum(who == sender.value for who, _ in stage.messages)


def receive(stage: Stage, receiver: Side, message: bytes, number: int) -> None:
    frame = bytes((0xC0 | number & 0x3F,)) + message
    (stage.device if receiver is Side.DEVICE else stage.car).receive(frame, stage.now)


@pytest.mark.parametrize(
    ("state", "receiver", "message"),
    VIOLATIONS,
    ids=lambda x: getattr(x, "value", None) if isinstance(x, State) else None,
)
def test_a_message_out_of_turn_closes_the_session(state: State, receiver: Side, message: MessageType) -> None:
    stage = Stage().reach(state)
    session = stage.device if receiver is Side.DEVICE else stage.car
    assert session.state is state
    with pytest.raises(ProtocolError, match="has no place"):
        receive(stage, receiver, bytes((message,)) + b"body", sent_before(state, receiver.other))
    assert session.state is State.CLOSED
    (said,) = session.frames(512)
    assert said[1:] == REFUSED_ON_THE_AIR


def test_the_table_leaves_little_room() -> None:
    """39 steps are legal, ERROR aside; everything else, in every state and direction, was tried above."""
    walked = [state for state in State if state not in (State.CLOSED, *PAIRING_STATES)]
    assert sum(len(TRANSITIONS[state]) for state in walked) == 39
    tried = len(MessageType) - 1 + len(NO_MESSAGES)
    assert len(VIOLATIONS) == len(walked) * len(Side) * tried - 39


@pytest.mark.parametrize("receiver", Side)
@pytest.mark.parametrize("state", [state for state in State if state not in (State.CLOSED, *PAIRING_STATES)])
def test_an_error_ends_every_state(state: State, receiver: Side) -> None:
    stage = Stage().reach(state)
    session = stage.device if receiver is Side.DEVICE else stage.car
    frame = bytes((0xC0 | sent_before(state, receiver.other),)) + b"\x7f\x02"
    (event,) = session.receive(frame, stage.now)
    assert event == Ended(ErrorCode.SESSION_OVER, f"the {receiver.other.value} ended the session: session_over")
    assert session.state is State.CLOSED
    assert list(session.frames(512)) == []


@pytest.mark.parametrize("body", [b"", b"\x01\x01"])
def test_a_malformed_error_ends_it_too(body: bytes) -> None:
    stage = Stage().greet()
    with pytest.raises(ProtocolError):
        receive(stage, Side.DEVICE, b"\x7f" + body, 1)
    assert stage.device.state is State.CLOSED


def test_a_closed_session_hears_and_says_nothing_more() -> None:
    stage = Stage().reach(State.CLOSED)
    for session in (stage.device, stage.car):
        assert session.receive(b"\xc0\x01anything", stage.now) == []
        assert session.tick(stage.now + 1e9) == []
        session.end()
        session.fail()
        assert list(session.frames(512)) == []


def test_nobody_may_speak_out_of_turn_either() -> None:
    stage = Stage()
    speeches: tuple[Callable[[], None], ...] = (
        lambda: stage.device.begin(stage.now),
        stage.device.request_hello,
        lambda: stage.device.sign(bytes(64)),
        lambda: stage.device.command(UNLOCK),
        lambda: stage.device.push_list(b"list"),
        lambda: stage.device.ask_receipts(0),
        lambda: stage.car.sign(bytes(64)),
        lambda: stage.car.respond(Res(1, Outcome.DONE, 0)),
        lambda: stage.car.tell([Reading(SignalId.SPEED, 0.0, 0)]),
        lambda: stage.car.acknowledge_list(b"ack"),
    )
    for speak in speeches:
        with pytest.raises(ProtocolError):
            speak()
    assert list(stage.device.frames(512)) == list(stage.car.frames(512)) == []


@pytest.mark.parametrize(
    "frames", [[b"\xc0\x02x"], [b"\xc1\x02"], [b"\xc0"], [b"\x80\x02", b"\x82x"], [b"\xc0\x10" + bytes(600)]]
)
def test_broken_frames_and_bodies_get_the_generic_error(frames: list[bytes]) -> None:
    stage = Stage().greet()
    with pytest.raises(ProtocolError):
        [stage.car.receive(frame, stage.now) for frame in frames]
    assert stage.car.state is State.CLOSED
    (said,) = stage.car.frames(512)
    assert said[1:] == REFUSED_ON_THE_AIR


# -- the channel ---------------------------------------------------------------------------------------------------


def sealed(stage: Stage, *commands: Cmd) -> list[bytes]:
    """The messages of these commands as they would go on the air."""
    for command in commands:
        stage.device.command(command)
    return [frame[1:] for frame in stage.device.frames(512)]


def refused_by_the_car(stage: Stage, message: bytes) -> None:
    heard = len(stage.heard_by_car)
    with pytest.raises(ProtocolError, match="does not authenticate"):
        stage.to_car(bytes((0xC0 | sequence(stage, Side.DEVICE),)) + message)
    assert stage.car.state is State.CLOSED
    assert len(stage.heard_by_car) == heard


@pytest.mark.parametrize("at", [1, 5, -16, -1])
def test_a_tampered_message_is_refused(at: int) -> None:
    stage = Stage().open()
    (message,) = sealed(stage, UNLOCK)
    refused_by_the_car(stage, altered(message, at % len(message)))


def test_a_message_under_another_type_is_refused() -> None:
    stage = Stage().open()
    (message,) = sealed(stage, UNLOCK)
    refused_by_the_car(stage, bytes((MessageType.RL_PUSH,)) + message[1:])


def test_a_replayed_message_is_refused() -> None:
    stage = Stage().open()
    (message,) = sealed(stage, UNLOCK)
    stage.to_car(bytes((0xC0 | sequence(stage, Side.DEVICE),)) + message)
    stage.messages.append(("device", len(message)))
    assert newest(stage.heard_by_car) == Commanded(UNLOCK)
    refused_by_the_car(stage, message)


def test_a_dropped_or_reordered_message_is_refused() -> None:
    stage = Stage().open()
    _, second = sealed(stage, UNLOCK, Cmd(2, Action.LOCK))
    refused_by_the_car(stage, second)


def test_a_message_of_another_session_is_refused() -> None:
    stage, other = Stage().open(), Stage("another").open()
    (message,) = sealed(other, UNLOCK)
    refused_by_the_car(stage, message)


@pytest.mark.parametrize("as_type", [MessageType.CMD, MessageType.RL_PUSH, MessageType.RECEIPT_GET])
def test_a_vehicles_message_sent_back_to_it_is_refused(as_type: MessageType) -> None:
    stage = Stage().open()
    stage.car.respond(Res(1, Outcome.DONE, 1))
    (frame,) = stage.car.frames(512)
    refused_by_the_car(stage, bytes((as_type,)) + frame[2:])


def test_a_devices_message_sent_back_to_it_is_refused() -> None:
    stage = Stage().open()
    (message,) = sealed(stage, UNLOCK)
    with pytest.raises(ProtocolError, match="does not authenticate"):
        receive(stage, Side.DEVICE, bytes((MessageType.RES,)) + message[1:], sequence(stage, Side.VEHICLE))
    assert stage.device.state is State.CLOSED


def test_an_answer_to_a_command_nobody_gave_is_refused() -> None:
    stage = Stage().open()
    stage.car.respond(Res(77, Outcome.DONE, 1))
    with pytest.raises(ProtocolError, match="not asked"):
        stage.carry()


def test_a_result_for_another_command_is_refused() -> None:
    stage = Stage().greet()
    stage.device.begin(stage.now, UNLOCK)
    stage.carry(outcome=None)
    presented = first_of(stage.heard_by_car, Presented)
    other = Presented(
        presented.claims, presented.token, presented.link, False, Cmd(99, Action.LOCK), presented.session_hash
    )
    stage.answer(other)
    with pytest.raises(ProtocolError, match="another command"):
        stage.carry()


def test_a_large_message_is_welcome_only_after_authentication() -> None:
    stage = Stage().open()
    stage.device.push_list(bytes(4000))
    stage.carry()
    assert newest(stage.heard_by_car) == ListPushed(bytes(4000))
    stage.device.push_list(bytes(4096))
    with pytest.raises(ProtocolError, match="larger than 4096"):
        stage.carry()


# -- time ----------------------------------------------------------------------------------------------------------


def over(session: DeviceSession | VehicleSession, at: float) -> bool:
    """Whether the session ends exactly then."""
    before, state = session.tick(at - 0.001), session.state
    (event,) = session.tick(at)
    alive = before == [] and state is not State.CLOSED
    return alive and isinstance(event, Ended) and event.code is None and session.state is State.CLOSED


def test_a_link_on_which_nothing_is_said_is_given_up() -> None:
    stage = Stage()
    assert over(stage.device, stage.now + GREETED_SECONDS)
    assert over(stage.car, stage.now + GREETED_SECONDS)


def test_asking_for_hellos_buys_no_time() -> None:
    stage = Stage().greet()
    start = stage.now
    for _ in range(10):
        stage.now += 10
        stage.device.request_hello()
        stage.carry()
    assert over(stage.car, start + GREETED_SECONDS)


@pytest.mark.parametrize("state", [State.ASKED, State.PROVEN])
def test_a_half_open_handshake_expires(state: State) -> None:
    stage = Stage().reach(state)
    assert over(stage.car, stage.now + HANDSHAKE_SECONDS)
    (said,) = stage.car.frames(512)
    assert said[1:] == REFUSED_ON_THE_AIR
    assert over(stage.device, stage.now + HANDSHAKE_SECONDS)


def test_an_open_session_lives_ten_minutes_however_busy() -> None:
    stage = Stage().open()
    start = stage.now
    for number in range(9):
        stage.now += 60
        stage.device.command(Cmd(number, Action.FLASH_LIGHTS))
        stage.carry()
    assert over(stage.car, start + SESSION_SECONDS)
    assert over(stage.device, start + SESSION_SECONDS)
    (said,) = stage.car.frames(512)
    assert said[1:] == bytes((MessageType.ERROR, ErrorCode.SESSION_OVER))


def test_what_comes_after_the_end_is_not_heard_even_if_nobody_ticked() -> None:
    stage = Stage().open()
    (message,) = sealed(stage, UNLOCK)
    stage.now += SESSION_SECONDS
    stage.to_car(bytes((0xC0 | sequence(stage, Side.DEVICE),)) + message)
    assert isinstance(stage.heard_by_car[-1], Ended)
    assert stage.car.state is State.CLOSED


def test_a_message_that_stays_unfinished_ends_the_session() -> None:
    stage = Stage().greet()
    stage.car.receive(b"\x80\x10", stage.now)
    assert stage.car.deadline == stage.now + INACTIVITY_SECONDS
    assert over(stage.car, stage.now + INACTIVITY_SECONDS)


def test_a_clock_that_stands_still_or_goes_back_ends_nothing() -> None:
    stage = Stage().open()
    assert stage.car.tick(stage.now - 1e6) == []
    assert stage.car.state is State.OPEN


# -- what must not show --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.SILENT, State.GREETED, State.ASKED, State.PROVEN])
@pytest.mark.parametrize("how", ["fail", "end", "time"])
def test_before_authentication_every_end_looks_the_same(state: State, how: str) -> None:
    stage = Stage().reach(state)
    for session in (stage.car, stage.device):
        if how == "time":
            session.tick(stage.now + GREETED_SECONDS)
        else:
            getattr(session, how)()
        (said,) = session.frames(512)
        assert said[1:] == REFUSED_ON_THE_AIR


def test_no_repr_shows_a_secret() -> None:
    stage = Stage(subscribe=True).open(UNLOCK)
    events = [*stage.heard_by_device, *stage.heard_by_car]
    party = stage.device._edhoc
    channel = stage.device._channel
    assert party is not None
    assert channel is not None
    text = " ".join(
        repr(thing)
        for thing in (
            *events,
            stage.device,
            stage.car,
            stage.hand,
            stage.hand.credential(),
            party,
            party.schedule,
            channel,
            channel._out,
            stage.vehicle,
            stage.device_signer,
        )
    )
    schedule = party.schedule
    context = stage.device._hello_hash + id_bytes(stage.vehicle.id) + id_bytes(stage.hand.key_id)
    secrets = {
        "token": stage.hand.token,
        "token's signature": stage.hand.token[-64:],
        "advertising key": stage.vehicle.advertising_key,
        "prk_2e": schedule.prk_2e,
        "prk_out": schedule.prk_out,
        "prk_exporter": schedule.prk_exporter,
        "channel key": schedule.export(LABEL_KEY[Side.DEVICE], context, 16),
        "to be signed": first_of(events, SignatureNeeded).message[-32:],
    }
    for name, secret in secrets.items():
        assert len(secret) >= 16, name
        assert secret.hex() not in text.lower(), name
        assert repr(secret)[2:-1] not in text, name
    assert "BEGIN" not in text
