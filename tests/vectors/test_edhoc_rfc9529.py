"""RFC 9529: every value of both traces that our code computes, in both roles, and every invalid message of section 4.

Section 2 is method 0, suite 0, x5t; section 3 is method 3, suite 2, kid, with a negotiation before it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from keygw.crypto import cbor, eddsa
from keygw.crypto.agreement import EphemeralKey, P256Key
from keygw.crypto.kdf import sha256
from keygw.model.errors import ProtocolError
from keygw.session.edhoc import Credential, Initiator, Responder, Schedule, SuiteRefused, edhoc_kdf
from keygw.session.edhoc.oracle.after import key_update, message_4, receive_4
from keygw.session.edhoc.oracle.negotiation import decode_error, encode_error, offer
from keygw.session.edhoc.oracle.static import StaticInitiator, StaticResponder
from keygw.session.edhoc.oracle.suites import SUITE_0, SUITE_2, SUITE_3
from keygw.session.edhoc.party import xor
from keygw.session.edhoc.schedule import context_2, context_3
from keygw.session.edhoc.suites import SUITE_6


class Trace:
    """The values of one trace by the start of their label, or by a part of it after a bar."""

    def __init__(self, entries: list[dict[str, str]]) -> None:
        self._values = [
            (e["section"], e["label"], bytes.fromhex(e["hex"])) for e in entries if "first time" not in e["section"]
        ]

    def __getitem__(self, start: str) -> bytes:
        return next(value for _, label, value in self._values if label.startswith(start))

    def named(self, part: str) -> bytes:
        return next(value for _, label, value in self._values if f"| {part}" in label)

    def of(self, section: str, part: str) -> bytes:
        return next(value for where, label, value in self._values if where == section and part in label)


@pytest.fixture(scope="module")
def document(shared: Path) -> dict[str, list[dict[str, str]]]:
    data: dict[str, list[dict[str, str]]] = json.loads((shared / "vectors" / "edhoc_rfc9529.json").read_text())
    return data


@pytest.fixture(scope="module")
def signed(document: dict[str, list[dict[str, str]]]) -> Trace:
    return Trace(document["method0_suite0_x5t"])


@pytest.fixture(scope="module")
def static(document: dict[str, list[dict[str, str]]]) -> Trace:
    return Trace(document["method3_suite2_kid"])


def signing_parties(trace: Trace) -> tuple[Initiator, Responder, Credential]:
    device = Credential(trace["ID_CRED_I"], trace["CRED_I (CBOR"], trace.named("PK_I"))
    vehicle = Credential(trace["ID_CRED_R"], trace["CRED_R (CBOR"], trace.named("PK_R"))
    initiator = Initiator(SUITE_0, trace.named("X (Raw"), trace.named("C_I (Raw"), device, vehicle)
    responder = Responder(SUITE_0, trace.named("Y (Raw"), trace.named("C_R (Raw"), vehicle)
    return initiator, responder, device


def static_parties(trace: Trace) -> tuple[StaticInitiator, StaticResponder, Credential]:
    x_i = trace.of("message_3", "Initiator's public authentication key, 'x'")
    x_r = trace.of("message_2", "Responder's public authentication key, 'x'")
    device = Credential(trace["ID_CRED_I"], trace["CRED_I (CBOR"], x_i)
    vehicle = Credential(trace["ID_CRED_R"], trace["CRED_R (CBOR"], x_r)
    initiator = StaticInitiator(
        SUITE_2,
        trace.named("X (Raw"),
        trace.named("C_I (Raw"),
        device,
        vehicle,
        P256Key(trace.named("SK_I")),
        before=[6],
    )
    responder = StaticResponder(
        SUITE_2, trace.named("Y (Raw"), trace.named("C_R (raw"), vehicle, P256Key(trace.named("SK_R"))
    )
    return initiator, responder, device


def same_to_2(schedule: Schedule, trace: Trace, shared_secret: bytes, message_1: bytes) -> None:
    """Everything up to TH_2, keystream aside."""
    assert shared_secret == trace["G_XY (Raw"]
    assert sha256(message_1) == trace["H(message_1) (Raw"]
    assert sha256(trace["Input to calculate TH_2"]) == schedule.th_2 == trace["TH_2 (Raw"] == trace["salt (Raw"]
    assert schedule.prk_2e == trace["PRK_2e (Raw"]
    assert schedule.prk_3e2m == trace["PRK_3e2m (Raw"]
    assert schedule.keystream_2(len(trace["KEYSTREAM_2"])) == trace["KEYSTREAM_2"]


def same_to_the_end(schedule: Schedule, trace: Trace) -> None:
    """From TH_3 to the exporter, and key update."""
    assert sha256(trace["Input to calculate TH_3"]) == schedule.th_3 == trace["TH_3 (Raw"]
    assert schedule.prk_4e3m == trace["PRK_4e3m (Raw"]
    assert schedule.key_3() == (trace["K_3 (Raw"], trace["IV_3 (Raw"], trace["A_3 (CBOR"])
    assert sha256(trace["Input to calculate TH_4"]) == schedule.th_4 == trace["TH_4 (Raw"]
    assert schedule.key_4() == (trace["K_4 (Raw"], trace["IV_4 (Raw"], trace["A_4 (CBOR"])
    assert schedule.prk_out == trace["PRK_out (Raw"]
    assert schedule.prk_exporter == trace["PRK_exporter (Raw"]
    assert schedule.export(0, b"", 16) == trace["OSCORE Master Secret (Raw"]
    assert schedule.export(1, b"", 8) == trace["OSCORE Master Salt (Raw"]
    key_update(schedule, trace["context for KeyUpdate (Raw"])
    assert schedule.prk_out == trace["PRK_out after KeyUpdate"]
    assert schedule.prk_exporter == trace["PRK_exporter after KeyUpdate"]
    assert schedule.export(0, b"", 16) == trace["OSCORE Master Secret after"]
    assert schedule.export(1, b"", 8) == trace["OSCORE Master Salt after"]


def same_plaintexts(schedule: Schedule, trace: Trace) -> None:
    """The ciphertexts of the trace hold its plaintexts under our keys."""
    assert xor(trace["CIPHERTEXT_2"], trace["KEYSTREAM_2"]) == trace["PLAINTEXT_2"]
    key, nonce, aad = schedule.key_3()
    assert schedule.suite.aead.seal(key, nonce, trace["PLAINTEXT_3"], aad) == trace["CIPHERTEXT_3"]
    key, nonce, aad = schedule.key_4()
    assert schedule.suite.aead.seal(key, nonce, b"", aad) == trace["CIPHERTEXT_4"]


def test_section_2_in_both_roles(signed: Trace) -> None:
    trace = signed
    initiator, responder, device = signing_parties(trace)
    assert initiator.message_1 == trace["message_1 (CBOR"]
    assert EphemeralKey(trace.named("X (Raw")).public == trace.named("G_X (Raw")
    assert EphemeralKey(trace.named("Y (Raw")).public == trace.named("G_Y (Raw")
    responder.receive_1(initiator.message_1)
    ours, theirs = initiator.schedule, responder.schedule
    assert responder.peer_connection_id == trace.named("C_I (Raw")
    same_to_2(theirs, trace, EphemeralKey(trace.named("Y (Raw")).agree(trace.named("G_X (Raw")), initiator.message_1)
    vehicle = Credential(trace["ID_CRED_R"], trace["CRED_R (CBOR"], trace.named("PK_R"))
    context = context_2(trace.named("C_R (CBOR"), vehicle, theirs.th_2, b"")
    assert context == trace["context_2 (CBOR Sequence"]
    assert theirs.mac_2(context) == trace["MAC_2 (Raw"]

    to_sign = responder.to_be_signed()
    assert to_sign == trace["Message to be signed 2"]
    signature = eddsa.sign(trace.named("SK_R"), to_sign)
    assert signature == trace["Signature_or_MAC_2 (Raw"]
    message_2 = responder.message_2(signature)
    assert message_2 == trace["message_2 (CBOR"]

    assert initiator.receive_2(message_2) == trace.named("C_R (Raw")
    same_to_2(ours, trace, EphemeralKey(trace.named("X (Raw")).agree(trace.named("G_Y (Raw")), initiator.message_1)
    context = context_3(device, ours.th_3, b"")
    assert context == trace["context_3 (CBOR Sequence"]
    assert ours.mac_3(context) == trace["MAC_3 (Raw"]
    to_sign = initiator.to_be_signed()
    assert to_sign == trace["Message to be signed 3"]
    signature = eddsa.sign(trace.named("SK_I"), to_sign)
    assert signature == trace["Signature_or_MAC_3 (Raw"]
    message_3 = initiator.message_3(signature)
    assert message_3 == trace["message_3 (CBOR"]
    assert responder.receive_3(message_3, lambda id_cred: device) == []

    assert message_4(responder) == trace["message_4 (CBOR"]
    assert receive_4(initiator, trace["message_4 (CBOR"]) == []
    for schedule in (ours, theirs):
        same_plaintexts(schedule, trace)
        same_to_the_end(schedule, trace)


def test_section_3_in_both_roles(static: Trace) -> None:
    trace = static
    initiator, responder, device = static_parties(trace)
    assert initiator.message_1 == trace.of("message_1 (second time)", "message_1 (CBOR")
    assert P256Key(trace.named("X (Raw")).public == trace.named("G_X (Raw")
    assert P256Key(trace.named("Y (Raw")).public == trace.named("G_Y (Raw")
    responder.receive_1(initiator.message_1)
    ours, theirs = initiator.schedule, responder.schedule
    assert responder.peer_connection_id == trace.named("C_I (Raw")
    message_2 = responder.message_2()
    assert message_2 == trace["message_2 (CBOR"]
    same_to_2(theirs, trace, P256Key(trace.named("Y (Raw")).agree(trace.named("G_X (Raw")), initiator.message_1)
    assert edhoc_kdf(theirs.prk_2e, 1, theirs.th_2, 32) == trace["SALT_3e2m (Raw"]
    assert P256Key(trace.named("SK_R")).agree(trace.named("G_X (Raw")) == trace["G_RX"]
    assert theirs.mac_2(trace["context_2 (CBOR Sequence"], 8) == trace["MAC_2 (Raw"] == trace["Signature_or_MAC_2 (Raw"]

    assert initiator.receive_2(message_2) == trace.named("C_R (raw")
    same_to_2(ours, trace, P256Key(trace.named("X (Raw")).agree(trace.named("G_Y (Raw")), initiator.message_1)
    message_3 = initiator.message_3()
    assert message_3 == trace["message_3 (CBOR"]
    assert edhoc_kdf(ours.prk_3e2m, 5, ours.th_3, 32) == trace["SALT_4e3m (Raw"]
    assert P256Key(trace.named("SK_I")).agree(trace.named("G_Y (Raw")) == trace["G_IY"]
    assert context_3(device, ours.th_3, b"") == trace["context_3 (CBOR Sequence"]
    assert ours.mac_3(trace["context_3 (CBOR Sequence"], 8) == trace["MAC_3 (Raw"] == trace["Signature_or_MAC_3 (Raw"]
    assert responder.receive_3(message_3, lambda id_cred: device) == []

    assert message_4(responder) == trace["message_4 (CBOR"]
    assert receive_4(initiator, trace["message_4 (CBOR"]) == []
    for schedule in (ours, theirs):
        same_plaintexts(schedule, trace)
        same_to_the_end(schedule, trace)


def test_section_3_begins_with_a_negotiation(document: dict[str, list[dict[str, str]]], static: Trace) -> None:
    first = {e["label"].split(" (")[0]: bytes.fromhex(e["hex"]) for e in document["method3_suite2_kid"][:8]}
    _, responder, _ = static_parties(static)
    with pytest.raises(SuiteRefused) as refused:
        responder.receive_1(first["message_1"])
    error = encode_error(refused.value)
    assert error == static["error (CBOR"]
    suite, before = offer([SUITE_6, SUITE_2], decode_error(error))
    assert (suite, before) == (SUITE_2, (6,))


@pytest.mark.parametrize("position", [0, 1, 40, 80, -1])
def test_a_changed_byte_anywhere_is_refused(signed: Trace, position: int) -> None:
    initiator, responder, device = signing_parties(signed)
    responder.receive_1(initiator.message_1)
    message_2 = bytearray(signed["message_2 (CBOR"])
    message_2[position] ^= 1
    with pytest.raises(ProtocolError):
        initiator.receive_2(bytes(message_2))

    responder.to_be_signed()
    responder.message_2(signed["Signature_or_MAC_2 (Raw"])
    message_3 = bytearray(signed["message_3 (CBOR"])
    message_3[position] ^= 1
    with pytest.raises(ProtocolError):
        responder.receive_3(bytes(message_3), lambda id_cred: device)


def test_a_changed_byte_is_refused_under_method_3_too(static: Trace) -> None:
    for message in ("message_2", "message_3", "message_4"):
        whole = static[f"{message} (CBOR"]
        for position in range(len(whole)):
            initiator, responder, device = static_parties(static)
            responder.receive_1(initiator.message_1)
            changed = whole[:position] + bytes((whole[position] ^ 0x10,)) + whole[position + 1 :]
            message_2 = responder.message_2()
            if message != "message_2":
                initiator.receive_2(message_2)
                initiator.message_3()
            take: dict[str, Callable[[], object]] = {
                "message_2": partial(initiator.receive_2, changed),
                "message_3": partial(responder.receive_3, changed, {device.id_cred: device}.__getitem__),
                "message_4": partial(receive_4, initiator, changed),
            }
            with pytest.raises(ProtocolError):
                take[message]()


DEFECTS = {
    "Surplus array encoding of message": "message_1 is malformed",
    "Surplus bstr encoding of connection identifier": "identifier is not in its shortest form",
    "Surplus array encoding of ciphersuite": "list of cipher suites is malformed",
    "Text string encoding of ephemeral key": "message_1 is malformed",
    "Wrong number of CBOR sequence elements": "expected exactly one byte string",
    "Surplus map encoding of ID_CRED field": "ID_CRED is not in its shortest form",
    "Surplus bstr encoding of ID_CRED field": "identifier is not in its shortest form",
    "Error in length of ephemeral key": "cipher suite not accepted",  # 24, with longer keys; see the next test but one
    "Error in elliptic curve representation": "ephemeral key is not acceptable",
    "Error in elliptic curve point": "ephemeral key is not acceptable",
    "Curve point of low order": "ephemeral key is not acceptable",
    "Error in length of MAC": "MAC has a wrong length",
    "Error in elliptic curve encoding": "message_1 is malformed",
    "Unnecessary long encoding": "not in its shortest form",
    "Indefinite-length array encoding": "indefinite length",
}


@pytest.mark.parametrize("section", DEFECTS)
def test_section_4_is_refused_each_for_its_own_defect(
    document: dict[str, list[dict[str, str]]], static: Trace, section: str
) -> None:
    """All of it is method 3. A PLAINTEXT_2 goes into a message_2 under the trace's own keystream."""
    assert {entry["section"] for entry in document["invalid"]} == set(DEFECTS)
    (entry,) = (entry for entry in document["invalid"] if entry["section"] == section)
    invalid = bytes.fromhex(entry["hex"])
    initiator, _, _ = static_parties(static)
    responder = StaticResponder(
        [SUITE_2, SUITE_0, SUITE_3], static.named("Y (Raw"), b"\x27", initiator._peer, P256Key(static.named("SK_R"))
    )
    take = responder.receive_1 if "message_1" in entry["label"] else initiator.receive_2
    message = sealed_2(static, invalid) if "PLAINTEXT_2" in entry["label"] else invalid
    with pytest.raises(ProtocolError, match=DEFECTS[section]) as refused:
        take(message)
    assert isinstance(refused.value, SuiteRefused) == (section == "Error in length of ephemeral key")


