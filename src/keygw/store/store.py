"""The data directory: database, vault key, and one object for each port that is kept there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from keygw.crypto.kdf import hmac256
from keygw.model.errors import StoreError
from keygw.store.bridge_store import SqlBridge
from keygw.store.credential_store import SqlCredentials
from keygw.store.database import Database
from keygw.store.group import Storage
from keygw.store.keyfile import load_or_create_vault_key
from keygw.store.marks import look_for_restore
from keygw.store.sealed import Seal
from keygw.store.vault import SqlVault, check_vault_key, vault_in_use

DATABASE_NAME = "keygw.db"
VAULT_KEY_NAME = "vault.key"


@dataclass(frozen=True, slots=True)
class Store:
    """``directory``: of the key files, and of the database where that is a file.

    ``issued_any``: digital keys existed when it was opened, so a missing issuer key must not be made anew.
    ``restored``: it was put back from a backup, and issues nothing until an operator confirms.
    ``nonce_key``: 32 bytes that all gateways with this vault key share, for what they hand out and take back."""

    directory: Path
    database: Storage
    credentials: SqlCredentials
    vault: SqlVault
    bridge: SqlBridge
    issued_any: bool
    restored: bool
    nonce_key: bytes = field(repr=False)

    async def close(self) -> None:
        await self.database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def open_store(
    directory: Path,
    *,
    keys: Sequence[str] = (),
    database_url: str | None = None,
    open_file: Callable[[Path], Awaitable[Storage]] = Database.open,
) -> Store:
    """Open (or create) the data directory. ``keys``: files in it, beside the vault key, made only after the database.

    ``database_url``: a PostgreSQL database that takes the place of the file; it must exist, and may be empty.
    ``open_file``: another way to the file, for tests (``store.inline``).

    ``StoreError`` with codes store_busy (retryable), store_too_new, store_unavailable, database_missing,
    key_file_missing, key_file_exposed, key_file_damaged, vault_damaged.
    """
    secrets = await asyncio.to_thread(_present, directory, (VAULT_KEY_NAME, *keys))
    if database_url is None:
        database = await _open_file(directory / DATABASE_NAME, secrets, open_file)
    else:
        database = await _open_postgres(database_url, secrets)
    try:
        lost = await vault_in_use(database)
        vault_key = await asyncio.to_thread(load_or_create_vault_key, directory / VAULT_KEY_NAME, may_create=not lost)
        await check_vault_key(database, vault_key)
        restored = await look_for_restore(database, directory)
        issued = await database.fetch("SELECT EXISTS (SELECT 1 FROM digital_keys)")
    except BaseException:
        await database.close()
        raise
    return Store(
        directory=directory,
        database=database,
        credentials=SqlCredentials(database),
        vault=SqlVault(database, vault_key),
        bridge=SqlBridge(database, Seal(vault_key, "webhook")),
        issued_any=bool(issued[0][0]),
        restored=restored,
        nonce_key=hmac256(vault_key, b"keygw nonces 1"),
    )


async def _open_file(path: Path, secrets: Sequence[str], open_file: Callable[[Path], Awaitable[Storage]]) -> Storage:
    # Key files without a database: it was lost, and starting afresh would forget every key, list and receipt.
    if secrets and not await asyncio.to_thread(_holds_something, path):
        raise _lost(str(path), secrets)
    return await open_file(path)


async def _open_postgres(url: str, secrets: Sequence[str]) -> Storage:
    try:
        from keygw.store.postgres import PostgresDatabase  # noqa: PLC0415 - asyncpg is an extra
    except ImportError as error:
        raise StoreError("PostgreSQL takes another library: pip install 'keygw[postgres]'") from error
    database = await PostgresDatabase.connect(url)
    try:
        if secrets and await database.is_empty():
            raise _lost(database.name, secrets)
        await database.bring_up()
    except BaseException:
        await database.close()
        raise
    return database


def _present(directory: Path, names: Sequence[str]) -> list[str]:
    try:
        return [name for name in names if (directory / name).exists()]
    except OSError as error:
        raise StoreError(f"the data directory {directory} cannot be used: {error.strerror}") from error


def _holds_something(path: Path) -> bool:
    try:
        return path.exists() and path.stat().st_size > 0
    except OSError as error:
        raise StoreError(f"the data directory {path.parent} cannot be used: {error.strerror}") from error


def _lost(name: str, secrets: Sequence[str]) -> StoreError:
    return StoreError(
        f"{name} is missing or empty, but {' and '.join(secrets)} of the same gateway are there: restore the database "
        "from a backup, or, to begin anew and lose every digital key, move these files away",
        code="database_missing",
    )
