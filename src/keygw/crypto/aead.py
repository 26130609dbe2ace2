"""AEAD with 128-bit keys: AES-GCM (A128GCM) for everything, AES-CCM for the oracles' suites 0, 2 and 3 alone."""

from __future__ import annotations

from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM

from keygw.crypto.errors import CryptoError

KEY_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
_SIZES = "AES-128-GCM takes a 16-byte key and a 12-byte nonce"


class Aead(Protocol):
    """``seal`` appends the tag; ``open`` raises ``CryptoError`` and tells nothing else."""

    key_bytes: int
    nonce_bytes: int

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes: ...

    def open(self, key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes: ...


class A128GCM:
    """AES-128-GCM, 16-byte tag, 12-byte nonce (RFC 9053 section 4.1, algorithm 1)."""

    key_bytes = KEY_BYTES
    nonce_bytes = NONCE_BYTES

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        return seal(key, nonce, plaintext, aad)

    def open(self, key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        return open_(key, nonce, ciphertext, aad)


class AesCcm:
    """AES-CCM with 13-byte nonces; production has no use for it. ``tag_bytes`` 8: AES-CCM-16-64-128, 16: -16-128-128
    (RFC 9053 section 4.2, algorithms 10 and 30).
    """

    key_bytes = KEY_BYTES
    nonce_bytes = 13

    def __init__(self, tag_bytes: int) -> None:
        self._tag_bytes = tag_bytes

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        self._check(key, nonce)
        return AESCCM(key, tag_length=self._tag_bytes).encrypt(nonce, plaintext, aad)

    def open(self, key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        self._check(key, nonce)
        try:
            return AESCCM(key, tag_length=self._tag_bytes).decrypt(nonce, ciphertext, aad)
        except (InvalidTag, ValueError) as error:
            raise CryptoError("the message does not authenticate") from error

    def _check(self, key: bytes, nonce: bytes) -> None:
        if len(key) != self.key_bytes or len(nonce) != self.nonce_bytes:
            raise ValueError("this AES-CCM takes a 16-byte key and a 13-byte nonce")


class GcmKey:
    """One AES-128-GCM key for many messages: what a channel holds for each direction."""

    __slots__ = ("_gcm",)

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(_SIZES)
        self._gcm = AESGCM(key)

    def seal(self, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Ciphertext and 16-byte tag. ``ValueError`` unless the nonce has 12 bytes."""
        _check_nonce(nonce)
        return self._gcm.encrypt(nonce, plaintext, aad)

    def open(self, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """The plaintext; ``CryptoError`` if it was not sealed with exactly these."""
        _check_nonce(nonce)
        try:
            return self._gcm.decrypt(nonce, ciphertext, aad)
        except (InvalidTag, ValueError) as error:
            raise CryptoError("the message does not authenticate") from error

    def __repr__(self) -> str:
        return "GcmKey(...)"


def seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """AES-128-GCM: ciphertext and 16-byte tag."""
    return GcmKey(key).seal(nonce, plaintext, aad)


def open_(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """The plaintext; ``CryptoError`` if it was not sealed with exactly these."""
    return GcmKey(key).open(nonce, ciphertext, aad)


def _check_nonce(nonce: bytes) -> None:
    if len(nonce) != NONCE_BYTES:
        raise ValueError(_SIZES)
