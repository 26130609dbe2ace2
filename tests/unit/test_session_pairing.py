"""Owner pairing from HELLO to owner, both roles side by side; then every way it must fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import Signer, thumbprint
from keygw.crypto.spake2plus import SALT_BYTES
from keygw.model.command import Outcome
from keygw.model.errors import ProtocolError
from keygw.session import pairing
from keygw.session.core import HANDSHAKE_SECONDS
from keygw.session.events import (
    Ended,
    Enrolled,
    Event,
    Greeted,
    OwnerTokenAnswered,
    OwnerTokenBrought,
    PairingAsked,
    PairingOffered,
    PairingTried,
    SignatureNeeded,
    Ticketed,
)
from keygw.session.pairing_device import PairingDevice
from keygw.session.states import PAIRING_STATES, TRANSITIONS, Side, State
from keygw.token.ticket import PairingTicket, sign_ticket, verify_ticket
from keygw.wire.messages import ErrorCode, MessageType
from keygw.wire.pairing import MAX_ATTESTATION, Attestation, Credential
from keygw_sim.chance import chance, new_signer
from keygw_sim.pairing_rehearsal import OWNER_TOKEN, PairingStage
from keygw_sim.rehearsal import first_of

REFUSED_ON_THE_AIR = bytes((MessageType.ERROR, ErrorCode.REFUSED))


@pytest.mark.parametrize("max_frame", [20, 512])
def test_a_whole_pairing(max_frame: int) -> None:
    stage = PairingStage(max_frame=max_frame).run()
    assert [type(event) for event in stage.heard_by_car] == [PairingAsked, PairingTried, Enrolled, OwnerTokenBrought]
    assert [type(event) for event in stage.heard_by_device] == [
        Greeted, PairingOffered, SignatureNeeded, Ticketed, OwnerTokenAnswered,
    ]  # fmt: skip
    assert (stage.device.state, stage.car.state) == (State.PAIRED, State.PAIRED)

    # What the vehicle signs for is the device's key and this very exchange, seen alike by both.
    enrolled, ticketed = first_of(stage.heard_by_car, Enrolled), first_of(stage.heard_by_device, Ticketed)
    assert enrolled.device_key == stage.device_signer.public_key
    assert enrolled.transcript == ticketed.transcript
    assert enrolled.challenge == stage.device.challenge
    said = verify_ticket(ticketed.credential.ticket, stage.vehicle_signer.public_key)
    assert said == PairingTicket(stage.vehicle_id, thumbprint(enrolled.device_key), enrolled.transcript, 1)
    assert ticketed.credential.advertising_key == stage.advertising_key
    assert first_of(stage.heard_by_car, OwnerTokenBrought).token == OWNER_TOKEN
    assert first_of(stage.heard_by_device, OwnerTokenAnswered).outcome is Outcome.DONE


def test_nothing_in_clear_names_device_vehicle_or_code() -> None:
    stage = PairingStage().run()
    air = b"".join(message for _, message in stage.messages)
    for secret in (
        stage.device_signer.public_key[1:],
        stage.vehicle_signer.public_key[1:],
        stage.advertising_key,
        OWNER_TOKEN,
        stage.code.encode(),
        stage.vehicle_id.encode(),
    ):
        assert secret not in air


def test_an_attestation_travels_with_the_key_it_is_about() -> None:
    stage = PairingStage().run(State.CONFIRMED)
    attestation = Attestation("packed", bytes(MAX_ATTESTATION))
    stage.device.sign(stage.device_signer.sign(stage.device.attest(attestation)))
    stage.until = None
    stage.carry()
    assert first_of(stage.heard_by_car, Enrolled).attestation == attestation


def test_an_attestation_that_the_key_did_not_sign_for_is_refused() -> None:
    stage = PairingStage().run(State.CONFIRMED)
    unsigned = first_of(stage.heard_by_device, SignatureNeeded).message
    stage.device.attest(Attestation("packed", b"of another device"))
    stage.device.sign(stage.device_signer.sign(unsigned))
    fails_at_the_car(stage, "signature")


# -- the code --------------------------------------------------------------------------------------------------------


def test_a_wrong_code_is_seen_by_the_device_which_says_no_more() -> None:
    stage = PairingStage(code="00000000")
    with pytest.raises(ProtocolError) as refused:
        stage.run()
    assert refused.value.code == "pairing_code_wrong"
    assert stage.device.state is State.CLOSED
    assert [frame[1:] for frame in stage.device.frames(512)] == [REFUSED_ON_THE_AIR]
    assert Enrolled not in [type(event) for event in stage.heard_by_car]


def test_who_ignores_the_wrong_confirmation_gets_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thief's device does not stop where ours does. The car checks by itself."""
    stage = PairingStage(code="00000000")
    monkeypatch.setattr("keygw.crypto.spake2plus.Keys.check_verifier", lambda *_: None)
    fails_at_the_car(stage, "does not know the code")


