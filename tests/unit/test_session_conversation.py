"""One conversation from HELLO to receipts, both roles side by side; read it as a tutorial. Then every way it must fail.

``Stage`` carries the frames: ``stage.device`` and ``stage.car`` are two real sessions with nothing between them.
"""

from __future__ import annotations

import pytest

from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.errors import ProtocolError
from keygw.model.ids import Random
from keygw.model.signal import SignalId
from keygw.session.device import DeviceSession
from keygw.session.events import (
    Answered,
    Commanded,
    Ended,
    Event,
    Greeted,
    ListAcknowledged,
    ListPushed,
    Presented,
    Read,
    ReceiptsGiven,
    ReceiptsStored,
    ReceiptsWanted,
    Responded,
    SignatureNeeded,
    VehicleProven,
)
from keygw.session.states import State
from keygw.session.vehicle import VehicleSession
from keygw.wire.messages import Cmd, ErrorCode, LinkKind, MessageType, Reading, Receipts, Res, encode_info
from keygw_sim.chance import chance, new_signer
from keygw_sim.rehearsal import Office, Stage, first_of

UNLOCK = Cmd(0x01020304, Action.UNLOCK)
FRAME_AT = {23: 20, 517: 512}
"""ATT MTU -> bytes of one frame."""
REFUSED_ON_THE_AIR = bytes((MessageType.ERROR, ErrorCode.REFUSED))


def newest(events: list[Event]) -> object:
    return events[-1]


# -- a conversation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mtu", FRAME_AT)
def test_a_whole_conversation(mtu: int) -> None:
    stage = Stage(max_frame=FRAME_AT[mtu], subscribe=True, link=LinkKind.HOSTED)

    # The vehicle speaks first, as soon as somebody listens.
    stage.car.greet(boot_epoch=7)
    stage.carry()
    assert stage.heard_by_device == [Greeted(7)]

    # The device wants the car unlocked. Its first command rides along in message_3.
    stage.device.begin(stage.now, UNLOCK)
    stage.carry()

    # The vehicle had to prove itself before the device showed who it is ...
    assert [type(event) for event in stage.heard_by_device[1:]] == [VehicleProven, SignatureNeeded, Answered]
    # ... and heard of the command only with the proof.
    signature_needed, presented = stage.heard_by_car
    assert isinstance(signature_needed, SignatureNeeded)
    assert isinstance(presented, Presented)
    assert presented.claims == stage.claims == stage.car.claims
    assert presented.token == stage.hand.token
    assert (presented.link, presented.subscribe, presented.command) == (LinkKind.HOSTED, True, UNLOCK)

    # RESULT confirms the keys; both now name the session alike.
    answered = first_of(stage.heard_by_device, Answered)
    assert answered.result.number == UNLOCK.number
    assert answered.session_hash == presented.session_hash
    assert (stage.device.state, stage.car.state) == (State.OPEN, State.OPEN)

    # Further commands take one round trip each.
    lock = Cmd(5, Action.LOCK)
    stage.device.command(lock)
    stage.carry()
    assert newest(stage.heard_by_car) == Commanded(lock)
    stage.car.respond(Res(5, Outcome.DONE, 3))
    readings = (Reading(SignalId.CENTRAL_LOCK, True, 1_800_000_000),)
    stage.car.tell(readings)
    stage.carry()
    assert stage.heard_by_device[-2:] == [Responded(Res(5, Outcome.DONE, 3)), Read(readings)]

    # A revocation list is carried to the car and its signed acknowledgement home.
    stage.device.push_list(b"a signed list" * 100)
    stage.carry()
    assert newest(stage.heard_by_car) == ListPushed(b"a signed list" * 100)
    stage.car.acknowledge_list(b"a signed acknowledgement")
    stage.carry()
    assert newest(stage.heard_by_device) == ListAcknowledged(b"a signed acknowledgement")

    # And the receipts.
    stage.device.ask_receipts(after=1)
    stage.carry()
    assert newest(stage.heard_by_car) == ReceiptsWanted(1)
    receipts = Receipts((b"receipt 2" * 20, b"receipt 3" * 20), more=False)
    stage.car.give_receipts(receipts)
    stage.carry()
    assert newest(stage.heard_by_device) == ReceiptsGiven(receipts)
    stage.device.acknowledge_receipts(3)
    stage.carry()
    assert newest(stage.heard_by_car) == ReceiptsStored(3)

    stage.device.end()
    stage.carry()
    assert newest(stage.heard_by_car) == Ended(ErrorCode.SESSION_OVER, "the device ended the session: session_over")
    assert (stage.device.state, stage.car.state) == (State.CLOSED, State.CLOSED)


