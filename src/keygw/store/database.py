"""One SQLite file: opening, schema, transactions.

Two connections. The writer is guarded by a lock and only ever works inside ``BEGIN IMMEDIATE ... COMMIT``; the reader
sees committed state only, so nothing is shown that could still be rolled back. WAL with synchronous=FULL: a commit that
returned is on the disk. Each statement is one hop to aiosqlite's thread, and statements are prepared once.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite

from keygw.model.errors import StoreError
from keygw.store.errors import Duplicate, store_error
from keygw.store.migrations import VERSION_TABLE
from keygw.store.schema import APPLICATION_ID, SCHEMA_VERSION

BUSY_SECONDS = 2.0
_BUSY_PAUSE_SECONDS = 0.01
_STATEMENTS = 256

Row = Sequence[Any]
Fetch = Callable[..., Coroutine[Any, Any, list[Row]]]
"""``await fetch(sql, parameters)``: every row of the answer."""


class Transaction:
    """The open transaction. Only of use inside its block."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._callbacks: list[Callable[[], None]] = []
        self._open = True

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        if not self._open:
            raise RuntimeError("the transaction has ended")
        return await self._fetch(sql, parameters)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run it right after the commit, in order; never if the transaction ends otherwise."""
        self._callbacks.append(callback)

    def end(self) -> list[Callable[[], None]]:
        self._open = False
        return self._callbacks


class Database:
    """``open`` it, ``close`` it. Errors of the storage are ``StoreError``, a violated constraint is ``Duplicate``."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self.path = path
        self._writer = writer
        self._reader = reader
        self._lock = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Create the file (0600) and its directory (0700) if need be, and bring the schema up to this release.

        ``StoreError``: store_busy (retryable, after about 2 s), store_too_new, store_unavailable.
        """
        await asyncio.to_thread(_prepare, path)
        connections: list[aiosqlite.Connection] = []
        try:
            for _ in range(2):
                connections.append(
                    await aiosqlite.connect(
                        path, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=_STATEMENTS
                    )
                )
            database = cls(path, *connections)
            await database._start()
        except sqlite3.Error as error:
            await _close(connections)
            raise store_error(error, path) or error from error
        except BaseException:
            await _finish(_close(connections))
            raise
        return database

    async def close(self) -> None:
        """Wait for the running transaction, then close. The second time nothing happens."""
        async with self._lock:
            self._closed = True
            await _finish(_close([self._reader, self._writer]))

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        """Ask one question of the committed state."""
        return await self._ask(self._reader, sql, parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Leaving the block commits; an exception or a cancellation rolls back. Neither leaves it open.

        A cancellation that arrives during the commit waits for its end: what was committed is also told.
        """
        async with self._lock:
            tx = Transaction(self._write)
            try:
                await self._write("BEGIN IMMEDIATE")
                yield tx
            except BaseException:
                tx.end()
                await _finish(self._rollback())
                raise
            await _finish(self._commit(tx.end()))

    async def _commit(self, callbacks: list[Callable[[], None]]) -> None:
        try:
            await self._write("COMMIT")
        except BaseException:
            await self._rollback()
            raise
        for callback in callbacks:
            try:
                callback()
            except Exception as error:
                # The commit stands, so the caller must not hear of a failure; but nobody may overlook it either.
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a callback after a commit failed", "exception": error}
                )

    async def _rollback(self) -> None:
        # Queued behind a statement whose caller was cancelled, so it comes after it; it may find nothing to do.
        if not self._closed:
            await self._writer.rollback()

    async def _write(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        return await self._ask(self._writer, sql, parameters)

    async def _ask(self, connection: aiosqlite.Connection, sql: str, parameters: Iterable[Any]) -> list[Row]:
        if self._closed:
            raise StoreError(f"the database {self.path} has been closed")
        try:
            return list(await connection.execute_fetchall(sql, parameters))
        except sqlite3.IntegrityError as error:
            raise Duplicate(str(error)) from error
        except sqlite3.Error as error:
            raise store_error(error, self.path) or error from error

    async def _start(self) -> None:
        # Look before touching: a foreign or newer file is left exactly as it is.
        version = _check_header(self.path, *await self._header(self._reader))
        if await self._write_ahead() != "wal":
            raise StoreError(f"the file system of {self.path} does not allow write-ahead logging: choose a local disk")
        for pragma in ("synchronous = FULL", "fullfsync = ON", "foreign_keys = ON"):
            await self._write(f"PRAGMA {pragma}")
        await self._reader.execute_fetchall("PRAGMA query_only = ON")
        while (found := await self._migrate(version)) != SCHEMA_VERSION:
            version = found

    async def _write_ahead(self) -> str:
        """SQLite does not wait where another process makes the same change, or has just made it: so we do."""
        clock = asyncio.get_running_loop().time
        until = clock() + BUSY_SECONDS
        while True:
            try:
                return str((await self._write("PRAGMA journal_mode = WAL"))[0][0])
            except StoreError as error:
                if error.code != "store_busy" or clock() > until:
                    raise
            await asyncio.sleep(_BUSY_PAUSE_SECONDS)

    async def _migrate(self, seen: int) -> int:
        """Bring the schema from version ``seen`` up to this release's; answers the version that was found instead."""
        statements: list[str] = []
        if seen < SCHEMA_VERSION:
            # Ready before the lock is taken: Alembic takes a while to load, and another process may wait for the lock.
            stamped = bool(await self.fetch("SELECT 1 FROM sqlite_master WHERE name = ?", (VERSION_TABLE,)))
            statements = await asyncio.to_thread(_plan, seen, stamped)
        async with self.transaction() as tx:
            # Again, now that nobody else can write: another process may have created it meanwhile.
            found = _check_header(self.path, *await self._header(self._writer))
            if found != seen:
                return found
            for statement in statements:
                await tx.fetch(statement)
            if statements:
                await tx.fetch(f"PRAGMA application_id = {APPLICATION_ID}")
                await tx.fetch(f"PRAGMA user_version = {SCHEMA_VERSION}")
        return SCHEMA_VERSION

    async def _header(self, connection: aiosqlite.Connection) -> tuple[int, int, int]:
        application = await self._ask(connection, "PRAGMA application_id", ())
        version = await self._ask(connection, "PRAGMA user_version", ())
        tables = await self._ask(connection, "SELECT count(*) FROM sqlite_master", ())
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


def _prepare(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its -wal and -shm files the rights of the main file.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StoreError(f"the data directory {path.parent} cannot be used: {error.strerror}") from error


async def _close(connections: Iterable[aiosqlite.Connection]) -> None:
    for connection in connections:
        await connection.close()


async def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Await ``work`` to its end even if this task is cancelled meanwhile; the cancellation is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()
        raise cancelled
    task.result()
