"""Wycheproof through our own wrappers: nothing invalid gets in, nothing valid stays out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keygw.crypto import aead
from keygw.crypto.agreement import EphemeralKey, P256Key
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import hkdf_expand, hkdf_extract
from keygw.crypto.signer import compress, verify

Case = dict[str, Any]


def cases(shared: Path, name: str) -> Iterator[tuple[Case, Case]]:
    data = json.loads((shared / "vectors" / "wycheproof" / f"{name}_test.json").read_text())
    for group in data["testGroups"]:
        for case in group["tests"]:
            yield group, case


def raw(case: Case, name: str) -> bytes:
    return bytes.fromhex(case[name])


def coordinate(text: str) -> bytes:
    return int(text, 16).to_bytes(32, "big")


def test_ecdsa_p256_sha256_in_p1363_form(shared: Path) -> None:
    wrong, seen = [], {"valid": 0, "invalid": 0}
    for group, case in cases(shared, "ecdsa_secp256r1_sha256_p1363"):
        key = compress(coordinate(group["publicKey"]["wx"]), coordinate(group["publicKey"]["wy"]))
        try:
            verify(key, raw(case, "sig"), raw(case, "msg"))
            got = "valid"
        except CryptoError:
            got = "invalid"
        seen[case["result"]] += 1
        if got != case["result"]:
            wrong.append((case["tcId"], case["comment"], got))
    assert not wrong
    assert seen["valid"] > 100
    assert seen["invalid"] > 50


def test_x25519(shared: Path) -> None:
    """``acceptable``: keygw refuses what yields the all-zero secret and takes the rest (RFC 7748 section 6.1)."""
    agreed = refused = 0
    for _, case in cases(shared, "x25519"):
        zero = not any(raw(case, "shared"))
        try:
            shared_secret = EphemeralKey(raw(case, "private")).agree(raw(case, "public"))
        except CryptoError:
            assert zero, case
            assert case["result"] != "valid", case
            refused += 1
        else:
            assert not zero, case
            assert shared_secret == raw(case, "shared"), case
            agreed += 1
    assert agreed > 400
    assert refused > 20


def test_ecdh_p256_points(shared: Path) -> None:
    """Uncompressed points enter as keygw takes public keys: both coordinates, checked, then compressed."""
    agreed = refused = 0
    for _, case in cases(shared, "ecdh_secp256r1_ecpoint"):
        point, secret = raw(case, "public"), int(case["private"], 16).to_bytes(32, "big")
        try:
            if point[:1] == b"\x04" and len(point) == 65:
                point = compress(point[1:33], point[33:])
            shared_secret = P256Key(secret).agree(point)
        except CryptoError:
            assert case["result"] == "invalid", case
            refused += 1
        else:
            assert case["result"] != "invalid", case
            assert shared_secret == P256Key(secret).agree(point[1:]) == raw(case, "shared"), case
            agreed += 1
    assert agreed > 300
    assert refused == 24


@pytest.mark.parametrize("tag_bytes", [8, 16])
def test_aes_ccm_with_the_oracles_sizes(shared: Path, tag_bytes: int) -> None:
    """13-byte nonces have vectors with 16-byte tags alone; any other size is refused as our own fault."""
    ccm, seen, other = aead.AesCcm(tag_bytes), {"valid": 0, "invalid": 0}, 0
    for group, case in cases(shared, "aes_ccm"):
        key, iv, aad, sealed = raw(case, "key"), raw(case, "iv"), raw(case, "aad"), raw(case, "ct") + raw(case, "tag")
        if (group["keySize"], group["ivSize"]) != (128, 104):
            with pytest.raises(ValueError, match="13-byte nonce"):
                ccm.open(key, iv, sealed, aad)
            other += 1
        elif case["result"] == "valid" and group["tagSize"] == 8 * tag_bytes:
            assert ccm.seal(key, iv, raw(case, "msg"), aad) == sealed, case
            assert ccm.open(key, iv, sealed, aad) == raw(case, "msg"), case
            seen["valid"] += 1
        else:
            with pytest.raises(CryptoError):
                ccm.open(key, iv, sealed, aad)
            seen["invalid"] += 1
    assert other > 400
    assert sum(seen.values()) == 6


def test_aes_gcm_with_our_sizes(shared: Path) -> None:
    seen = {"valid": 0, "invalid": 0}
    for group, case in cases(shared, "aes_gcm"):
        if (group["keySize"], group["ivSize"], group["tagSize"]) != (128, 96, 128):
            continue
        key, iv, aad = raw(case, "key"), raw(case, "iv"), raw(case, "aad")
        sealed = raw(case, "ct") + raw(case, "tag")
        seen[case["result"]] += 1
        if case["result"] == "valid":
            assert aead.seal(key, iv, raw(case, "msg"), aad) == sealed, case
            assert aead.open_(key, iv, sealed, aad) == raw(case, "msg"), case
        else:
            with pytest.raises(CryptoError):
                aead.open_(key, iv, sealed, aad)
    assert seen["valid"] > 30
    assert seen["invalid"] > 20


def test_aes_gcm_with_other_sizes_never_opens(shared: Path) -> None:
    other = 0
    for group, case in cases(shared, "aes_gcm"):
        if (group["keySize"], group["ivSize"]) != (128, 96):
            with pytest.raises(ValueError, match="16-byte key"):
                aead.open_(raw(case, "key"), raw(case, "iv"), raw(case, "ct") + raw(case, "tag"), raw(case, "aad"))
            other += 1
    assert other > 100


def test_hkdf_sha256(shared: Path) -> None:
    seen = {"valid": 0, "invalid": 0}
    for _, case in cases(shared, "hkdf_sha256"):
        prk = hkdf_extract(raw(case, "salt"), raw(case, "ikm"))
        seen[case["result"]] += 1
        if case["result"] == "valid":
            assert hkdf_expand(prk, raw(case, "info"), case["size"]) == raw(case, "okm"), case
        else:
            with pytest.raises(ValueError, match="at most"):
                hkdf_expand(prk, raw(case, "info"), case["size"])
    assert seen["valid"] > 60
    assert seen["invalid"] > 0