def test_golden_sizes() -> None:
    """Upper bounds of every message; growing one is a decision. The token has an owner's usual claims."""
    stage = Stage().open(UNLOCK)
    bounds = [("vehicle", 54), ("device", 38), ("vehicle", 103), ("device", 320), ("vehicle", 36)]
    assert [who for who, _ in stage.messages] == [who for who, _ in bounds]
    assert all(size <= bound for (_, size), (_, bound) in zip(stage.messages, bounds, strict=True)), stage.messages
    assert stage.device.message_bytes == stage.car.message_bytes == sum(size for _, size in stage.messages[1:])
    assert stage.device.message_bytes <= 530
    assert len(stage.hand.token) <= 230

    before = stage.device.message_bytes
    stage.device.command(Cmd(6, Action.LOCK))
    stage.carry()
    stage.car.respond(Res(6, Outcome.DONE, 4))
    stage.carry()
    assert stage.device.message_bytes - before <= 45


def test_the_largest_token_fits_before_authentication_at_mtu_23() -> None:
    stage = Stage(
        max_frame=20,
        role=Role.FRIEND,
        depth=2,
        parent_id="key_" + "a" * 16,
        index=65535,
        epoch=65535,
        status_index=2**32 - 1,
        entitlements=2**32 - 1,
        user_verification=True,
    ).open(UNLOCK)
    assert len(stage.hand.token) <= 230
    assert stage.car.state is State.OPEN
    assert max(size for _, size in stage.messages) <= 512


def test_two_round_trips_after_hello() -> None:
    stage = Stage().open(UNLOCK)
    assert [who for who, _ in stage.messages].count("device") == 2


def test_a_refused_key_gets_its_reason_and_then_the_session_is_over() -> None:
    stage = Stage().greet()
    stage.device.begin(stage.now)
    stage.carry(outcome=Outcome.KEY_SUSPENDED)
    assert first_of(stage.heard_by_device, Answered).result.outcome is Outcome.KEY_SUSPENDED
    assert (stage.device.state, stage.car.state) == (State.CLOSED, State.CLOSED)


def test_a_new_hello_can_be_asked_for() -> None:
    stage = Stage().greet()
    stage.device.request_hello()
    stage.carry()
    assert stage.heard_by_device == [Greeted(7), Greeted(7)]
    stage.device.begin(stage.now, UNLOCK)
    stage.carry()
    assert (stage.device.state, stage.car.state) == (State.OPEN, State.OPEN)


def test_every_hello_is_fresh() -> None:
    hellos: set[bytes] = set()
    stage = Stage()
    stage.car.greet(7)
    for _ in range(5):
        (frame,) = stage.car.frames(512)
        hellos.update((frame[3:19], frame[19:51]))
        stage.to_device(frame)
        stage.device.request_hello()
        for asked in list(stage.device.frames(512)):
            stage.to_car(asked)
    assert len(hellos) == 10


# -- the binding ---------------------------------------------------------------------------------------------------


