"""What every way to an SQLite file has in common: the door to one transaction, and a schema brought up to date."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any

from keygw.model.errors import StoreError
from keygw.store.errors import Duplicate, store_error
from keygw.store.group import Fetch, Ledger, Row, Storage, Transaction
from keygw.store.migrations import VERSION_TABLE
from keygw.store.schema import APPLICATION_ID, SCHEMA_VERSION


class SqliteDoor:
    """``store.group.Door``. Its coroutines never wait: they run to their end on the thread that drives them."""

    announcer: Ledger | None = None
    """A file has one gateway (``store.instance``)."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        try:
            return self._connection.execute(sql, tuple(parameters)).fetchall()
        except sqlite3.IntegrityError as error:
            raise Duplicate(str(error)) from error
        except sqlite3.Error as error:
            raise store_error(error, self._path) or error from error

    async def begin(self) -> None:
        await self.fetch("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        await self.fetch("COMMIT")

    async def rollback(self) -> None:
        # SQLite may have rolled back by itself already (disk full, I/O error).
        if self._connection.in_transaction:
            self._connection.rollback()


def drive(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits, without an event loop."""
    try:
        work.send(None)
    except StopIteration:
        return
    work.close()
    raise RuntimeError("a work awaited something other than its transaction")


async def look(database: Storage, path: Path) -> int:
    """The version of its schema, 0 for none yet. ``StoreError``: another program's, or store_too_new."""
    return _check_header(path, *await _header(database.fetch))


async def bring_up(database: Storage, path: Path, version: int) -> None:
    """Bring the schema from ``version``, as ``look`` has found it, up to this release's."""
    while (found := await _migrate(database, path, version)) != SCHEMA_VERSION:
        version = found


async def _migrate(database: Storage, path: Path, seen: int) -> int:
    """Bring the schema from version ``seen`` up to this release's; answers the version that was found instead."""
    statements: list[str] = []
    if seen < SCHEMA_VERSION:
        # Ready before the lock is taken: Alembic takes a while to load, and another process may wait for the lock.
        stamped = bool(await database.fetch("SELECT 1 FROM sqlite_master WHERE name = ?", (VERSION_TABLE,)))
        statements = await asyncio.to_thread(_plan, seen, stamped)

    async def work(tx: Transaction) -> int:
        # Again, now that nobody else can write: another process may have created it meanwhile.
        found = _check_header(path, *await _header(tx.fetch))
        if found != seen:
            return found
        for statement in statements:
            await tx.fetch(statement)
        if statements:
            await tx.fetch(f"PRAGMA application_id = {APPLICATION_ID}")
            await tx.fetch(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return SCHEMA_VERSION

    return await database.write(work)


async def _header(fetch: Fetch) -> tuple[int, int, int]:
    application = await fetch("PRAGMA application_id")
    version = await fetch("PRAGMA user_version")
    tables = await fetch("SELECT count(*) FROM sqlite_master")
    return application[0][0], version[0][0], tables[0][0]


def _plan(version: int, stamped: bool) -> list[str]:
    # A start that has nothing to migrate does without Alembic, which is slow to load.
    from keygw.store.migrations.plan import plan  # noqa: PLC0415

    return plan("sqlite", version, stamped=stamped)


def _check_header(path: Path, application: int, version: int, tables: int) -> int:
    """The schema version to start from."""
    if application == 0 and version == 0 and tables == 0:
        return 0
    if application != APPLICATION_ID:
        raise StoreError(f"{path} is a database of another program: choose another directory")
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} was written by a newer release (schema {version}, this one knows {SCHEMA_VERSION}): "
            "install that release again, or restore a backup",
            code="store_too_new",
        )
    return version
