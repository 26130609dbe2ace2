"""The frozen vectors of protocols/key_token, the script that makes them, and the page that explains them agree.

Each object is read whole, cut at every byte, with trailing data and with every byte changed. The signatures are also
checked with `cryptography` and `cbor2` alone, so that a shared mistake of our reader and writer would show.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from keygw.model.errors import TokenError
from keygw.token.cwt import decode_cwt
from keygw.token.grant import verify_grant
from keygw.token.issuer_key import open_statement, verify_issuer_key_ack
from keygw.token.jwt import decode_jwt
from keygw.token.possession import InvitationAct, verify_possession
from keygw.token.receipt import receipt_hash, verify_chain, verify_receipt
from keygw.token.revocation import list_hash, verify_ack, verify_list
from keygw.token.statement import StatementAct, verify_statement
from keygw.token.time_proof import verify_time_proof
from keygw.token.trust import IssuerKey, TrustedIssuers
from keygw.wire.messages import decode_chain
from keygw_sim.vehicle.chain import verify as verify_links

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "protocols" / "key_token" / "README.md"
VECTORS = PAGE.parent / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


KEYS = load("keys.json")["keys"]
TOKENS = {row["name"]: row for row in load("tokens.json")["tokens"]}
LISTS = {row["name"]: row for row in load("revocation.json")["lists"]}
RECEIPTS = load("receipts.json")["receipts"]
GRANTS = {row["name"]: row for row in load("grants.json")["grants"]}
CHAINS = load("grants.json")["chains"]
ISSUER_KEYS = load("issuer_keys.json")
STATEMENTS = {row["name"]: row for row in ISSUER_KEYS["statements"]}
PROOFS = {row["name"]: row for row in load("time_proofs.json")["time_proofs"]}
POSSESSION = load("possession.json")
SAID = load("statements.json")
INVALID = load("invalid.json")["cases"] + load("grants.json")["invalid"] + POSSESSION["invalid"] + SAID["invalid"]
CAR = bytes.fromhex(KEYS["vehicle"]["public_key"])
VEHICLE = KEYS["vehicle"]["vehicle_id"]
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
OWNER_DEVICE = bytes.fromhex(KEYS["owner_device"]["public_key"])
FRIEND_DEVICE = bytes.fromhex(KEYS["friend_device"]["public_key"])


def trust(issuer: str = KEYS["issuer"]["issuer"]) -> TrustedIssuers:
    key = KEYS["issuer"]
    return TrustedIssuers([IssuerKey(issuer, bytes.fromhex(key["kid"]), bytes.fromhex(key["public_key"]))])


def proven(data: bytes, act: InvitationAct) -> None:
    secret_hash = bytes.fromhex(POSSESSION["secret_hash"])
    verify_possession(data, act, POSSESSION["invitation_id"], secret_hash, FRIEND_DEVICE)


READERS: dict[str, Callable[[Any], Any]] = {
    "cwt": lambda data: decode_cwt(data, trust(), vehicle_id=VEHICLE),
    "jwt": lambda data: decode_jwt(data, trust(), vehicle_id=VEHICLE),
    "list": lambda data: verify_list(data, trust(), VEHICLE),
    "ack": lambda data: verify_ack(data, CAR),
    "receipt": lambda data: verify_receipt(data, CAR),
    "grant": lambda data: verify_grant(data, OWNER_DEVICE, VEHICLE),
    "time_proof": lambda data: verify_time_proof(data, trust(), VEHICLE),
    "proof": lambda data: proven(data, InvitationAct.CLAIM),
    "issuer_key": lambda data: open_statement(data).verify(trust().keys[0]),
    "issuer_key_ack": lambda data: verify_issuer_key_ack(data, CAR),
    "statement": lambda data: verify_statement(data, StatementAct.GIVE_BACK, SAID["key_id"], 0, FRIEND_DEVICE),
}
OBJECTS: dict[str, Any] = {
    "cwt": bytes.fromhex(TOKENS["friend"]["cwt"]),
    "jwt": TOKENS["friend"]["jwt"],
    "list": bytes.fromhex(LISTS["five entries"]["signed"]),
    "ack": bytes.fromhex(LISTS["five entries"]["ack"]["signed"]),
    "receipt": bytes.fromhex(RECEIPTS[1]["signed"]),
    "grant": bytes.fromhex(GRANTS["owner to friend"]["signed"]),
    "time_proof": bytes.fromhex(PROOFS["list 7"]["signed"]),
    "proof": bytes.fromhex(POSSESSION["claim"]),
    "issuer_key": bytes.fromhex(STATEMENTS["second"]["signed"]),
    "issuer_key_ack": bytes.fromhex(ISSUER_KEYS["acks"][1]["signed"]),
    "statement": bytes.fromhex(SAID["give_back"]),
}


def digest(signed: bytes) -> bytes:
    """SHA-256 of the Sig_structure, by cbor2 alone."""
    protected, _, payload, _ = cbor2.loads(signed)
    return hashlib.sha256(cbor2.dumps(["Signature1", protected, b"", payload])).digest()


def twin(signed: bytes) -> bytes:
    """The same object with (r, n - s), which every ECDSA verifier takes as well."""
    s = int.from_bytes(signed[-32:], "big")
    return signed[:-32] + (ORDER - s).to_bytes(32, "big")


def plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("name", TOKENS)
def test_both_forms_give_the_claims(name: str) -> None:
    row = TOKENS[name]
    trusted = trust(row["claims"]["issuer"])
    for claims in (
        decode_cwt(bytes.fromhex(row["cwt"]), trusted, vehicle_id=VEHICLE),
        decode_jwt(row["jwt"], trusted, vehicle_id=VEHICLE, now=row["claims"]["not_before"]),
    ):
        assert {field: plain(getattr(claims, field)) for field in row["claims"]} == row["claims"]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_and_its_acknowledgement_give_their_fields(name: str) -> None:
    row = LISTS[name]
    signed = bytes.fromhex(row["signed"])
    listed = verify_list(signed, trust(), VEHICLE)
    assert {field: plain(getattr(listed, field)) for field in row["fields"]} == row["fields"]
    ack = verify_ack(bytes.fromhex(row["ack"]["signed"]), CAR)
    assert (ack.vehicle_id, ack.sequence, ack.boot_epoch) == (VEHICLE, listed.sequence, row["ack"]["boot_epoch"])
    assert ack.list_hash.hex() == row["hash"] == digest(signed).hex()


def test_a_carrier_who_turns_the_signature_changes_no_hash() -> None:
    listed, first = OBJECTS["list"], bytes.fromhex(RECEIPTS[0]["signed"])
    assert verify_list(twin(listed), trust(), VEHICLE) == verify_list(listed, trust(), VEHICLE)
    assert list_hash(twin(listed)) == list_hash(listed) == digest(listed)
    second = verify_receipt(OBJECTS["receipt"], CAR)
    assert receipt_hash(twin(first)) == receipt_hash(first) == digest(first) == second.previous
    verify_chain([verify_receipt(twin(first), CAR), second])


def test_the_receipts_give_their_fields_and_form_a_chain() -> None:
    receipts = [verify_receipt(bytes.fromhex(row["signed"]), CAR) for row in RECEIPTS]
    for row, receipt in zip(RECEIPTS, receipts, strict=True):
        assert {field: plain(getattr(receipt, field)) for field in row["fields"]} == row["fields"]
        assert receipt.removes_key is row["removes_key"]
    assert [receipt.removes_key for receipt in receipts] == [False, False, False, True]
    verify_chain(receipts)


@pytest.mark.parametrize(
    ("name", "signer"), [("owner to friend", "owner_device"), ("friend to third", "friend_device")]
)
def test_a_grant_gives_its_fields(name: str, signer: str) -> None:
    row = GRANTS[name]
    grant = verify_grant(bytes.fromhex(row["signed"]), bytes.fromhex(KEYS[signer]["public_key"]), VEHICLE)
    assert {field: plain(getattr(grant, field)) for field in row["fields"]} == row["fields"]


def test_a_proof_is_about_the_secret_of_the_link() -> None:
    base, _, secret = POSSESSION["link"].partition("#")
    raw = base64.urlsafe_b64decode(secret + "==")
    assert (base.rpartition("/")[2], raw.hex()) == (POSSESSION["invitation_id"], POSSESSION["secret"])
    assert hashlib.sha256(raw).hexdigest() == POSSESSION["secret_hash"]
    proven(bytes.fromhex(POSSESSION["decline"]), InvitationAct.DECLINE)
    act, invitation, digest, device = cbor2.loads(cbor2.loads(OBJECTS["proof"])[2])
    assert (act, digest.hex(), device.hex()) == (1, POSSESSION["secret_hash"], KEYS["friend_device"]["thumbprint"])
    assert invitation == base64.b32decode(POSSESSION["invitation_id"][4:].upper())


@pytest.mark.parametrize("case", CHAINS, ids=lambda case: case["name"])
def test_a_chain_holds_or_is_refused_with_its_code(case: dict[str, Any]) -> None:
    """By the rules of the page, in the vehicle that the vectors name."""
    claims = decode_cwt(bytes.fromhex(case["token"]), trust(), vehicle_id=VEHICLE)
    owners = [bytes.fromhex(KEYS["owner_device"]["thumbprint"])]

    def read() -> None:
        verify_links(claims, decode_chain(bytes.fromhex(case["body"])), READERS["cwt"], owners)

    if case["code"] is None:
        read()
        return
    with pytest.raises(TokenError) as refusal:
        read()
    assert refusal.value.code == case["code"]


def test_a_found_device_names_itself_and_its_loss() -> None:
    found = bytes.fromhex(SAID["found"])
    verify_statement(found, StatementAct.FOUND, SAID["device_id"], SAID["loss"], FRIEND_DEVICE)
    with pytest.raises(TokenError) as caught:
        verify_statement(found, StatementAct.FOUND, SAID["device_id"], SAID["loss"] + 1, FRIEND_DEVICE)
    assert caught.value.code == "statement_foreign"


@pytest.mark.parametrize("name", PROOFS)
def test_a_time_proof_gives_its_fields(name: str) -> None:
    row = PROOFS[name]
    proof = verify_time_proof(bytes.fromhex(row["signed"]), trust(), VEHICLE)
    assert {field: plain(getattr(proof, field)) for field in row["fields"]} == row["fields"]


@pytest.mark.parametrize("case", INVALID, ids=lambda case: f"{case['object']}: {case['name']}")
def test_an_invalid_vector_is_refused_with_its_code(case: dict[str, str]) -> None:
    data = case["data"] if case["object"] == "jwt" else bytes.fromhex(case["data"])
    with pytest.raises(TokenError) as refusal:
        READERS[case["object"]](data)
    assert refusal.value.code == case["code"]


@pytest.mark.parametrize("kind", OBJECTS)
def test_no_part_and_no_extension_is_accepted(kind: str) -> None:
    data = OBJECTS[kind]
    READERS[kind](data)
    tails = ("A", "=", ".", " ", "\n", data) if isinstance(data, str) else (b"\0", b"\xf6", b"\xff", data)
    for changed in (*(data[:size] for size in range(len(data))), *(data + tail for tail in tails)):
        with pytest.raises(TokenError):
            READERS[kind](changed)


@pytest.mark.parametrize("kind", OBJECTS)
def test_no_byte_can_be_changed(kind: str) -> None:
    data = OBJECTS[kind]
    raw = data.encode() if isinstance(data, str) else data
    for at, mask in ((at, mask) for at in range(len(raw)) for mask in (0x01, 0x20, 0x80)):
        changed = raw[:at] + bytes((raw[at] ^ mask,)) + raw[at + 1 :]
        with pytest.raises(TokenError):
            READERS[kind](changed.decode("latin-1") if isinstance(data, str) else changed)


def check_es256(x: str, y: str, signature: bytes, message: bytes) -> None:
    numbers = ec.EllipticCurvePublicNumbers(int(x, 16), int(y, 16), ec.SECP256R1())
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    numbers.public_key().verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("kind", "signer"),
    [
        ("cwt", "issuer"),
        ("list", "issuer"),
        ("time_proof", "issuer"),
        ("ack", "vehicle"),
        ("receipt", "vehicle"),
        ("grant", "owner_device"),
        ("proof", "friend_device"),
        ("issuer_key", "issuer"),
        ("issuer_key_ack", "vehicle"),
    ],
)
def test_the_cbor_objects_are_plain_cose(kind: str, signer: str) -> None:
    protected, unprotected, payload, signature = cbor2.loads(OBJECTS[kind])
    typ = {
        "cwt": "dk", "list": "dkrl", "ack": "dkra", "receipt": "dkrc", "time_proof": "dktp", "grant": "dkgr",
        "proof": "dkip", "issuer_key": "dkik", "issuer_key_ack": "dkia",
    }[kind]  # fmt: skip
    kid = {4: bytes.fromhex(KEYS["issuer"]["kid"])} if signer == "issuer" else {}
    assert (cbor2.loads(protected), unprotected) == ({1: -7, **kid, 16: typ}, {})
    key = KEYS[signer]
    check_es256(key["x"], key["y"], signature, cbor2.dumps(["Signature1", protected, b"", payload]))
    assert cbor2.dumps(cbor2.loads(payload), canonical=True) == payload


def test_the_jwt_is_a_plain_jws() -> None:
    signed, _, signature = TOKENS["friend"]["jwt"].rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    check_es256(KEYS["issuer"]["x"], KEYS["issuer"]["y"], raw, signed.encode())


def test_the_script_makes_exactly_these_files() -> None:
    spec = importlib.util.spec_from_file_location("make_token_vectors", ROOT / "tools" / "make_token_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = script.documents()
    assert made.keys() == {path.name for path in VECTORS.iterdir()}
    for name, text in made.items():
        assert (VECTORS / name).read_text(encoding="utf-8") == text


BLOCKS = dict(re.findall(r"^```((?:hex|jwt|json) \w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S))


@pytest.mark.parametrize("kind", [kind for kind in OBJECTS if kind != "jwt"])
def test_the_worked_examples_of_the_page_are_the_vectors(kind: str) -> None:
    lines = BLOCKS[f"hex {kind}"].splitlines()
    assert bytes.fromhex("".join(line.partition("#")[0].strip() for line in lines)) == OBJECTS[kind]


def test_the_jwt_of_the_page_is_the_vector() -> None:
    token = "".join(BLOCKS["jwt friend"].split())
    assert token == TOKENS["friend"]["jwt"]
    for part, name in zip(token.split("."), ("header", "claims"), strict=False):
        assert json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) == json.loads(BLOCKS[f"json {name}"])


def test_the_page_tells_the_real_sizes() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for kind in (kind for kind in OBJECTS if kind != "jwt"):
        assert f"{len(OBJECTS[kind])} bytes:" in text
    assert f"The same token, {len(OBJECTS['jwt'])} characters" in text
    largest = TOKENS["largest"]
    assert f"{len(largest['cwt']) // 2} bytes as CWT and {len(largest['jwt'])} characters as JWT" in text
