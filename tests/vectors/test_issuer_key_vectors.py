"""The frozen statements of new issuer keys: what they say, what a vehicle makes of them, and how two are brought."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keygw.model.errors import TokenError
from keygw.token.issuer_key import open_statement, verify_issuer_key_ack
from keygw.token.trust import IssuerKey, kid_of
from keygw_sim.chance import chance
from keygw_sim.vehicle import trust
from keygw_sim.vehicle.flash import Issuer, Memory
from keygw_sim.vehicle.runner import new_vehicle
from keygw_sim.vehicle.timekeeper import Timekeeper

ROOT = Path(__file__).resolve().parent.parent.parent
VECTORS = ROOT / "protocols" / "key_token" / "vectors"
TOLD: dict[str, Any] = json.loads((VECTORS / "issuer_keys.json").read_text("utf-8"))
KEYS: dict[str, Any] = json.loads((VECTORS / "keys.json").read_text("utf-8"))["keys"]
STATEMENTS = {row["name"]: row for row in TOLD["statements"]}
FIRST = bytes.fromhex(KEYS["issuer"]["public_key"])
PUBLIC: dict[str, bytes] = {"first": FIRST} | {
    name: bytes.fromhex(row["public_key"]) for name, row in TOLD["keys"].items()
}


def plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_gives_its_fields_and_digest(name: str) -> None:
    row = STATEMENTS[name]
    signed = bytes.fromhex(row["signed"])
    signer = next(public for public in PUBLIC.values() if kid_of(public).hex() == row["signer"])
    statement = open_statement(signed).verify(IssuerKey.of(KEYS["issuer"]["issuer"], signer))
    assert {field: plain(getattr(statement, field)) for field in row["fields"]} == row["fields"]
    assert statement.kid.hex() == row["kid"]
    protected, _, payload, _ = cbor2.loads(signed)
    assert hashlib.sha256(cbor2.dumps(["Signature1", protected, b"", payload])).hexdigest() == row["hash"]


@pytest.mark.parametrize("row", TOLD["acks"], ids=lambda row: row["name"])
def test_an_acknowledgement_gives_its_fields(row: dict[str, Any]) -> None:
    ack = verify_issuer_key_ack(bytes.fromhex(row["signed"]), bytes.fromhex(KEYS["vehicle"]["public_key"]))
    assert {field: plain(getattr(ack, field)) for field in row["fields"]} == row["fields"]


READERS: dict[str, Callable[[bytes], object]] = {
    "issuer_key": lambda data: open_statement(data).verify(IssuerKey.of(KEYS["issuer"]["issuer"], FIRST)),
    "issuer_key_ack": lambda data: verify_issuer_key_ack(data, bytes.fromhex(KEYS["vehicle"]["public_key"])),
}


@pytest.mark.parametrize("case", TOLD["invalid"], ids=lambda case: f"{case['object']}: {case['name']}")
def test_an_invalid_one_is_refused_with_its_code(case: dict[str, str]) -> None:
    with pytest.raises(TokenError) as refusal:
        READERS[case["object"]](bytes.fromhex(case["data"]))
    assert refusal.value.code == case["code"]


def named(key: Issuer) -> str:
    return {public: name for name, public in PUBLIC.items()}[key.public_key]


@pytest.mark.parametrize("meeting", TOLD["meetings"], ids=lambda meeting: meeting["name"])
def test_a_vehicle_makes_of_them_what_the_file_says(meeting: dict[str, Any]) -> None:
    memory: Memory = new_vehicle("Car", chance("rotation", "car"))
    issuer = KEYS["issuer"]["issuer"]
    memory.issuers.append(Issuer(issuer, kid_of(FIRST), FIRST))
    *before, last = [[bytes.fromhex(each) for each in message] for message in meeting["brought"]]
    for message in before:
        trust.learn(memory, [open_statement(signed) for signed in message])
    if meeting["code"] is not None:
        with pytest.raises(TokenError) as refusal:
            trust.learn(memory.draft(), [open_statement(signed) for signed in last])
        assert refusal.value.code == meeting["code"]
        return
    trust.learn(memory, [open_statement(signed) for signed in last])
    newest = trust.newest(memory, issuer)
    assert newest is not None
    assert (named(newest), newest.sequence) == (meeting["newest"], meeting["sequence"])
    moment = Timekeeper(lambda: 0.0).moment(memory.time_floor, 0)
    ended = trust.ended(memory, moment)
    assert [named(key) for key in memory.issuers if key not in (*ended, newest)] == meeting["former"]


@pytest.fixture(scope="module")
def session() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "protocols/key_session/vectors/rotation.json").read_text("utf-8"))
    return loaded


def test_the_script_makes_exactly_this_conversation(tmp_path: Path) -> None:
    made = tmp_path / "rotation.json"
    subprocess.run([sys.executable, "tools/make_rotation_vectors.py", str(made)], cwd=ROOT, check=True)
    assert made.read_text() == (ROOT / "protocols/key_session/vectors/rotation.json").read_text()


def test_the_conversation_goes_as_the_page_says(session: dict[str, Any]) -> None:
    """Opened by nonce, AAD and counter as the page gives them, with `cryptography` and `cbor2` alone."""
    derived, counters, found = session["derived"], {"D>V": 0, "V>D": 0}, []
    for row in session["messages"][4:]:
        way, message = row["direction"], bytes.fromhex(row["message"])
        key, iv = (bytes.fromhex(derived[f"{name} {way}"]) for name in ("key", "iv"))
        counter = counters[way].to_bytes(8, "big")
        counters[way] += 1
        nonce = bytes(a ^ b for a, b in zip(iv, bytes(4) + counter, strict=True))
        aad = bytes.fromhex(derived["TH_4"]) + (b"\0" if way == "D>V" else b"\1") + message[:1] + counter
        plaintext = AESGCM(key).decrypt(nonce, message[1:], aad)
        assert plaintext.hex() == row["plaintext"]
        found.append((row["name"], message, cbor2.loads(plaintext)))
    (_, _, result), (_, brought, statements), (_, answer, ack) = found
    assert [name for name, _, _ in found] == ["RESULT", "ISSUER_KEY", "ISSUER_KEY_ACK"]
    assert result[:2] == [0, None]
    assert [signed.hex() for signed in statements] == [STATEMENTS[name]["signed"] for name in ("second", "third")]
    vehicle, sequence, kid, digest, boot_epoch = cbor2.loads(ack[2])
    assert (sequence, kid.hex(), digest.hex(), boot_epoch) == (
        2, TOLD["keys"]["third"]["kid"], STATEMENTS["third"]["hash"], 7,
    )  # fmt: skip
    assert vehicle.hex() == "a0a1a2a3a4a5a6a7a8a9"
    page = (ROOT / "protocols/key_session/README.md").read_text("utf-8")
    assert f"`vectors/rotation.json`, {len(brought)} bytes, and its answer of {len(answer)}:" in page