@pytest.mark.parametrize("code", ["", "1234567", "123456789", "1234567a", "١٢٣٤٥٦٧٨", "1234 678"])
def test_a_code_has_eight_digits(code: str) -> None:
    with pytest.raises(CryptoError):
        pairing.secret_for(code, bytes(SALT_BYTES))


def test_the_car_counts_before_it_can_be_tested() -> None:
    """Between the guess and the answer that shows whether it was right, the driver is asked."""
    stage = PairingStage().run(State.SHARED)
    assert isinstance(stage.heard_by_car[-1], PairingTried)
    assert stage.messages[-1][1][0] == MessageType.PAIR_SHARE
    stage.car.fail()
    stage.carry()
    assert isinstance(stage.heard_by_device[-1], Ended)


# -- hijack and misbinding -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(2))
def test_another_hello_or_info_is_another_exchange(at: int) -> None:
    """A relay that downgrades INFO or HELLO makes both sides compute other keys: it looks like a wrong code."""
    stage = PairingStage()
    if at == 0:
        info = bytearray(stage.info)
        info[-1] ^= 1
        stage.device = PairingDevice(stage.device_signer.public_key, bytes(info), chance("x", "d"), stage.now)
    else:
        stage.car.greet(7)
        (frame,) = stage.car.frames(512)
        stage.to_device(frame[:-1] + bytes((frame[-1] ^ 1,)))
    with pytest.raises(ProtocolError) as refused:
        stage.run()
    assert refused.value.code == "pairing_code_wrong"


@pytest.mark.parametrize("message", [MessageType.PAIR_SHARE, MessageType.PAIR_PROOF, MessageType.ENROL,
                                     MessageType.PAIR_TICKET, MessageType.OWNER_TOKEN])  # fmt: skip
@pytest.mark.parametrize("at", [1, 2, 10, 20, -1])
def test_a_changed_byte_ends_it(message: MessageType, at: int) -> None:
    stage = PairingStage()

    def change(frame: bytes) -> bytes:
        if frame[1] != message:
            return frame
        changed = bytearray(frame)
        changed[at if at < 0 else at + 1] ^= 1
        return bytes(changed)

    stage.on_the_air = change
    with pytest.raises(ProtocolError):
        stage.run()
    assert stage.device.state is not State.PAIRED
    assert State.CLOSED in (stage.device.state, stage.car.state)


def test_a_key_that_the_device_does_not_hold_cannot_be_enrolled() -> None:
    """Misbinding: the thief knows the code and names the victim's device key, or a key of nobody."""
    stage = PairingStage()
    stage.device = PairingDevice(new_signer(chance("v", "v")).public_key, stage.info, chance("t", "d"), stage.now)
    fails_at_the_car(stage, "signature")


def test_a_proof_of_possession_from_another_exchange_is_refused() -> None:
    """The victim signed once, for its own pairing; the thief replays that signature in his."""
    victim = PairingStage().run(State.CONFIRMED)
    signed = victim.device_signer.sign(first_of(victim.heard_by_device, SignatureNeeded).message)
    thief = PairingStage()
    thief.device = PairingDevice(victim.device_signer.public_key, thief.info, chance("t", "d"), thief.now)
    thief.run(State.CONFIRMED)
    thief.device.sign(signed)
    fails_at_the_car(thief, "signature")


def foreign(make: Callable[[PairingStage, Enrolled], Credential]) -> PairingStage:
    stage = PairingStage().run(State.ENROLLED)
    stage.car.give_ticket(make(stage, first_of(stage.heard_by_car, Enrolled)))
    with pytest.raises(ProtocolError) as refused:
        stage.carry()
    stage_code = refused.value.code
    assert stage_code in ("ticket_foreign", "token_signature", "token_malformed", "wrong_type"), stage_code
    assert stage.device.state is State.CLOSED
    return stage


