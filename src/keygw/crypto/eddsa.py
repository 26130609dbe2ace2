"""Ed25519 (RFC 8032), for RFC 9529's suite 0 trace alone: production signs with ES256."""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from keygw.crypto.errors import CryptoError


def sign(secret: bytes, message: bytes) -> bytes:
    """64 bytes over ``message`` by the 32-byte ``secret``."""
    return Ed25519PrivateKey.from_private_bytes(secret).sign(message)


def verify(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Return if the signature holds; ``CryptoError`` otherwise."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise CryptoError("the signature does not verify") from error
