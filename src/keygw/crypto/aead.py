"""AEAD with 128-bit keys: AES-GCM (A128GCM) for everything, AES-CCM for RFC 9529's suite 0 trace alone."""

from __future__ import annotations

from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM

from keygw.crypto.errors import CryptoError

KEY_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16


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


class AesCcm1664128:
    """AES-CCM-16-64-128: 8-byte tag, 13-byte nonce (RFC 9053 section 4.2, algorithm 10)."""

    key_bytes = KEY_BYTES
    nonce_bytes = 13

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        return AESCCM(key, tag_length=8).encrypt(nonce, plaintext, aad)

    def open(self, key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        try:
            return AESCCM(key, tag_length=8).decrypt(nonce, ciphertext, aad)
        except (InvalidTag, ValueError) as error:
            raise CryptoError("the message does not authenticate") from error


def seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """AES-128-GCM: ciphertext and 16-byte tag."""
    _check(key, nonce)
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def open_(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    """The plaintext; ``CryptoError`` if it was not sealed with exactly these."""
    _check(key, nonce)
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except (InvalidTag, ValueError) as error:
        raise CryptoError("the message does not authenticate") from error


def _check(key: bytes, nonce: bytes) -> None:
    if len(key) != KEY_BYTES or len(nonce) != NONCE_BYTES:
        raise ValueError("AES-128-GCM takes a 16-byte key and a 12-byte nonce")
