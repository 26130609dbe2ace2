"""X25519 (RFC 7748), and P-256 Diffie-Hellman for the oracles' suites.

Ephemeral keys come from the caller's randomness, so that the session core stays sans-IO.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from keygw.crypto.errors import CryptoError

KEY_BYTES = 32
_P256 = ec.SECP256R1()


class StaticKey(Protocol):
    """A Diffie-Hellman private key that never leaves its place: what ``Signer`` is for signatures."""

    def agree(self, peer: bytes) -> bytes:
        """The 32-byte shared secret with the peer's public key; ``CryptoError`` if that is not an acceptable one."""


class AgreementKey(StaticKey, Protocol):
    """A private key of one exchange, and the 32 bytes that go to the peer."""

    @property
    def public(self) -> bytes:
        """X25519: the public key. P-256: the x coordinate alone, as EDHOC sends it."""


class EphemeralKey:
    """One X25519 private key, for one exchange."""

    __slots__ = ("_key", "public")

    def __init__(self, secret: bytes) -> None:
        self._key = X25519PrivateKey.from_private_bytes(secret)
        self.public = self._key.public_key().public_bytes_raw()

    def agree(self, peer: bytes) -> bytes:
        """The 32-byte shared secret; ``CryptoError`` for a point of low order (all-zero result) or wrong size."""
        if len(peer) != KEY_BYTES:
            raise CryptoError("an X25519 key has 32 bytes")
        try:
            return self._key.exchange(X25519PublicKey.from_public_bytes(peer))
        except ValueError as error:
            raise CryptoError("the peer's ephemeral key is of low order") from error

    def __repr__(self) -> str:
        return "EphemeralKey(...)"


class P256Key:
    """One P-256 private key. For the oracles' suites 2 and 3 alone: production agrees on X25519.

    ``secret``: the private scalar, 32 bytes; ``CryptoError`` if it is out of range.
    """

    __slots__ = ("_key", "public")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise CryptoError("a P-256 private key has 32 bytes")
        try:
            self._key = ec.derive_private_key(int.from_bytes(secret, "big"), _P256)
        except ValueError as error:
            raise CryptoError("the private scalar is out of range") from error
        self.public = self._key.public_key().public_numbers().x.to_bytes(KEY_BYTES, "big")

    def agree(self, peer: bytes) -> bytes:
        """The x coordinate of the shared point (NIST SP 800-56A section 5.7.1.2), 32 bytes.

        ``peer`` is an x coordinate (32 bytes) or a compressed point (33). Which of the two y belongs to an x does not
        matter: they are each other's negative, and so are the results. ``CryptoError`` if there is no such point.
        """
        if len(peer) == KEY_BYTES:
            peer = b"\x02" + peer
        if len(peer) != KEY_BYTES + 1:
            raise CryptoError("a P-256 key is an x coordinate or a compressed point")
        try:
            return self._key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_P256, peer))
        except ValueError as error:
            raise CryptoError("the point is not on P-256") from error

    def __repr__(self) -> str:
        return "P256Key(...)"
