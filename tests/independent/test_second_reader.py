"""A second reader of the protocol, written from protocols/*/README.md alone; it shares no code with keygw.

It follows the recorded conversations as one who knows the device's ephemeral secret, opens everything, and refuses what
the pages say must be refused. If it fails while the other tests pass, a page and the code have parted.
"""

import ast
import base64
import json
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from second_reader.cbor import Refused, demand, encode, single
from second_reader.objects import (
    TYPES,
    Issuers,
    Token,
    expand,
    follow_chain,
    mac,
    open_signed,
    raw_id,
    sha,
    thumbprint,
    verify,
)
from second_reader.session import Channel, Reader, reassemble
from second_reader.spake import ORDER, Prover

PROTOCOLS = Path(__file__).resolve().parents[2] / "protocols"


def load(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((PROTOCOLS / path).read_text())
    return loaded


SESSION = {
    name: load(f"key_session/vectors/{name}.json")
    for name in ("conversation", "fast", "kept", "chain", "rotation", "ranging")
}
INVALID = load("key_session/vectors/invalid.json")
GRANTS = load("key_token/vectors/grants.json")
KEYS = load("key_token/vectors/keys.json")["keys"]


def reader(name: str) -> Reader:
    inputs = SESSION[name]["inputs"]
    if name in ("chain", "rotation", "ranging"):
        shared = {
            "issuer_public": KEYS["issuer"]["public_key"], "issuer_kid": KEYS["issuer"]["kid"],
            "issuer_name": KEYS["issuer"]["issuer"].encode().hex(),
            "vehicle_public": KEYS["vehicle"]["public_key"], "enrolled": KEYS["owner_device"]["public_key"],
        }  # fmt: skip
    else:
        names = ("issuer_public", "issuer_kid", "vehicle_public", "K_fast", "K_id")
        shared = {key: inputs[key] for key in names if key in inputs}
        shared |= {"kept": inputs["token"]} if name == "kept" else {}
    return Reader(inputs, {key: bytes.fromhex(value) for key, value in shared.items()})


def messages(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = SESSION[name]["messages"]
    return found


@pytest.mark.parametrize("name", SESSION)
def test_a_whole_conversation_is_read(name: str) -> None:
    link, derived = reader(name), SESSION[name]["derived"]
    for entry in messages(name):
        message = bytes.fromhex(entry["message"])
        assert message[0] == TYPES[entry["name"]]
        plain = link.hear(message)
        if "plaintext" in entry and entry["name"] != "FAST":
            assert plain.hex() == entry["plaintext"], entry["name"]
    unread = set(derived) - set(link.seen) - {"advertisement"}
    assert not unread
    assert {key: link.seen[key].hex() for key in derived if key != "advertisement"} == {
        key: value for key, value in derived.items() if key != "advertisement"
    }


def test_frames_at_mtu_23_make_the_messages() -> None:
    for side in ("D>V", "V>D"):
        sent = [entry for entry in messages("conversation") if entry["direction"] == side]
        frames = [bytes.fromhex(frame) for entry in sent for frame in entry["frames_at_mtu_23"]]
        assert all(len(frame) <= 20 for frame in frames)
        assert [message.hex() for message in reassemble(frames)] == [entry["message"] for entry in sent]


@pytest.mark.parametrize("name", ["conversation", "kept"])
def test_the_advertisement_is_of_this_vehicle(name: str) -> None:
    inputs = SESSION[name]["inputs"]
    key, rotating = bytes.fromhex(inputs["advertising_key"]), bytes.fromhex(inputs["rotating_id"])
    assert rotating == rotating[:3] + mac(key, b"keygw adv" + rotating[:3])[:3]
    assert single(bytes.fromhex(inputs["info"])) == [[1], rotating]
    service = bytes.fromhex("6b65796777014b478f2c5d1e0a93c4b2")[::-1]
    shown = bytes.fromhex("0201061107") + service + b"\x09\x09" + base64.urlsafe_b64encode(rotating)
    assert len(shown) == 31
    assert shown.hex() == SESSION[name]["derived"]["advertisement"]


def test_the_fast_keys_come_from_the_handshake_before() -> None:
    link = reader("conversation")
    for entry in messages("conversation")[:4]:
        link.hear(bytes.fromhex(entry["message"]))
    assert {key: link.seen[key].hex() for key in ("K_fast", "K_id")} == {
        key: SESSION["fast"]["inputs"][key] for key in ("K_fast", "K_id")
    }
    fast = reader("fast")
    for entry in messages("fast"):
        fast.hear(bytes.fromhex(entry["message"]))
    number, action, how = struct.unpack(">IBB", fast.seen["FAST"])
    assert (number, action, how >> 7, how & 127) == (0x01020304, 1, 1, 2)


def test_a_receipt_names_its_session() -> None:
    link = reader("conversation")
    for entry in messages("conversation"):
        link.hear(bytes.fromhex(entry["message"]))
    assert link.channel is not None
    assert link.seen["receipt's session"] == link.channel.session


def test_what_a_kid_is_on_the_air() -> None:
    for entry in SESSION["kept"]["kids"]:
        index, kid = int(entry["index"]), bytes.fromhex(entry["kid"])
        assert kid == index.to_bytes(1 if index < 24 else 2, "big")
        assert encode(index if index < 24 else kid).hex() == entry["on_air"]


def refuse_in_place(name: str, instead_of: str, message: bytes) -> str:
    link = reader(name)
    for entry in messages(name):
        if entry["name"] == instead_of:
            with pytest.raises(Refused) as refusal:
                link.hear(message)
            return str(refusal.value)
        link.hear(bytes.fromhex(entry["message"]))
    raise AssertionError("no such message")


@pytest.mark.parametrize("case", INVALID["breaches"], ids=lambda case: f"{case['instead_of']}: {case['name']}")
def test_a_breach_is_refused(case: dict[str, Any]) -> None:
    why = refuse_in_place(case["in"].removesuffix(".json"), case["instead_of"], bytes.fromhex(case["message"]))
    if "plaintext" in case:
        assert why != "does not open"  # sealed correctly: the content is what is wrong


@pytest.mark.parametrize("case", INVALID["refused"], ids=lambda case: case["name"])
def test_a_fast_that_does_not_fit_is_refused(case: dict[str, Any]) -> None:
    assert refuse_in_place("fast", case["instead_of"], bytes.fromhex(case["message"]))


@pytest.mark.parametrize("case", INVALID["infos"], ids=lambda case: case["name"])
def test_an_info_is_refused(case: dict[str, Any]) -> None:
    inputs = SESSION["conversation"]["inputs"] | {"info": case["info"]}
    with pytest.raises(Refused):
        Reader(inputs, {"vehicle_public": bytes.fromhex(inputs["vehicle_public"])})


@pytest.mark.parametrize("case", INVALID["frames"], ids=lambda case: case["name"])
def test_the_last_frame_is_refused(case: dict[str, Any]) -> None:
    frames = [bytes.fromhex(frame) for frame in case["frames"]]
    reassemble(frames[:-1], case["limit"])
    with pytest.raises(Refused):
        reassemble(frames, case["limit"])


@pytest.mark.parametrize("name", SESSION)
def test_one_changed_bit_anywhere_is_noticed(name: str) -> None:
    """In the last byte of each message that authenticates itself."""
    proven = [entry for entry in messages(name) if entry["name"] not in ("HELLO", "HELLO_REQ", "MESSAGE_1", "ERROR")]
    for entry in proven:
        message = bytes.fromhex(entry["message"])
        assert refuse_in_place(name, entry["name"], message[:-1] + bytes([message[-1] ^ 1]))


@pytest.mark.parametrize("case", GRANTS["chains"], ids=lambda case: case["name"])
def test_a_chain_holds_or_breaks(case: dict[str, Any]) -> None:
    link = reader("chain")
    body = single(bytes.fromhex(case["body"]))
    leaf = link.token(bytes.fromhex(case["token"]))
    if case["code"] is None:
        follow_chain(leaf, body, link.token, link.shared["enrolled"])
        return
    with pytest.raises(Refused):
        follow_chain(leaf, body, link.token, link.shared["enrolled"])


def open_object(kind: str, data: bytes) -> bytes:
    """As the verifier of key_token's vectors, the vehicle of keys.json; gives the digest, of a token its id."""
    link = reader("chain")
    if kind == "cwt":
        token_id: bytes = link.token(data).id
        return token_id
    typ = {"list": "dkrl", "ack": "dkra", "time_proof": "dktp", "receipt": "dkrc", "grant": "dkgr",
           "issuer_key": "dkik", "issuer_key_ack": "dkia"}[kind]  # fmt: skip
    if kind == "issuer_key":
        body, digest = open_signed(data, typ, link.shared["issuer_public"], link.shared["issuer_kid"])
        demand(body[0] == KEYS["issuer"]["issuer"], "another issuer")
        return digest
    if kind in ("list", "time_proof"):
        body, digest = open_signed(data, typ, link.shared["issuer_public"], link.shared["issuer_kid"])
    else:  # a grant is the owner's device's here
        signer = link.shared["enrolled" if kind == "grant" else "vehicle_public"]
        body, digest = open_signed(data, typ, signer)
    demand(body[0] == link.vehicle, "another vehicle")
    return digest


def test_signed_objects_are_read() -> None:
    for entry in load("key_token/vectors/tokens.json")["tokens"]:
        assert open_object("cwt", bytes.fromhex(entry["cwt"])) == raw_id(entry["claims"]["key_id"])
    for entry in load("key_token/vectors/revocation.json")["lists"]:
        digest = open_object("list", bytes.fromhex(entry["signed"]))
        open_object("ack", bytes.fromhex(entry["ack"]["signed"]))
        assert digest.hex() == entry["hash"]
        assert single(single(bytes.fromhex(entry["ack"]["signed"]))[2])[2] == digest
    for entry in load("key_token/vectors/time_proofs.json")["time_proofs"]:
        open_object("time_proof", bytes.fromhex(entry["signed"]))
    for entry in GRANTS["grants"][:1]:
        open_object("grant", bytes.fromhex(entry["signed"]))
    previous = bytes(32)
    for entry in load("key_token/vectors/receipts.json")["receipts"]:
        data = bytes.fromhex(entry["signed"])
        assert single(single(data)[2])[10] == previous
        previous = open_object("receipt", data)


BAD_OBJECTS = [case for case in load("key_token/vectors/invalid.json")["cases"] if case["object"] != "jwt"]


@pytest.mark.parametrize("case", BAD_OBJECTS, ids=lambda case: f"{case['object']}: {case['name']}")
def test_a_signed_object_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        open_object(case["object"], bytes.fromhex(case["data"]))


@pytest.mark.parametrize("case", GRANTS["invalid"], ids=lambda case: case["name"])
def test_what_is_no_grant_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        open_object("grant", bytes.fromhex(case["data"]))


ISSUER_KEYS = load("key_token/vectors/issuer_keys.json")


def test_statements_of_issuer_keys_are_read() -> None:
    digest = open_object("issuer_key", bytes.fromhex(ISSUER_KEYS["statements"][0]["signed"]))
    assert digest.hex() == ISSUER_KEYS["statements"][0]["hash"]
    for ack in ISSUER_KEYS["acks"]:
        open_object("issuer_key_ack", bytes.fromhex(ack["signed"]))


@pytest.mark.parametrize("case", ISSUER_KEYS["invalid"], ids=lambda case: f"{case['object']}: {case['name']}")
def test_what_is_no_statement_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        open_object(case["object"], bytes.fromhex(case["data"]))


@pytest.mark.parametrize("meeting", ISSUER_KEYS["meetings"], ids=lambda meeting: meeting["name"])
def test_a_vehicle_learns_what_the_page_says(meeting: dict[str, Any]) -> None:
    first = KEYS["issuer"]
    known = Issuers(first["issuer"], bytes.fromhex(first["kid"]), bytes.fromhex(first["public_key"]))
    named = {bytes.fromhex(first["public_key"]): "first"}
    named |= {bytes.fromhex(key["public_key"]): name for name, key in ISSUER_KEYS["keys"].items()}
    *before, last = [[bytes.fromhex(each) for each in message] for message in meeting["brought"]]
    for message in before:
        known.learn(message)
    if meeting["code"] is not None:
        with pytest.raises(Refused):
            known.learn(last)
        return
    known.learn(last)
    assert known.newest[2] == meeting["sequence"]
    assert [named[public] for public in known.living] == [*meeting["former"], meeting["newest"]]


def test_a_pairing_is_read() -> None:
    """By a device that knows the code and its own secret scalar."""
    vector = load("owner_pairing/vectors/pairing.json")["pairing"]
    sent = {name: bytes.fromhex(message)[1:] for name, message in vector["messages"].items()}
    hello_hash = sha(bytes.fromhex(vector["info"]) + sent["hello"])
    context = b"keygw pairing 1" + hello_hash + sent["ask"] + sent["offer"]
    assert context.hex() == vector["context"]
    x = 1 + int(vector["random_x"], 16) % (ORDER - 1)
    prover = Prover(vector["code"], sent["offer"], x, context, sent["proof"][:65])
    assert prover.share == sent["share"]
    assert prover.confirm_v == sent["proof"][65:]
    assert prover.confirm_p == sent["enrol"][:32]
    assert prover.k_shared.hex() == vector["K_shared"]
    proven = sha(context + sent["share"] + sent["proof"])
    prk = mac(proven, prover.k_shared)
    channel = Channel(proven, lambda label, length: expand(prk, b"keygw pairing 1" + label.to_bytes(4, "big"), length))

    device_key, signature, attestation = single(channel.open(0x54, sent["enrol"][32:]))
    verify(device_key, encode(["keygw enrol", proven, device_key, attestation]), signature)
    ticket, vehicle, vehicle_key, advertising_key = single(channel.open(0x55, sent["ticket"], 1))
    body, _ = open_signed(ticket, "dkpt", vehicle_key)
    assert body == [vehicle, thumbprint(device_key), sha(proven + sent["enrol"]), body[3]]
    assert (vehicle, advertising_key.hex()) == (raw_id(vector["vehicle_id"]), vector["advertising_key"])
    issuer, kid = bytes.fromhex(vector["issuer_key"]), bytes.fromhex(vector["issuer_kid"])
    token = Token(channel.open(0x56, sent["token"], 0), issuer, kid, vehicle, vehicle_key)
    assert (token.device, token.role, token.depth) == (device_key, 1, 0)
    assert single(channel.open(0x56, sent["answer"], 1)) == [0]


def test_the_second_reader_knows_nothing_of_the_code() -> None:
    """Nothing but the standard library, cryptography and the test runner is imported, and itself."""
    here, imported = Path(__file__).parent, set()
    for path in here.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                imported.add(str(node.module).partition(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"cryptography", "pytest", "second_reader"}