def resigned(stage: PairingStage, enrolled: Enrolled, signer: Signer | None = None, **changes: object) -> Credential:
    ticket = PairingTicket(stage.vehicle_id, thumbprint(enrolled.device_key), enrolled.transcript, 1)
    signed = sign_ticket(replace(ticket, **changes), signer or stage.vehicle_signer)  # type: ignore[arg-type]  # any field
    return replace(stage.credential(enrolled), ticket=signed)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda s, e: resigned(s, e, device=bytes(32)), id="another-device"),
        pytest.param(lambda s, e: resigned(s, e, transcript=bytes(32)), id="another-exchange"),
        pytest.param(lambda s, e: resigned(s, e, vehicle_id="veh_aaaaaaaaaaaaaaaa"), id="another-vehicle"),
        pytest.param(lambda s, e: resigned(s, e, new_signer(chance("o", "o"))), id="another-signer"),
        pytest.param(lambda s, e: replace(s.credential(e), ticket=b""), id="no-ticket"),
        pytest.param(
            lambda s, e: replace(s.credential(e), vehicle_id="veh_aaaaaaaaaaaaaaaa"), id="credential-of-another"
        ),
    ],
)
def test_a_ticket_about_anything_else_is_refused_by_the_device(
    make: Callable[[PairingStage, Enrolled], Credential],
) -> None:
    foreign(make)


# -- the state table and the timers ----------------------------------------------------------------------------------

ROAD = PAIRING_STATES
SENT = {  # by (vehicle, device) when the state is reached; every message is one frame here
    State.PAIRING: (1, 1), State.OFFERED: (2, 1), State.SHARED: (2, 2), State.CONFIRMED: (3, 2),
    State.ENROLLED: (3, 3), State.TICKETED: (4, 3), State.DELIVERED: (4, 4), State.PAIRED: (5, 4),
}  # fmt: skip
VIOLATIONS = [
    (state, receiver, message)
    for state in ROAD
    for receiver in Side
    for message in (*MessageType, MessageType(0x00), MessageType(0x57))
    if message is not MessageType.ERROR and (receiver.other, message) not in TRANSITIONS[state]
]


@pytest.mark.parametrize(("state", "receiver", "message"), VIOLATIONS)
def test_a_message_out_of_turn_closes_the_session(state: State, receiver: Side, message: MessageType) -> None:
    stage = PairingStage().run(state)
    session = stage.device if receiver is Side.DEVICE else stage.car
    assert session.state is state
    sent = SENT[state][0 if receiver is Side.DEVICE else 1]
    with pytest.raises(ProtocolError, match="has no place"):
        session.receive(bytes((0xC0 | sent, message)) + b"body", stage.now)
    assert session.state is State.CLOSED


def test_the_table_leaves_little_room() -> None:
    """7 steps beside PAIR_ASK, each by one side; PAIRED leads nowhere."""
    assert sum(len(TRANSITIONS[state]) for state in PAIRING_STATES) == 7
    assert len(VIOLATIONS) == 8 * 2 * 32 - 7


@pytest.mark.parametrize("state", ROAD[:-1])
def test_an_unfinished_pairing_is_given_up(state: State) -> None:
    stage = PairingStage().run(state)
    later = stage.now + (HANDSHAKE_SECONDS if state not in ROAD[4:] else pairing.TICKETED_SECONDS)
    events: list[Event] = stage.car.tick(later)
    assert events == [Ended(None, "the session's time is over")]
    assert stage.car.state is State.CLOSED


@pytest.mark.parametrize("message", [m for m in MessageType if 0x50 <= m <= 0x56])
@pytest.mark.parametrize("body", [b"", b"\x00", bytes(64), bytes(97), bytes(200), b"\x83\x00\x00\x00"])
def test_a_malformed_body_is_a_protocol_error(message: MessageType, body: bytes) -> None:
    ((state, who),) = [(s, w) for s in State for (w, m) in TRANSITIONS[s] if m is message and s is not State.DELIVERED]
    stage = PairingStage().run(state)
    session = stage.device if who is Side.VEHICLE else stage.car
    sent = {State.GREETED: (1, 0), **SENT}[state][0 if who is Side.VEHICLE else 1]
    with pytest.raises(ProtocolError):
        session.receive(bytes((0xC0 | sent, message)) + body, stage.now)
    assert session.state is State.CLOSED


def fails_at_the_car(stage: PairingStage, why: str) -> None:
    stage.until = None
    with pytest.raises(ProtocolError, match=why):
        stage.run()
    assert stage.car.state is State.CLOSED
    assert [frame[1:] for frame in stage.car.frames(512)] == [REFUSED_ON_THE_AIR]
