"""What the makers of frozen vectors sign with, so that a second run gives the same bytes."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from keygw.crypto.signer import LocalSigner


class FixedSigner:
    """ES256 with the nonce of RFC 6979: the same message always gets the same signature."""

    def __init__(self, secret: int) -> None:
        self.secret = secret
        self._key = ec.derive_private_key(secret, ec.SECP256R1())
        self.public_key = LocalSigner.from_secret(secret).public_key

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
