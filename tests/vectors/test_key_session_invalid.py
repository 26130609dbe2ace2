"""What the frozen vectors of ``protocols/key_session`` forbid is refused, and no part of a good message passes.

``invalid.json`` holds whole messages, sealed and signed correctly where that is possible, so that the reader behind the
cryptography is what is tested. The prefixes of every body and plaintext are made here.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shapes import MESSAGES, SIGNED

from keygw.crypto import aead, cbor
from keygw.model.errors import ProtocolError
from keygw.session.edhoc import SUITE_6, Credential, Initiator, Responder
from keygw.session.events import FastRefused, PresentedFast
from keygw.session.identity import vehicle_credential
from keygw.session.states import State
from keygw.wire.frame import Reassembler
from keygw.wire.messages import (
    Cmd,
    Fast,
    FastCommand,
    FastResult,
    Hello,
    Intent,
    Receipts,
    Res,
    Result,
    check_info,
    decode_chain,
    decode_error,
    decode_event,
    decode_sequence,
    decode_statements,
    encode_chain,
    encode_error,
    encode_event,
    encode_sequence,
    encode_statements,
)
from keygw.wire.ranging import Range
from keygw_sim.replay import FIRST, Replay, Vector, fast_pair

ROOT = Path(__file__).resolve().parent.parent.parent
VECTORS = ROOT / "protocols" / "key_session" / "vectors"


def load(name: str) -> Vector:
    loaded: Vector = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    return loaded


INVALID = load("invalid.json")
TOLD = {
    name: load(name)
    for name in ("conversation.json", "kept.json", "chain.json", "rotation.json", "ranging.json", "fast.json")
}
BREACHES = INVALID["breaches"]


def told_as(case: dict[str, str]) -> str:
    return f"{case['instead_of']}: {case['name']}"


def test_the_script_makes_exactly_this_file() -> None:
    spec = importlib.util.spec_from_file_location("make_session_invalid", ROOT / "tools" / "make_session_invalid.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, text in script.documents().items():
        assert (VECTORS / name).read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "case", [case for case in BREACHES if case["in"] in ("conversation.json", "kept.json")], ids=told_as
)
def test_a_breach_ends_the_session(case: dict[str, str]) -> None:
    told = TOLD[case["in"]]
    index = [row["name"] for row in told["messages"]].index(case["instead_of"])
    replay = Replay(told).to(index)
    _, hearer = replay.ends(index)
    message = bytes.fromhex(case["message"])
    assert message.hex() != told["messages"][index]["message"]
    with pytest.raises(ProtocolError):
        hear(hearer, index, told, message)
    assert hearer.state is State.CLOSED


def hear(hearer: Any, index: int, told: Vector, message: bytes) -> list[Any]:
    """That message as frames of at most 512 bytes, in the place of message ``index``."""
    way = told["messages"][index]["direction"]
    sequence = sum(row["direction"] == way for row in told["messages"][:index])
    events = []
    for start in range(0, len(message), 511):
        header = sequence & 63 | (0x80 if start == 0 else 0) | (0x40 if start + 511 >= len(message) else 0)
        events += hearer.receive(bytes((header,)) + message[start : start + 511], 0.0)
        sequence += 1
    return events


@pytest.mark.parametrize("case", [case for case in BREACHES if case["in"] == "fast.json"], ids=told_as)
def test_a_breach_ends_the_fast_path(case: dict[str, str]) -> None:
    with pytest.raises(ProtocolError):
        answer_to(case)


@pytest.mark.parametrize("case", INVALID["refused"], ids=told_as)
def test_what_does_not_open_on_the_fast_path_is_refused_and_no_more(case: dict[str, str]) -> None:
    car, events = answer_to(case)
    assert not any(isinstance(event, PresentedFast) for event in events)
    assert car.state is State.QUICK
    assert not car.talking
    if case["instead_of"] == "FAST":
        (frame,) = car.frames(512)
        assert (frame[1], len(frame)) == (0x21, 27)
    else:
        assert events == [FastRefused()]


def answer_to(case: dict[str, str]) -> tuple[Any, list[Any]]:
    """Who heard that message in the place of FAST or FAST_RESULT, and what it made of it."""
    told = TOLD["fast.json"]
    device, car, key = fast_pair(told)
    car.greet(7)
    (frame,) = car.frames(512)
    device.receive(frame, 0.0)
    device.begin_fast(0.0, key, FIRST)
    list(device.frames(512))
    index = 1 if case["instead_of"] == "FAST" else 2
    hearer = car if index == 1 else device
    events = hear(hearer, index, told, bytes.fromhex(case["message"]))
    return hearer, events


@pytest.mark.parametrize("case", INVALID["infos"], ids=lambda case: case["name"])
def test_an_invalid_info_is_refused(case: dict[str, str]) -> None:
    with pytest.raises(ProtocolError):
        check_info(bytes.fromhex(case["info"]))


@pytest.mark.parametrize("case", INVALID["frames"], ids=lambda case: case["name"])
def test_invalid_frames_are_refused(case: dict[str, Any]) -> None:
    reassembler = Reassembler()
    reassembler.limit = case["limit"]
    *before, last = (bytes.fromhex(frame) for frame in case["frames"])
    for frame in before:
        reassembler.push(frame, 0.0)
    with pytest.raises(ProtocolError):
        reassembler.push(last, 0.0)


CODECS: dict[str, tuple[Callable[[bytes], Any], Callable[[Any], bytes]]] = {
    "HELLO": (Hello.decode, lambda hello: hello.encode()[1:]),
    "RESULT": (Result.decode, Result.encode),
    "EVENT": (decode_event, encode_event),
    "CMD": (Cmd.decode, Cmd.encode),
    "RES": (Res.decode, Res.encode),
    "RECEIPT_GET": (decode_sequence, encode_sequence),
    "RECEIPT": (Receipts.decode, Receipts.encode),
    "RECEIPT_ACK": (decode_sequence, encode_sequence),
    "CRED_PUT": (decode_chain, encode_chain),
    "ISSUER_KEY": (decode_statements, encode_statements),
    "RANGE": (Range.decode, Range.encode),
    "FAST": (Fast.decode, Fast.encode),
    "FAST command": (FastCommand.decode, FastCommand.encode),
    "FAST_RESULT": (FastResult.decode, FastResult.encode),
    "EAD_3": (Intent.decode, Intent.encode),
    "ERROR": (decode_error, lambda code: encode_error(code)[1:]),
}
OPAQUE = {"HELLO_REQ", "MESSAGE_1", "MESSAGE_2", "MESSAGE_3"} | {
    name for name, shape in MESSAGES.items() if shape.body is None and shape.plaintext in (None, SIGNED)
}
"""Empty, or read by EDHOC (below), or a signed object (``test_token_vectors``)."""


PAIRING = {"OWNER_TOKEN"}


def bodies() -> list[tuple[str, bytes]]:
    """Every body in clear and every plaintext of the vectors."""
    found = [("EAD_3", bytes.fromhex(TOLD["conversation.json"]["derived"]["EAD_3 value"]))]
    for told in TOLD.values():
        for row in told["messages"]:
            message, plaintext = bytes.fromhex(row["message"]), bytes.fromhex(row.get("plaintext", ""))
            if row["name"] == "FAST":
                found += [("FAST", message[1:]), ("FAST command", plaintext)]
            elif row["name"] not in OPAQUE:
                found.append((row["name"], plaintext or message[1:]))
    return found


def test_every_message_that_is_not_opaque_has_its_codec_here() -> None:
    named = {row["name"] for told in TOLD.values() for row in told["messages"]}
    assert named | {"FAST command", "EAD_3"} == (CODECS.keys() | OPAQUE) - PAIRING


@pytest.mark.parametrize(("name", "body"), bodies())
def test_every_body_is_read_whole_and_no_other_way(name: str, body: bytes) -> None:
    decode, encode = CODECS[name]
    assert encode(decode(body)) == body
    for changed in (*(body[:size] for size in range(len(body))), body + b"\x00", body + b"\xf6", body + body):
        with pytest.raises(ProtocolError):
            decode(changed)


OF_THE_CONVERSATION = {
    "number is another than the command's",
    "number is nil, though there was a command",
    "a command that was not asked",
    "the device says where it is",
    "the device says that it is nowhere",
}
"""Well formed, and a breach by what was said before."""


@pytest.mark.parametrize(
    "case", [case for case in BREACHES if "plaintext" in case and case["instead_of"] != "RL_GET"], ids=told_as
)
def test_an_invalid_plaintext_is_refused_by_its_form(case: dict[str, str]) -> None:
    decode, encode = CODECS[case["instead_of"]]
    body = bytes.fromhex(case["plaintext"])
    if case["name"] in OF_THE_CONVERSATION:
        assert encode(decode(body)) == body
        return
    with pytest.raises(ProtocolError):
        decode(body)


def parties(told: Vector) -> tuple[Initiator, Responder, bytes]:
    """Device and vehicle after message_2, and message_2."""
    given, derived = told["inputs"], told["derived"]
    raw = {name: bytes.fromhex(given[name]) for name in ("g_x_secret", "g_y_secret", "vehicle_public", "token")}
    own = vehicle_credential(given["vehicle_id"], raw["vehicle_public"])
    shown = Credential.by_token(raw["token"], bytes.fromhex(given["device_public"]))
    device = Initiator(SUITE_6, raw["g_x_secret"], b"\x00", shown, own)
    car = Responder(SUITE_6, raw["g_y_secret"], b"\x01", own)
    car.receive_1(device.message_1)
    car.to_be_signed()
    return device, car, car.message_2(bytes.fromhex(derived["signature 2"]))


def test_no_part_of_an_edhoc_message_passes() -> None:
    told = TOLD["conversation.json"]
    _, message_1, message_2, message_3 = (bytes.fromhex(row["message"])[1:] for row in told["messages"][:4])
    for part in (message_1[:size] for size in range(len(message_1))):
        with pytest.raises(ProtocolError):
            Responder(SUITE_6, bytes(31) + b"\x01", b"\x01", Credential(b"", b"", b"")).receive_1(part)
    device, car, sent = parties(told)
    assert sent == message_2
    for part in (*(message_2[:size] for size in range(len(message_2))), message_2 + b"\x00"):
        with pytest.raises(ProtocolError):
            device.receive_2(part)
    for part in (*(message_3[:size] for size in range(len(message_3))), message_3 + b"\x00"):
        with pytest.raises(ProtocolError):
            car.receive_3(part, lambda id_cred: pytest.fail("it must not come that far"))


def test_no_part_of_what_message_3_seals_passes() -> None:
    """Sealed correctly, cut at every byte: the session refuses each."""
    told = TOLD["conversation.json"]
    derived = {name: bytes.fromhex(value) for name, value in told["derived"].items()}
    plaintext = derived["plaintext_3"]
    for size in (*range(len(plaintext)), len(plaintext) + 1):
        sealed = aead.seal(derived["K_3"], derived["IV_3"], (plaintext + b"\x00")[:size], derived["A_3"])
        car = Replay(told).to(3).car
        with pytest.raises(ProtocolError):
            hear(car, 3, told, b"\x12" + cbor.byte_string(sealed))
        assert car.state is State.CLOSED
