"""The frozen first meeting of a shared key: recomputed, and read with `cryptography` and `cbor2` alone."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Vector = dict[str, Any]
UNLOCK, NUMBER = 1, 0x01020304
DONE, CHAIN_REQUIRED = 0, 24


@pytest.fixture(scope="module")
def vector(repository: Path) -> Vector:
    loaded: Vector = json.loads((repository / "protocols/key_session/vectors/chain.json").read_text("utf-8"))
    return loaded


@pytest.fixture(scope="module")
def keys(repository: Path) -> Vector:
    loaded: Vector = json.loads((repository / "protocols/key_token/vectors/keys.json").read_text("utf-8"))["keys"]
    return loaded


def opened(vector: Vector) -> list[tuple[str, Any]]:
    """Every sealed message with the keys given, as the page says: nonce, AAD and counters."""
    counters, found = {"D>V": 0, "V>D": 0}, []
    derived = vector["derived"]
    for row in vector["messages"]:
        if row["name"] in ("HELLO", "MESSAGE_1", "MESSAGE_2", "MESSAGE_3"):
            continue
        way, message = row["direction"], bytes.fromhex(row["message"])
        key, iv = (bytes.fromhex(derived[f"{name} {way}"]) for name in ("key", "iv"))
        counter = counters[way].to_bytes(8, "big")
        counters[way] += 1
        nonce = bytes(a ^ b for a, b in zip(iv, bytes(4) + counter, strict=True))
        aad = bytes.fromhex(derived["TH_4"]) + (b"\0" if way == "D>V" else b"\1") + message[:1] + counter
        plaintext = AESGCM(key).decrypt(nonce, message[1:], aad)
        assert plaintext.hex() == row["plaintext"]
        found.append((row["name"], cbor2.loads(plaintext)))
    return found


def test_the_script_makes_exactly_this_file(repository: Path, tmp_path: Path) -> None:
    made = tmp_path / "chain.json"
    subprocess.run([sys.executable, "tools/make_chain_vectors.py", str(made)], cwd=repository, check=True)
    assert made.read_text() == (repository / "protocols/key_session/vectors/chain.json").read_text()


def test_the_meeting_goes_as_the_page_says(vector: Vector) -> None:
    (_, first), (name, _), (_, second), (_, command), (_, answer) = opened(vector)
    assert [said for said, _ in opened(vector)] == ["RESULT", "CRED_PUT", "RESULT", "CMD", "RES"]
    assert first[:2] == [CHAIN_REQUIRED, NUMBER]
    assert name == "CRED_PUT"
    assert second[:2] == [DONE, None]
    assert first[4] != second[4], "a fresh time nonce"
    assert (command, answer) == ([NUMBER, UNLOCK], [NUMBER, DONE, 1])


def signed_by(public_key: bytes, message: bytes) -> Any:
    """The payload of a COSE_Sign1, its signature checked by hand."""
    protected, unprotected, payload, signature = cbor2.loads(message)
    assert unprotected == {}
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
    key.verify(
        encode_dss_signature(r, s),
        cbor2.dumps(["Signature1", protected, b"", payload]),
        ec.ECDSA(hashes.SHA256()),
    )
    return cbor2.loads(payload)


def device_of(token: Any) -> bytes:
    cose = token[8][1]
    return (b"\3" if cose[-3] else b"\2") + bytes(cose[-2])


def thumbprint(public_key: bytes) -> bytes:
    numbers = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key).public_numbers()
    x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
    return hashlib.sha256(cbor2.dumps({1: 2, -1: 1, -2: x, -3: y}, canonical=True)).digest()


def test_the_chain_holds_by_the_rules_of_the_page(vector: Vector, keys: Vector) -> None:
    """Each rule of *Grant and sharing chain*, written down again without a line of our own code."""
    issuer = bytes.fromhex(keys["issuer"]["public_key"])
    child = signed_by(issuer, bytes.fromhex(vector["inputs"]["token"]))
    links = next(value for name, value in opened(vector) if name == "CRED_PUT")
    assert len(links) == child[-65537][6] == 2
    for grant_bytes, token in links:
        parent = signed_by(issuer, token)
        vehicle, of, device, rights, issued, start, end, depth, deepest = signed_by(device_of(parent), grant_bytes)
        own, above = child[-65537], parent[-65537]
        assert vehicle == own[0] == above[0]
        assert of == parent[7] == own[5]
        assert device == thumbprint(device_of(child))
        assert above[3] & 1 << 9
        assert (rights & ~above[3], own[3] & ~rights) == (0, 0)
        assert above[6] + 1 == depth == own[6] <= own[7] <= deepest <= above[7] <= 2
        assert parent[5] - 300 <= issued < parent[4]
        assert child[5] >= start
        assert child[4] <= end
        assert child[4] <= parent[4]
        child = parent
    assert (child[-65537][2], child[-65537][6]) == (1, 0)
    assert thumbprint(device_of(child)).hex() == keys["owner_device"]["thumbprint"]
