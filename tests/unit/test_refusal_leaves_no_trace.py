"""A refused message changes nothing: not the car's flash, not its body, not anybody else's session.

The refusals of every kind and state, against a real ``Brain`` on a real flash, with a friend's session beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from keygw.crypto import cbor
from keygw.model.command import Action, Outcome
from keygw.session.events import PairingOffered, Responded, SignatureNeeded
from keygw.wire.messages import Cmd, Fast, MessageType
from keygw_sim.chance import new_signer
from keygw_sim.garage import Garage
from keygw_sim.pairing_rehearsal import PairingVisit
from keygw_sim.rehearsal import Office, Visit, sent_before

Attack = Callable[[Garage], int]
"""What a guest does; returns its connection."""


class Scene:
    """What must be the same afterwards."""

    def __init__(self, garage: Garage) -> None:
        self.garage = garage
        self.bystander = garage.visit("friend", subscribe=True)
        self.bystander.prove()
        self.before = self.durable()

    def durable(self) -> tuple[bytes, dict[str, object], int]:
        path = self.garage.folder / "vehicle.json"
        return path.read_bytes(), self.garage.brain.body.to_json(), path.stat().st_mtime_ns

    def holds(self, conn: int) -> None:
        assert conn in self.garage.brain.finished, "it was not refused"
        assert self.durable() == self.before
        self.bystander.command(Action.UNLOCK, 4711)
        assert self.bystander.last(Responded).response.outcome is Outcome.DONE


def message(visit: Visit | PairingVisit, data: bytes) -> int:
    """One whole message from that guest, framed as it should be."""
    side = visit.session.side
    frame = bytes((0xC0 | sent_before(visit.session.state, side),)) + data
    visit.brain.frame(visit.conn, frame)
    return visit.conn


def sealed(visit: Visit, kind: MessageType, plaintext: bytes) -> int:
    channel = visit.session._channel
    assert channel is not None
    return message(visit, bytes((kind,)) + channel.seal(kind, plaintext))


def owner(garage: Garage) -> Visit:
    visit = garage.visit("owner")
    visit.prove()
    return visit


def rubbish(garage: Garage) -> int:
    return message(garage.visit(), b"\xffrubbish")


def out_of_turn(garage: Garage) -> int:
    return message(garage.visit(), bytes((MessageType.CMD,)) + bytes(30))


def too_large(garage: Garage) -> int:
    visit = garage.visit()
    for number in range(2):
        garage.brain.frame(visit.conn, bytes((number | (0x80 if number == 0 else 0),)) + bytes(400))
    return visit.conn


def message_1_with_a_bad_point(garage: Garage) -> int:
    return message(garage.visit(), bytes((MessageType.MESSAGE_1, 0, 6)) + cbor.encode(bytes(32)) + b"\x00")


def message_3_changed(garage: Garage) -> int:
    visit = garage.visit()
    visit.session.begin(garage.monotonic, Cmd(1, Action.UNLOCK))
    for frame in visit.session.frames(512):
        garage.brain.frame(visit.conn, frame)
    (answer,) = garage.brain.outgoing(visit.conn, 512)
    for event in visit.session.receive(answer, garage.monotonic):
        if isinstance(event, SignatureNeeded):
            visit.session.sign(garage.signers["owner"].sign(event.message))
    for frame in visit.session.frames(512):
        garage.brain.frame(visit.conn, frame[:-1] + bytes((frame[-1] ^ 1,)))
    return visit.conn


def token_of_a_stranger(garage: Garage) -> int:
    office = Office(garage.random)
    hand = office.hand(replace(garage.claims("owner"), issuer=office.key.issuer))
    visit = Visit(garage.brain, hand, garage.signers["owner"], garage.random, lambda: garage.monotonic, conn=99)
    with pytest.raises(LookupError):
        visit.prove(Action.UNLOCK)
    return visit.conn


def token_without_its_key(garage: Garage) -> int:
    hand = garage.office.hand(garage.claims("owner"))
    visit = Visit(garage.brain, hand, garage.signers["stranger"], garage.random, lambda: garage.monotonic, conn=99)
    with pytest.raises(LookupError):
        visit.prove(Action.UNLOCK)
    return visit.conn


def fast_with_a_bad_point(garage: Garage) -> int:
    return message(garage.visit(), bytes((MessageType.FAST,)) + Fast(bytes(8), bytes(32), bytes(22)).encode())


def two_fasts(garage: Garage) -> int:
    visit = garage.visit()
    for number in range(2):
        fast = Fast(bytes(8), b"\x09" + bytes(31), bytes(22)).encode()
        garage.brain.frame(visit.conn, bytes((0xC0 | number, MessageType.FAST)) + fast)
    return visit.conn


def pairing_without_a_code(garage: Garage) -> int:
    return (
        PairingVisit(garage.brain, "31415926", new_signer(garage.random), garage.random, lambda: 1.0, conn=99)
        .ask()
        .conn
    )


def pairing_of_another_suite(garage: Garage) -> int:
    return message(garage.visit(), bytes((MessageType.PAIR_ASK, 2)))


def command_that_does_not_open(garage: Garage) -> int:
    return message(owner(garage), bytes((MessageType.CMD,)) + bytes(30))


def command_of_another_shape(garage: Garage) -> int:
    return sealed(owner(garage), MessageType.CMD, cbor.encode([1, 1, 1]))


def command_in_a_longer_form(garage: Garage) -> int:
    return sealed(owner(garage), MessageType.CMD, bytes.fromhex("8218 05 02".replace(" ", "")))


def command_with_a_tail(garage: Garage) -> int:
    return sealed(owner(garage), MessageType.CMD, Cmd(5, Action.LOCK).encode() + b"\x00")


def list_that_is_forged(garage: Garage) -> int:
    return sealed(owner(garage), MessageType.RL_PUSH, Office(garage.random).sign_list(garage.vehicle, 9))


def list_of_another_car(garage: Garage) -> int:
    other = replace(garage.vehicle, id="veh_" + "a" * 16)
    return sealed(owner(garage), MessageType.RL_PUSH, garage.office.sign_list(other, 9))


def receipts_stored_of_another_shape(garage: Garage) -> int:
    return sealed(owner(garage), MessageType.RECEIPT_ACK, cbor.encode([-1]))


def vehicles_own_message(garage: Garage) -> int:
    return sealed(owner(garage), MessageType.RES, cbor.encode([1, 0, 1]))


ATTACKS: list[Attack] = [
    rubbish, out_of_turn, too_large, message_1_with_a_bad_point, message_3_changed, token_of_a_stranger,
    token_without_its_key, fast_with_a_bad_point, two_fasts, pairing_without_a_code, pairing_of_another_suite,
]  # fmt: skip
BY_AN_OWNER: list[Attack] = [
    command_that_does_not_open, command_of_another_shape, command_in_a_longer_form, command_with_a_tail,
    list_that_is_forged, list_of_another_car, receipts_stored_of_another_shape, vehicles_own_message,
]  # fmt: skip


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    garage = Garage(tmp_path).enrol("owner", "friend")
    assert garage.tries("owner", Action.OPEN_TRUNK) is Outcome.DONE
    return garage


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_a_stranger_that_is_refused_leaves_no_trace(garage: Garage, attack: Attack) -> None:
    """Not even a write of the same bytes: who may only knock shall not wear the flash out."""
    scene = Scene(garage)
    scene.holds(attack(garage))


@pytest.mark.parametrize("attack", BY_AN_OWNER, ids=lambda attack: attack.__name__)
def test_a_breach_in_an_open_session_leaves_no_trace(garage: Garage, attack: Attack) -> None:
    """To open the session was no breach: the flash is compared from there on."""
    scene = Scene(garage)
    before = garage.brain.memory.to_json()
    conn = attack(garage)
    file, body, _ = scene.durable()
    assert (file, body) == scene.before[:2]
    assert garage.brain.memory.to_json() == before
    scene.before = scene.durable()
    scene.holds(conn)


def test_a_wrong_guess_at_the_pairing_code_leaves_the_count_of_tries_alone(tmp_path: Path) -> None:
    """The one thing that a failed attempt must leave behind, and before it can be told that it was wrong."""
    garage = Garage(tmp_path)
    garage.brain.memory.owners.clear()
    garage.brain.open_pairing()
    before = garage.brain.memory.to_json()
    visit = PairingVisit(garage.brain, "00000000", new_signer(garage.random), garage.random, lambda: garage.monotonic)
    with pytest.raises(Exception, match="another code"):
        visit.ask()
    assert visit.last(PairingOffered).salt
    after = garage.brain.memory.to_json()
    assert after.pop("pairing")[3] == before.pop("pairing")[3] + 1
    assert after == before
