"""The EDHOC profile: method 0, suite 6, one credential each, one EAD item; anything else is refused (RFC 9528)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keygw.crypto import cbor
from keygw.model.command import Action
from keygw.model.errors import ProtocolError
from keygw.session.core import EAD_INTENT
from keygw.session.edhoc import SUITE_6, Credential, Ead, Initiator, Responder
from keygw.session.edhoc.codec import decode_ead, encode_ead
from keygw.session.events import Presented
from keygw.session.identity import vehicle_credential
from keygw.session.states import State
from keygw.wire.messages import Cmd, Intent, LinkKind
from keygw_sim.chance import chance, new_signer
from keygw_sim.rehearsal import Stage

X, Y = b"\x11" * 32, b"\x22" * 32
VEHICLE, DEVICE = new_signer(chance("profile", "car")), new_signer(chance("profile", "device"))
CRED_R = vehicle_credential("veh_" + "a" * 16, VEHICLE.public_key)
CRED_I = Credential.by_token(cbor.encode([b"token"]), DEVICE.public_key)


def parties(peer: Credential = CRED_R) -> tuple[Initiator, Responder]:
    return Initiator(SUITE_6, X, b"\x00", CRED_I, peer), Responder(SUITE_6, Y, b"\x01", CRED_R)


def second(responder: Responder, initiator: Initiator, *ead: Ead) -> bytes:
    responder.receive_1(initiator.message_1)
    return responder.message_2(VEHICLE.sign(responder.to_be_signed(ead)))


# -- message_1 -----------------------------------------------------------------------------------------------------


def first(*items: object) -> bytes:
    return b"".join(cbor.encode(item) for item in items)


POINT = parties()[0].message_1[4:36]
MESSAGES_1 = {
    "method 1": first(1, 6, POINT, 0),
    "method 3": first(3, 6, POINT, 0),
    "method 0.0": first(0.0, 6, POINT, 0),
    "method false": first(False, 6, POINT, 0),
    "suite 0": first(0, 0, POINT, 0),
    "suite 2": first(0, 2, POINT, 0),
    "suite 6.0": first(0, 6.0, POINT, 0),
    "an array of one suite": first(0, [6], POINT, 0),
    "suites with another selected": first(0, [6, 2], POINT, 0),
    "a short point": first(0, 6, POINT[:-1], 0),
    "a long point": first(0, 6, POINT + b"\x00", 0),
    "a text for a point": first(0, 6, "x" * 32, 0),
    "a point of low order": first(0, 6, bytes(32), 0),
    "no identifier": first(0, 6, POINT),
    "an identifier in a longer form": first(0, 6, POINT, b"\x00"),
    "an identifier out of range": first(0, 6, POINT, 24),
    "critical EAD_1": first(0, 6, POINT, 0, -1),
    "EAD_1 without a label": first(0, 6, POINT, 0, b"value"),
    "an array around it": first([0, 6, POINT, 0]),
    "nothing": b"",
}


def test_the_message_1_they_are_made_of_is_accepted() -> None:
    parties()[1].receive_1(first(0, 6, POINT, 0))
    assert parties()[0].message_1 == first(0, 6, POINT, 0)


@pytest.mark.parametrize("ead", [(0,), (1, b"value"), (0, b"padding", 7)])
def test_what_is_not_critical_in_ead_1_is_ignored(ead: tuple[object, ...]) -> None:
    parties()[1].receive_1(first(0, 6, POINT, 0, *ead))


@pytest.mark.parametrize("name", MESSAGES_1)
def test_any_other_message_1_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError):
        parties()[1].receive_1(MESSAGES_1[name])


# -- message_2 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ead", [(), (Ead(5),), (Ead(0, b"padding"), Ead(7, b"x"))])
def test_what_is_not_critical_in_ead_2_is_ignored(ead: tuple[Ead, ...]) -> None:
    initiator, responder = parties()
    assert initiator.receive_2(second(responder, initiator, *ead)) == b"\x01"


@pytest.mark.parametrize("ead", [(Ead(-5),), (Ead(5), Ead(-EAD_INTENT, b"x"))])
def test_an_unknown_critical_item_in_ead_2_is_refused(ead: tuple[Ead, ...]) -> None:
    initiator, responder = parties()
    with pytest.raises(ProtocolError, match="critical"):
        initiator.receive_2(second(responder, initiator, *ead))


def test_a_vehicle_under_another_kid_is_refused_though_its_signature_would_hold() -> None:
    """Every car uses the same kid: an own one could be followed around."""
    own = Credential.by_kid(b"\x05", CRED_R.cred, CRED_R.public_key)
    initiator, _ = parties()
    responder = Responder(SUITE_6, Y, b"\x01", own)
    with pytest.raises(ProtocolError, match="another credential"):
        initiator.receive_2(second(responder, initiator))


@pytest.mark.parametrize("message", [b"", b"\x40", cbor.encode(bytes(32)), cbor.encode([bytes(40)]), cbor.encode(1)])
def test_a_message_2_of_another_shape_is_refused(message: bytes) -> None:
    with pytest.raises(ProtocolError):
        parties()[0].receive_2(message)


def test_a_message_2_with_a_point_of_low_order_is_refused() -> None:
    with pytest.raises(ProtocolError, match="ephemeral"):
        parties()[0].receive_2(cbor.encode(bytes(32) + bytes(60)))


def test_nothing_is_exported_before_message_3() -> None:
    initiator, responder = parties()
    initiator.receive_2(second(responder, initiator))
    for party in (initiator, responder):
        with pytest.raises(ValueError, match="before message_3"):
            party.export(1, b"", 16)


# -- message_3 and EAD_3 -------------------------------------------------------------------------------------------


def present(*ead: Ead) -> Stage:
    """A device that proves itself properly, with this EAD_3 in place of ours."""
    stage = Stage().greet()
    stage.device.begin(stage.now)
    (message_1,) = stage.device.frames(512)
    stage.to_car(message_1)
    (message_2,) = stage.car.frames(512)
    stage.device.receive(message_2, stage.now)
    stage.device.sign(stage.device_signer.sign(stage.device._party.to_be_signed(ead)))
    (message_3,) = stage.device.frames(512)
    stage.to_car(message_3)
    return stage


INTENT = Intent(Stage().greet().car._hello_hash[:8], LinkKind.DIRECT, False, Cmd(1, Action.UNLOCK)).encode()
GOOD = Ead(-EAD_INTENT, INTENT)


@pytest.mark.parametrize("ead", [(GOOD,), (Ead(0, b"padding"), GOOD), (GOOD, Ead(9)), (Ead(9, b"x"), GOOD, Ead(10))])
def test_the_binding_item_may_stand_among_others_that_are_not_critical(ead: tuple[Ead, ...]) -> None:
    stage = present(*ead)
    presented = next(event for event in stage.heard_by_car if isinstance(event, Presented))
    assert presented.command == Cmd(1, Action.UNLOCK)


@pytest.mark.parametrize(
    "ead",
    [
        (),
        (Ead(9, INTENT),),
        (Ead(EAD_INTENT, INTENT),),
        (Ead(-EAD_INTENT),),
        (GOOD, GOOD),
        (GOOD, Ead(-9)),
        (Ead(-9, b"x"), GOOD),
        (GOOD, Ead(EAD_INTENT, INTENT)),
        (Ead(-EAD_INTENT, b""),),
        (Ead(-EAD_INTENT, INTENT + b"\x00"),),
        (Ead(-EAD_INTENT, cbor.encode([bytes(8), 0, False, None])),),
    ],
)
def test_an_ead_3_that_does_not_bind_hello_once_and_critically_is_refused(ead: tuple[Ead, ...]) -> None:
    with pytest.raises(ProtocolError):
        present(*ead)


ID_CREDS = {
    "kid": cbor.encode({4: b"\x00"}),
    "claims set": cbor.encode({14: {8: {}}}),
    "token and kid": cbor.encode({13: [b"x"], 4: b"k"}),
    "certificate": cbor.encode({34: [-16, b"hash"]}),
    "13.0 is not 13": b"\xa1\xf9\x4a\x80" + cbor.encode([b"x"]),
}


@pytest.mark.parametrize("name", ID_CREDS)
def test_a_device_must_show_its_token_and_nothing_else(name: str) -> None:
    stage = Stage().greet()
    stage.device.begin(stage.now)
    party = stage.device._party
    party._own = replace(party._own, id_cred=ID_CREDS[name])
    with pytest.raises(ProtocolError):
        stage.carry()
    assert stage.car.state is State.CLOSED


@pytest.mark.parametrize("items", [[b"x"], ["x"], [1, b"x", b"y"], [True], [1, None], [[1]], [1.0]])
def test_ead_of_another_shape_is_refused(items: list[object]) -> None:
    with pytest.raises(ProtocolError):
        decode_ead(cbor.split_sequence(b"".join(map(cbor.encode, items))), ())


def test_ead_goes_there_and_back() -> None:
    items = [Ead(1), Ead(-EAD_INTENT, b"value"), Ead(0, b"")]
    assert decode_ead(cbor.split_sequence(encode_ead(items)), {EAD_INTENT}) == (items, encode_ead(items))
