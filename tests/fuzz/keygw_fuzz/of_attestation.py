"""Targets for attestations: certificates, authenticator data, client data, whole statements, well signed or not."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from keygw.crypto import signer
from keygw.crypto.certificates import Roots
from keygw.crypto.kdf import sha256
from keygw.crypto.signer import LocalSigner
from keygw.token import webauthn
from keygw.token.webauthn import AuthenticatorData, RelyingParty, Statement
from keygw_fuzz.target import CRYPTO, TOKEN, Target
from keygw_fuzz.vectors import ROOT

ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
DER = bytes.fromhex("3006020101020102")


@cache
def said() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "protocols/attestation/vectors/packed.json").read_text("utf-8"))
    return found


@cache
def roots() -> Roots:
    return Roots.from_pem(said()["roots"].encode())


@cache
def party() -> RelyingParty:
    return RelyingParty(said()["rp_id"], frozenset(said()["origins"]))


def _challenge() -> bytes:
    return bytes.fromhex(said()["challenge"])


def _evidence() -> list[bytes]:
    return [bytes.fromhex(row["evidence"]) for row in said()["valid"]]


def _statements() -> list[Statement]:
    return [Statement.decode(evidence) for evidence in _evidence()]


def _judge(evidence: bytes) -> None:
    key = bytes.fromhex(said()["device_key"])
    webauthn.verify_packed(evidence, _challenge(), key, party(), roots(), said()["now"])


def _judge_signed(data: bytes) -> None:
    """Any authenticator data, under a signature of the device that holds: what lies behind the signature."""
    client_data = said()["valid"][0]["client_data"].encode()
    _judge(Statement(data, client_data, _signed("device_secret", data + sha256(client_data))).encode())


def _signed(name: str, data: bytes) -> bytes:
    """The DER signature by one of the keys of the vectors."""
    raw = LocalSigner.from_secret(int(said()[name], 16)).sign(data)
    r, s = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
    return _der(0x30, b"".join(_der(2, each.to_bytes(each.bit_length() // 8 + 1, "big")) for each in (r, s)))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes((tag,)) + (bytes((size,)) if size < 128 else b"\x82" + size.to_bytes(2, "big")) + content


def _chain(data: bytes) -> None:
    """Two certificates behind one another, the first with its length before it."""
    size = int.from_bytes(data[:2], "big")
    roots().verify([each for each in (data[2 : 2 + size], data[2 + size :]) if each], said()["now"])


def _issued(data: bytes) -> None:
    """Any certificate content, under a signature of the maker that holds."""
    signature = _der(3, b"\0" + _signed("maker_secret", data))
    above = _statements()[0].chain[1]
    roots().verify([_der(0x30, data + ECDSA_WITH_SHA256 + signature), above], said()["now"])


def _issues() -> list[bytes]:
    """What was signed of the authenticator's own certificate."""
    own = _statements()[0].chain[0]
    size = int.from_bytes(own[6:8], "big")
    return [own[4 : 8 + size]]


def _chains() -> list[bytes]:
    chains = [statement.chain for statement in _statements() if len(statement.chain) == 2]
    return [len(own).to_bytes(2, "big") + own + above for own, above in chains]


TARGETS = [
    Target(
        "crypto.certificates.chain", _chain, CRYPTO, _chains, covers=("crypto.certificates.Roots.verify",),
        longest=1600, slow=True,
    ),
    Target("crypto.certificates.issued", _issued, CRYPTO, _issues, longest=800, slow=True),
    Target(
        "crypto.certificates.pem", Roots.from_pem, CRYPTO, lambda: [said()["roots"].encode()],
        covers=("crypto.certificates.Roots.from_pem",), longest=1600,
    ),
    Target("crypto.signer.der", signer.from_der, CRYPTO, lambda: [DER], covers=("crypto.signer.from_der",), longest=80),
    Target(
        "token.webauthn.authenticator", AuthenticatorData.decode, TOKEN,
        lambda: [statement.authenticator for statement in _statements()], AuthenticatorData.encode,
        covers=("token.webauthn.AuthenticatorData.decode",), longest=1200,
    ),
    Target(
        "token.webauthn.client_data", lambda data: webauthn.check_client_data(data, _challenge(), party()), TOKEN,
        lambda: [statement.client_data for statement in _statements()],
        covers=("token.webauthn.check_client_data",),
    ),
    Target(
        "token.webauthn.statement", Statement.decode, TOKEN, _evidence, Statement.encode,
        covers=("token.webauthn.Statement.decode",), longest=3200,
    ),
    Target(
        "token.webauthn.packed", _judge, TOKEN, _evidence, covers=("token.webauthn.verify_packed",), longest=3200,
        slow=True,
    ),
    Target(
        "token.webauthn.signed", _judge_signed, TOKEN,
        lambda: [statement.authenticator for statement in _statements()], longest=1200, slow=True,
    ),
]  # fmt: skip
