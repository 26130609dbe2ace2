"""Secrets that lie in the database sealed: AES-128-GCM under a key of the vault's, bound to what they are of."""

from __future__ import annotations

import secrets

from keygw.crypto.aead import NONCE_BYTES, open_, seal
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import hmac256
from keygw.model.errors import StoreError


class Seal:
    """``purpose``: one word for each use, so that no secret opens as one of another use."""

    def __init__(self, vault_key: bytes, purpose: str) -> None:
        self._key = hmac256(vault_key, f"keygw sealed {purpose} 1".encode())[:16]

    def close(self, secret: bytes, owner: str) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + seal(self._key, nonce, secret, owner.encode())

    def open(self, sealed: bytes, owner: str) -> bytes:
        """``StoreError`` vault_damaged."""
        try:
            return open_(self._key, sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], owner.encode())
        except (CryptoError, ValueError) as error:
            raise StoreError(
                f"the stored secret of {owner} does not open: restore database and vault key from one backup",
                code="vault_damaged",
            ) from error

    def __repr__(self) -> str:
        return "Seal()"
