"""The data directory: database, vault key, and one object for each port that is kept there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from keygw.model.errors import StoreError
from keygw.store.bridge_store import SqliteBridge
from keygw.store.credential_store import SqliteCredentials
from keygw.store.database import Database
from keygw.store.keyfile import load_or_create_vault_key
from keygw.store.vault import SqliteVault, check_vault_key, vault_in_use

DATABASE_NAME = "keygw.db"
VAULT_KEY_NAME = "vault.key"


@dataclass(frozen=True, slots=True)
class Store:
    """``issued_any``: digital keys existed when it was opened, so a missing issuer key must not be made anew."""

    directory: Path
    database: Database
    credentials: SqliteCredentials
    vault: SqliteVault
    bridge: SqliteBridge
    issued_any: bool

    async def close(self) -> None:
        await self.database.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def open_store(directory: Path, *, keys: Sequence[str] = ()) -> Store:
    """Open (or create) the data directory. ``keys``: files in it, beside the vault key, made only after the database.

    ``StoreError`` with codes store_busy (retryable), store_too_new, store_unavailable, database_missing,
    key_file_missing, key_file_exposed, key_file_damaged, vault_damaged.
    """
    await asyncio.to_thread(_look_for_loss, directory, (VAULT_KEY_NAME, *keys))
    database = await Database.open(directory / DATABASE_NAME)
    try:
        lost = await vault_in_use(database)
        vault_key = await asyncio.to_thread(load_or_create_vault_key, directory / VAULT_KEY_NAME, may_create=not lost)
        await check_vault_key(database, vault_key)
        issued = await database.fetch("SELECT EXISTS (SELECT 1 FROM digital_keys)")
    except BaseException:
        await database.close()
        raise
    return Store(
        directory=directory,
        database=database,
        credentials=SqliteCredentials(database),
        vault=SqliteVault(database, vault_key),
        bridge=SqliteBridge(database),
        issued_any=bool(issued[0][0]),
    )


def _look_for_loss(directory: Path, keys: Sequence[str]) -> None:
    """Key files without a database: it was lost, and starting afresh would forget every key, list and receipt."""
    path = directory / DATABASE_NAME
    try:
        if path.exists() and path.stat().st_size > 0:
            return
        left = [name for name in keys if (directory / name).exists()]
    except OSError as error:
        raise StoreError(f"the data directory {directory} cannot be used: {error.strerror}") from error
    if left:
        raise StoreError(
            f"{path} is missing or empty, but {' and '.join(left)} of the same gateway are there: restore the database "
            "from a backup, or, to begin anew and lose every digital key, move these files away",
            code="database_missing",
        )