def altered(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes((frame[at] ^ 1,)) + frame[at + 1 :]


def fails_at_the_car(stage: Stage, match: str = "") -> None:
    """The conversation goes on; the car refuses, tells nobody why, and never hears of the command."""
    stage.device.begin(stage.now, UNLOCK)
    with pytest.raises(ProtocolError, match=match):
        stage.carry()
    assert stage.car.state is State.CLOSED
    assert stage.car.claims is None
    assert not any(isinstance(event, Presented) for event in stage.heard_by_car)
    assert b"".join(stage.car.frames(512))[1:] == REFUSED_ON_THE_AIR


# After the frame header and the type byte: version, nonce, G_V, boot epoch.
@pytest.mark.parametrize("at", [3, 18, 19, 50, 54], ids=["nonce", "nonce's end", "G_V", "G_V's end", "boot epoch"])
def test_a_hello_altered_on_the_way_is_noticed(at: int) -> None:
    stage = Stage()
    stage.car.greet(7)
    (hello,) = stage.car.frames(512)
    stage.to_device(altered(hello, at))
    fails_at_the_car(stage, "another HELLO")


def test_an_info_altered_on_the_way_is_noticed() -> None:
    """INFO lists the versions: this is what makes a downgrade visible."""
    stage = Stage()
    info = encode_info(b"\x01\x02\x03\x04\x05\x07")
    stage.device = DeviceSession(stage.vehicle, stage.hand, info, chance("x", "device"), stage.now)
    fails_at_the_car(stage.greet(), "another HELLO")


class Replay:
    """What a car with broken randomness would draw: a fresh HELLO, then the EDHOC key of an earlier conversation."""

    def __init__(self, seed: str) -> None:
        self._old, self._fresh, self._drawn = chance(seed, "car"), chance("fresh", "car"), 0

    def __call__(self, length: int) -> bytes:
        self._drawn += 1
        old, fresh = self._old(length), self._fresh(length)
        return old if self._drawn == 3 else fresh


class Same:
    """Signs the same message the same way: without it the second transcript would differ by the signature alone."""

    def __init__(self, stage: Stage) -> None:
        self._signer, self._made = stage.vehicle_signer, dict[bytes, bytes]()
        self.public_key = stage.vehicle_signer.public_key

    def sign(self, message: bytes) -> bytes:
        return self._made.setdefault(message, self._signer.sign(message))


@pytest.mark.parametrize(
    ("random", "match"),
    [(chance("other", "car"), "does not authenticate"), (Replay("rehearsal"), "another HELLO")],
    ids=["fresh", "repeated G_Y"],
)
def test_message_3_does_not_open_another_conversation(random: Random, match: str) -> None:
    """Even a car that repeats its EDHOC ephemeral key refuses: message_3 names the HELLO it answers."""
    seen = Stage()
    same = Same(seen)
    seen.vehicle_signer = same
    seen.greet()
    seen.device.begin(seen.now, UNLOCK)
    (message_1,) = seen.device.frames(512)
    seen.to_car(message_1)
    (message_2,) = seen.car.frames(512)
    seen.to_device(message_2)
    (message_3,) = seen.device.frames(512)

    later = Stage()
    later.vehicle_signer = same
    later.car = VehicleSession(later.vehicle.id, later.vehicle.public_key, later.verify, later.info, random, later.now)
    later.car.greet(7)
    list(later.car.frames(512))
    later.to_car(message_1)
    list(later.car.frames(512))
    with pytest.raises(ProtocolError, match=match):
        later.to_car(message_3)
    assert later.car.claims is None
    # The very same bytes do open the conversation they were made for.
    seen.to_car(message_3)
    assert seen.car.state is State.OPEN


# -- who is who ----------------------------------------------------------------------------------------------------


def test_a_car_with_another_key_is_refused_before_anything_is_shown() -> None:
    stage = Stage()
    stage.vehicle_signer = new_signer(chance("impostor", "car"))
    stage.greet()
    stage.device.begin(stage.now, UNLOCK)
    with pytest.raises(ProtocolError, match="signature"):
        stage.carry()
    assert stage.device.state is State.CLOSED
    assert not any(isinstance(event, VehicleProven) for event in stage.heard_by_device)
    assert b"".join(stage.device.frames(512))[1:] == REFUSED_ON_THE_AIR


def test_a_car_with_its_own_key_but_another_id_is_refused() -> None:
    """CRED_R holds the vehicle id: a car cannot pass for another one of the same maker."""
    stage = Stage()
    stage.car = VehicleSession(
        "veh_" + "b" * 16, stage.vehicle.public_key, stage.verify, stage.info, chance("x", "car"), stage.now
    )
    stage.greet()
    stage.device.begin(stage.now)
    with pytest.raises(ProtocolError):
        stage.carry()
    assert stage.device.state is State.CLOSED


def test_a_token_of_another_vehicle_is_refused() -> None:
    fails_at_the_car(Stage(vehicle_id="veh_" + "b" * 16).greet(), "another vehicle")


def test_a_token_of_an_unknown_issuer_is_refused() -> None:
    stage = Stage()
    stage.office = Office(chance("another", "office"))
    stage.hand = stage.office.hand(stage.claims)
    stage.device = DeviceSession(stage.vehicle, stage.hand, stage.info, chance("x", "device"), stage.now)
    stage.office = Office(chance("rehearsal", "cast"))
    fails_at_the_car(stage.greet(), "not trusted")


def test_a_token_without_its_device_key_is_refused() -> None:
    """A stolen token: the thief signs with a key of his own."""
    stage = Stage()
    stage.device_signer = new_signer(chance("thief", "device"))
    fails_at_the_car(stage.greet(), "signature")


@pytest.mark.parametrize("at", range(2, 316, 13))
def test_a_changed_byte_of_message_3_is_refused(at: int) -> None:
    stage = Stage().greet()
    stage.device.begin(stage.now, UNLOCK)
    (message_1,) = stage.device.frames(512)
    stage.to_car(message_1)
    (message_2,) = stage.car.frames(512)
    stage.to_device(message_2)
    (frame,) = stage.device.frames(512)
    with pytest.raises(ProtocolError):
        stage.to_car(altered(frame, at))
    assert stage.car.state is State.CLOSED
