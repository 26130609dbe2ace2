"""Against an independent implementation: lakers (Rust), method 3, suite 2, in both roles, every message and key.

lakers 0.6.2 encodes contexts of 256 bytes and more wrongly, and writes an exporter label above 23 as a bare byte that
is no CBOR integer: so the credentials, EAD items and labels here are small.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from keygw.crypto import cbor
from keygw.crypto.agreement import P256Key
from keygw.crypto.signer import coordinates
from keygw.model.errors import ProtocolError
from keygw.session.edhoc import Credential, Ead
from keygw.session.edhoc.oracle.after import key_update, message_4, receive_4
from keygw.session.edhoc.oracle.static import StaticInitiator, StaticResponder
from keygw.session.edhoc.oracle.suites import SUITE_2

lakers = pytest.importorskip("lakers", reason="no wheel of lakers-python for this platform")

DEVICE_KID, VEHICLE_KID = b"\x2b", b"\x32"
ROUNDS = 8


class Person:
    """A static key pair, and its CCS (a CWT claims set) as both implementations take it."""

    def __init__(self, rng: random.Random, kid: bytes) -> None:
        self.secret = rng.randbytes(32)
        self.key = P256Key(self.secret)
        x, y = coordinates(b"\x02" + self.key.public)
        self.ccs = cbor.encode({2: "example", 8: {1: {1: 2, 2: kid, -1: 1, -2: x, -3: y}}})
        self.ours = Credential.by_kid(kid, self.ccs, self.key.public)

    def theirs(self) -> Any:
        return lakers.Credential(self.ccs)


@pytest.fixture(params=range(ROUNDS))
def people(rng: random.Random) -> tuple[Person, Person]:
    return Person(rng, DEVICE_KID), Person(rng, VEHICLE_KID)


def same_keys(ours: StaticInitiator | StaticResponder, theirs: Any) -> None:
    for label, context, length in ((0, b"", 16), (1, b"", 8), (23, b"\x00" * 40, 32)):
        assert ours.export(label, context, length) == bytes(theirs.edhoc_exporter(label, context, length))
    theirs.edhoc_key_update(b"more")
    key_update(ours.schedule, b"more")
    assert ours.export(0, b"", 16) == bytes(theirs.edhoc_exporter(0, b"", 16))


def test_keygw_initiates(people: tuple[Person, Person], rng: random.Random) -> None:
    device, vehicle = people
    ead_1, ead_3 = [Ead(21, b"one")], [Ead(22, b"three")]
    ours = StaticInitiator(SUITE_2, rng.randbytes(32), b"\x0e", device.ours, vehicle.ours, device.key, ead_1=ead_1)
    theirs = lakers.EdhocResponder(vehicle.secret, vehicle.theirs())
    c_i, seen = theirs.process_message_1(ours.message_1)
    assert bytes(c_i) == b"\x0e"
    assert [(item.label(), bytes(item.value())) for item in seen] == [(21, b"one")]
    ead_2 = [lakers.EADItem(23, False, b"two")]
    message_2 = bytes(theirs.prepare_message_2(lakers.CredentialTransfer.ByReference, b"\x27", ead_2))
    assert ours.receive_2(message_2) == b"\x27"
    assert ours.ead_2 == [Ead(23, b"two")]
    _, seen = theirs.parse_message_3(ours.message_3(ead_3))
    assert [item.label() for item in seen] == [22]
    theirs.verify_message_3(device.theirs())
    assert receive_4(ours, bytes(theirs.prepare_message_4())) == []
    same_keys(ours, theirs)


def test_keygw_responds(people: tuple[Person, Person], rng: random.Random) -> None:
    device, vehicle = people
    theirs = lakers.EdhocInitiator()
    ours = StaticResponder(SUITE_2, rng.randbytes(32), b"\x27", vehicle.ours, vehicle.key)
    ours.receive_1(bytes(theirs.prepare_message_1(b"\x0e")))
    assert ours.peer_connection_id == b"\x0e"
    c_r, _, seen = theirs.parse_message_2(ours.message_2([Ead(23, b"two")]))
    assert bytes(c_r) == b"\x27"
    assert [item.label() for item in seen] == [23]
    theirs.verify_message_2(device.secret, device.theirs(), vehicle.theirs())
    message_3 = bytes(theirs.prepare_message_3(lakers.CredentialTransfer.ByReference)[0])
    asked = []

    def resolve(id_cred: bytes) -> Credential:
        asked.append(id_cred)
        return device.ours

    assert ours.receive_3(message_3, resolve) == []
    assert asked == [device.ours.id_cred]
    theirs.process_message_4(message_4(ours))
    same_keys(ours, theirs)


def test_each_refuses_a_stranger(rng: random.Random) -> None:
    device, vehicle, stranger = (Person(rng, kid) for kid in (DEVICE_KID, VEHICLE_KID, DEVICE_KID))
    theirs = lakers.EdhocInitiator()
    ours = StaticResponder(SUITE_2, rng.randbytes(32), b"\x27", vehicle.ours, vehicle.key)
    ours.receive_1(bytes(theirs.prepare_message_1(b"\x0e")))
    theirs.parse_message_2(ours.message_2())
    theirs.verify_message_2(stranger.secret, stranger.theirs(), vehicle.theirs())
    message_3 = bytes(theirs.prepare_message_3(lakers.CredentialTransfer.ByReference)[0])
    with pytest.raises(ProtocolError):
        ours.receive_3(message_3, lambda id_cred: device.ours)

    initiator = StaticInitiator(SUITE_2, rng.randbytes(32), b"\x0e", device.ours, vehicle.ours, stranger.key)
    responder = lakers.EdhocResponder(vehicle.secret, vehicle.theirs())
    responder.process_message_1(initiator.message_1)
    initiator.receive_2(bytes(responder.prepare_message_2(lakers.CredentialTransfer.ByReference, b"\x27")))
    responder.parse_message_3(initiator.message_3())
    with pytest.raises(ValueError, match="MacVerificationFailed"):
        responder.verify_message_3(device.theirs())
