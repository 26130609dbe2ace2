"""An authenticator in software: makes passkeys and signs with them, and misbehaves where a test says so.

Written from Web Authentication, Level 3 (sections 5.8.1, 6.1, 6.5), with ``cryptography`` and ``cbor2`` alone: it
shares no code with the library that judges it.
"""

from __future__ import annotations

import json
import secrets
import struct
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from keygw.model.base64url import decode_base64url, encode_base64url

PRESENT, VERIFIED, ELIGIBLE, ATTESTED = 0x01, 0x04, 0x08, 0x40
USUAL = PRESENT | VERIFIED


@dataclass
class Authenticator:
    """One passkey. ``counts``: it counts its signatures. ``alg``: -7 (ES256) or -8 (EdDSA)."""

    origin: str
    alg: int = -7
    counts: bool = False
    rp_id: str = field(init=False)
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    counter: int = 0

    def __post_init__(self) -> None:
        self.rp_id = self.origin.partition("//")[2].partition(":")[0]
        self.key: Any = ec.generate_private_key(ec.SECP256R1()) if self.alg == -7 else Ed25519PrivateKey.generate()

    def make(self, options: dict[str, Any], **bent: Any) -> dict[str, str]:
        """The body of ``POST /v1/passkeys``. ``bent``: see ``_said`` and ``_data``; ``cose``: another public key."""
        cose = cbor2.dumps(bent.pop("cose", self._cose()), canonical=True)
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cose
        client = self._said("webauthn.create", options["challenge"], bent)
        flags = bent.pop("flags", USUAL | ATTESTED)
        data = self._data(flags, bent) + (attested if flags & ATTESTED else b"")
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return {"name": "My phone", "client_data": _b64(client), "attestation_object": _b64(made)}

    def sign(self, options: dict[str, Any], **bent: Any) -> dict[str, str]:
        """The body of ``POST /v1/passkeys:verify``. ``signed_by``: another authenticator's key."""
        if self.counts:
            self.counter += 1
        client = self._said("webauthn.get", options["challenge"], bent)
        data = self._data(bent.pop("flags", USUAL), bent)
        over = data + sha256(client).digest()
        key = bent.pop("signed_by", self).key
        signature = key.sign(over) if isinstance(key, Ed25519PrivateKey) else key.sign(over, ec.ECDSA(SHA256()))
        return {
            "credential_id": _b64(bent.pop("id", self.id)),
            "client_data": _b64(client),
            "authenticator_data": _b64(data),
            "signature": _b64(signature),
        }

    def _said(self, kind: str, challenge: str, bent: dict[str, Any]) -> bytes:
        said = {
            "type": bent.pop("type", kind),
            "challenge": bent.pop("challenge", challenge),
            "origin": bent.pop("origin", self.origin),
            "crossOrigin": bent.pop("cross_origin", False),
        }
        return json.dumps(said | bent.pop("more", {})).encode()

    def _data(self, flags: int, bent: dict[str, Any]) -> bytes:
        rp_id = bent.pop("rp_id", self.rp_id)
        return sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, bent.pop("counter", self.counter))

    def _cose(self) -> dict[int, Any]:
        if self.alg == -7:
            point = self.key.public_key().public_numbers()
            return {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        return {1: 1, 3: -8, -1: 6, -2: self.key.public_key().public_bytes_raw()}


def _b64(data: bytes) -> str:
    return encode_base64url(data)


def bytes_of(text: str) -> bytes:
    return decode_base64url(text)