def sealed_2(trace: Trace, plaintext: bytes) -> bytes:
    schedule = Schedule(SUITE_2)
    schedule.begin(trace.of("message_1 (second time)", "message_1 (CBOR"), trace.named("G_Y (Raw"), trace["G_XY (Raw"])
    return cbor.encode(trace.named("G_Y (Raw") + xor(plaintext, schedule.keystream_2(len(plaintext))))


def test_the_invalid_plaintexts_would_pass_without_their_defect(static: Trace) -> None:
    """The same road with the true MAC: the right form is taken, the two surplus encodings are not."""
    mac = static["MAC_2 (CBOR"]
    for plaintext, taken in (
        (b"\x27\x32" + mac, True),
        (b"\x27\xa1\x04\x41\x32" + mac, False),
        (b"\x27\x41\x32" + mac, False),
        (b"\x27\x32\x44" + mac[1:5], False),
        (b"\x41\x27\x32" + mac, False),
    ):
        initiator, _, _ = static_parties(static)
        if taken:
            assert initiator.receive_2(sealed_2(static, plaintext)) == b"\x27"
        else:
            with pytest.raises(ProtocolError):
                initiator.receive_2(sealed_2(static, plaintext))


@pytest.mark.parametrize("size", [0, 31, 33, 48, 64])
def test_an_ephemeral_key_of_another_suites_length_is_refused(static: Trace, size: int) -> None:
    _, responder, _ = static_parties(static)
    key = (static.named("G_X (Raw") * 2)[:size]
    with pytest.raises(ProtocolError, match="message_1 is malformed"):
        responder.receive_1(b"\x03\x02" + cbor.encode(key) + b"\x0e")


def test_a_short_signature_is_refused(signed: Trace) -> None:
    initiator, responder, _ = signing_parties(signed)
    responder.receive_1(initiator.message_1)
    responder.to_be_signed()
    with pytest.raises(ProtocolError):
        initiator.receive_2(responder.message_2(signed["Signature_or_MAC_2 (Raw"][:8]))
