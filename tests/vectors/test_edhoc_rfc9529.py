"""RFC 9529, section 2 (method 0, suite 0, x5t): every value our code computes, step by step, in both roles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keygw.crypto import cbor, eddsa
from keygw.model.errors import ProtocolError
from keygw.session.edhoc import SUITE_0, Credential, Initiator, Responder, decode_id_cred, edhoc_kdf


class Trace:
    """The values of the trace by the start of their label."""

    def __init__(self, path: Path) -> None:
        data = json.loads(path.read_text())
        self._values = [(e["label"], bytes.fromhex(e["hex"])) for e in data["method0_suite0_x5t"]]
        self.invalid = [(e["section"], e["label"], bytes.fromhex(e["hex"])) for e in data["invalid"]]

    def __getitem__(self, start: str) -> bytes:
        return next(value for label, value in self._values if label.startswith(start))

    def named(self, part: str) -> bytes:
        return next(value for label, value in self._values if f"| {part}" in label)


@pytest.fixture(scope="module")
def trace(shared: Path) -> Trace:
    return Trace(shared / "vectors" / "edhoc_rfc9529.json")


def parties(trace: Trace) -> tuple[Initiator, Responder, Credential]:
    device = Credential(cbor.decode(trace["ID_CRED_I"]), trace["CRED_I (CBOR"], trace.named("PK_I"))
    vehicle = Credential(cbor.decode(trace["ID_CRED_R"]), trace["CRED_R (CBOR"], trace.named("PK_R"))
    initiator = Initiator(SUITE_0, trace.named("X (Raw"), trace.named("C_I (Raw"), device, vehicle)
    responder = Responder(SUITE_0, trace.named("Y (Raw"), trace.named("C_R (Raw"), vehicle)
    return initiator, responder, device


def test_whole_trace_in_both_roles(trace: Trace) -> None:
    initiator, responder, device = parties(trace)
    ours, theirs = initiator.schedule, responder.schedule

    assert initiator.message_1 == trace["message_1 (CBOR"]
    responder.receive_1(initiator.message_1)
    assert responder.peer_connection_id == trace.named("C_I (Raw")
    assert theirs.th_2 == trace["TH_2 (Raw"]
    assert theirs.prk_2e == trace["PRK_2e (Raw"] == trace["PRK_3e2m (Raw"] == trace["PRK_4e3m (Raw"]
    assert theirs.mac_2(trace["context_2 (CBOR Sequence"]) == trace["MAC_2 (Raw"]

    to_sign = responder.to_be_signed()
    assert to_sign == trace["Message to be signed 2"]
    signature = eddsa.sign(trace.named("SK_R"), to_sign)
    assert signature == trace["Signature_or_MAC_2 (Raw"]
    assert theirs.keystream_2(len(trace["KEYSTREAM_2"])) == trace["KEYSTREAM_2"]
    message_2 = responder.message_2(signature)
    assert message_2 == trace["message_2 (CBOR"]

    assert initiator.receive_2(message_2) == trace.named("C_R (Raw")
    assert ours.th_2 == theirs.th_2
    assert ours.th_3 == theirs.th_3 == trace["TH_3 (Raw"]
    assert ours.mac_3(trace["context_3 (CBOR Sequence"]) == trace["MAC_3 (Raw"]
    assert ours.key_3() == (trace["K_3 (Raw"], trace["IV_3 (Raw"], trace["A_3 (CBOR"])

    to_sign = initiator.to_be_signed()
    assert to_sign == trace["Message to be signed 3"]
    signature = eddsa.sign(trace.named("SK_I"), to_sign)
    assert signature == trace["Signature_or_MAC_3 (Raw"]
    message_3 = initiator.message_3(signature)
    assert message_3 == trace["message_3 (CBOR"]
    assert responder.receive_3(message_3, lambda id_cred: device) == []

    for schedule in (ours, theirs):
        assert schedule.th_4 == trace["TH_4 (Raw"]
        assert schedule.prk_out == trace["PRK_out (Raw"]
        assert schedule.prk_exporter == trace["PRK_exporter (Raw"]
        assert schedule.export(0, b"", 16) == trace["OSCORE Master Secret (Raw"]
        assert schedule.export(1, b"", 8) == trace["OSCORE Master Salt (Raw"]


def test_message_4_keys_follow_from_the_same_schedule(trace: Trace) -> None:
    """keygw sends RESULT in message_4's place; the trace's K_4, IV_4 and ciphertext still check the schedule."""
    initiator, responder, _ = parties(trace)
    responder.receive_1(initiator.message_1)
    prk, th_4 = responder.schedule.prk_2e, trace["TH_4 (Raw"]
    key, nonce = edhoc_kdf(prk, 8, th_4, 16), edhoc_kdf(prk, 9, th_4, 13)
    assert (key, nonce) == (trace["K_4 (Raw"], trace["IV_4 (Raw"])
    assert SUITE_0.aead.seal(key, nonce, b"", trace["A_4 (CBOR"]) == trace["CIPHERTEXT_4"]


@pytest.mark.parametrize("position", [0, 40, 80, -1])
def test_a_changed_byte_anywhere_is_refused(trace: Trace, position: int) -> None:
    initiator, responder, device = parties(trace)
    responder.receive_1(initiator.message_1)
    message_2 = bytearray(trace["message_2 (CBOR"])
    message_2[position] ^= 1
    with pytest.raises(ProtocolError):
        initiator.receive_2(bytes(message_2))

    responder.to_be_signed()
    responder.message_2(trace["Signature_or_MAC_2 (Raw"])
    message_3 = bytearray(trace["message_3 (CBOR"])
    message_3[position] ^= 1
    with pytest.raises(ProtocolError):
        responder.receive_3(bytes(message_3), lambda id_cred: device)


REWRITABLE = {
    "Surplus bstr encoding of connection identifier",
    "Text string encoding of ephemeral key",
    "Curve point of low order",
    "Error in elliptic curve encoding",
}
"""Invalid message_1s whose defect is not the method, the suite or the P-256 curve: they hold for our suite as well."""


def test_the_rfcs_invalid_messages_are_refused(trace: Trace) -> None:
    """Section 4. The set is of method 3: each is refused as it stands, and for its own defect under ours.

    "Error in length of MAC" has no counterpart: method 0 carries a signature there, see the next test.
    """
    rewritten = set()
    for section, label, message in trace.invalid:
        initiator, responder, _ = parties(trace)
        if "message_1" in label:
            with pytest.raises(ProtocolError):
                responder.receive_1(message)
        elif "message_2" in label:
            with pytest.raises(ProtocolError):
                initiator.receive_2(message)
        elif "ID_CRED" in section:
            item = cbor.decode_sequence(message)[1]
            with pytest.raises(ProtocolError):
                decode_id_cred(item)
        if section in REWRITABLE:
            rewritten.add(section)
            with pytest.raises(ProtocolError):
                responder.receive_1(b"\x00\x00" + message[2:])
    assert rewritten == REWRITABLE
    assert len(trace.invalid) == 15


def test_a_short_signature_is_refused(trace: Trace) -> None:
    initiator, responder, _ = parties(trace)
    responder.receive_1(initiator.message_1)
    responder.to_be_signed()
    with pytest.raises(ProtocolError):
        initiator.receive_2(responder.message_2(trace["Signature_or_MAC_2 (Raw"][:8]))
