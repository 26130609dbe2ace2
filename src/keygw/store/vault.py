"""Hosted devices' keys in the database, each sealed with AES-128-GCM under the vault key, bound to its device id."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from keygw.crypto.aead import NONCE_BYTES, open_, seal
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import hmac256
from keygw.crypto.signer import LocalSigner, Signer, device_id
from keygw.model.errors import NotFound, StoreError
from keygw.model.ids import Random
from keygw.store.group import Storage, Transaction

_PURPOSE = b"keygw hosted device key 1 "


class SqlVault:
    """``credentials.ports.Vault``. A signer lives as long as its caller keeps it; nothing here caches one.

    ``new_signer``, ``random``, ``repeatable``: for simulated worlds alone, which a seed makes repeatable.
    """

    def __init__(
        self,
        database: Storage,
        key: bytes,
        *,
        new_signer: Callable[[], LocalSigner] = LocalSigner.generate,
        random: Random = secrets.token_bytes,
        repeatable: bool = False,
    ) -> None:
        self._database = database
        self._key = key
        self._new_signer = new_signer
        self._random = random
        self._repeatable = repeatable

    async def create(self) -> bytes:
        signer = self._new_signer()
        name = device_id(signer.public_key)
        nonce = self._random(NONCE_BYTES)
        sealed = seal(self._key, nonce, signer.to_pem(), _PURPOSE + name.encode())
        sql = "INSERT INTO hosted_keys (device_id, nonce, sealed) VALUES (?, ?, ?)"
        await self._database.write(lambda tx: tx.fetch(sql, (name, nonce, sealed)))
        return signer.public_key

    async def signer(self, device_id: str) -> Signer:
        rows = await self._database.fetch("SELECT nonce, sealed FROM hosted_keys WHERE device_id = ?", (device_id,))
        if not rows:
            raise NotFound("the gateway holds no key of this device", code="unknown_device")
        nonce, sealed = rows[0]
        try:
            pem = open_(self._key, nonce, sealed, _PURPOSE + device_id.encode())
            return LocalSigner.from_pem(pem, repeatable=self._repeatable)
        except (CryptoError, ValueError) as error:
            raise StoreError(
                f"the stored key of {device_id} does not open: restore database and vault key from one backup",
                code="vault_damaged",
            ) from error

    def __repr__(self) -> str:
        return f"SqlVault({self._database.name})"


async def check_vault_key(database: Storage, key: bytes) -> None:
    """Remember which vault key this database goes with; ``StoreError`` vault_damaged if keys of another are there."""
    mark = hmac256(key, b"keygw vault check")[:16]
    number = mark_number(mark)

    async def work(tx: Transaction) -> int | bytes:
        # With nothing stored under the old vault key, a new one takes its place.
        await tx.fetch(
            "INSERT INTO facts (name, value) VALUES ('vault_check', ?) ON CONFLICT (name) DO UPDATE "
            "SET value = excluded.value "
            "WHERE NOT EXISTS (SELECT 1 FROM hosted_keys) AND NOT EXISTS (SELECT 1 FROM webhooks)",
            (number,),
        )
        rows = await tx.fetch("SELECT value FROM facts WHERE name = 'vault_check'")
        return rows[0][0]  # type: ignore[no-any-return]  # a row holds what the schema says

    kept = await database.write(work)
    # Until there was a second database, the whole mark was kept: bytes, where PostgreSQL takes numbers alone.
    if (mark_number(kept) if isinstance(kept, bytes) else kept) != number:
        raise StoreError(
            f"the vault key is not the one of {database.name}: restore both from one backup", code="vault_damaged"
        )


def mark_number(mark: bytes) -> int:
    """What fits a column of numbers in either database. It tells one key from another, and nothing about the key."""
    return int.from_bytes(mark[:8]) >> 1


async def vault_in_use(database: Storage) -> bool:
    """Whether something is stored that would be lost with the vault key: hosted keys, secrets of webhooks."""
    sql = "SELECT EXISTS (SELECT 1 FROM hosted_keys) OR EXISTS (SELECT 1 FROM webhooks)"
    return bool((await database.fetch(sql))[0][0])
