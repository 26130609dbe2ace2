"""X25519 (RFC 7748). Ephemeral keys come from the caller's randomness, so that the session core stays sans-IO."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from keygw.crypto.errors import CryptoError

KEY_BYTES = 32


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
