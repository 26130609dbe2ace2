"""One SQLite file: opening, schema, reading, writing.

Two connections. The writer runs whole groups of works (``store.group``) on its own thread, inside
``BEGIN IMMEDIATE ... COMMIT``; the reader sees committed state only, so nothing is shown that could still be rolled
back. WAL with synchronous=FULL: a commit that returned is on the disk. Statements are prepared once.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import aiosqlite

from keygw.model.errors import StoreError
from keygw.store.errors import store_error
from keygw.store.group import Job, Row, finish, run_group
from keygw.store.grouped import OneGateway
from keygw.store.sqlite_door import SqliteDoor, bring_up, drive, look

BUSY_SECONDS = 2.0
_BUSY_PAUSE_SECONDS = 0.01
_STATEMENTS = 256


class _Writer(sqlite3.Connection):
    """The writing connection. Its ``commit`` runs and commits a whole group of works.

    That is aiosqlite's one public way to spend a single trip to its thread on more than one statement, and a trip costs
    more than most statements do.
    """

    def __init__(self, *args: Any, commit_group: Callable[[sqlite3.Connection], None], **options: Any) -> None:
        super().__init__(*args, **options)
        self._commit_group = commit_group

    def commit(self) -> None:
        self._commit_group(self)


class Database(OneGateway):
    """``store.group.Storage``: ``open`` it, ``close`` it."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path), self._run)
        self.path = path
        self._reader = aiosqlite.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=_STATEMENTS
        )
        self._writer = aiosqlite.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, cached_statements=_STATEMENTS, factory=self._connect
        )
        self._raw: _Writer | None = None

    @classmethod
    async def open(cls, path: Path) -> Database:
        """Create the file (0600) and its directory (0700) if need be, and bring the schema up to this release.

        ``StoreError``: store_busy (retryable, after about 2 s), store_too_new, store_unavailable.
        """
        await asyncio.to_thread(_prepare, path)
        database = cls(path)
        opened: list[aiosqlite.Connection] = []
        try:
            for connection in (database._reader, database._writer):
                opened.append(await connection)
            await database._start()
        except sqlite3.Error as error:
            await _close(opened)
            raise store_error(error, path) or error from error
        except BaseException:
            await finish(_close(opened))
            raise
        return database

    async def close(self) -> None:
        """Wait for the writes that were begun, refuse those that follow, close. The second time nothing happens."""
        self._closed = True
        await finish(self._shut())

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        """Ask one question of the committed state."""
        self._check_open()
        try:
            return list(await self._reader.execute_fetchall(sql, parameters))
        except sqlite3.Error as error:
            raise store_error(error, self.path) or error from error

    async def _run(self, jobs: Sequence[Job[Any]]) -> None:
        self._jobs = jobs
        await finish(self._writer.commit())

    def _connect(self, *args: Any, **options: Any) -> _Writer:
        return _Writer(*args, commit_group=self._commit_group, **options)

    def _commit_group(self, connection: sqlite3.Connection) -> None:
        drive(run_group(SqliteDoor(connection, self.path), self._jobs))

    async def _shut(self) -> None:
        await self._groups.idle()
        await _close([self._reader, self._writer])

    async def _start(self) -> None:
        # Look before touching: a foreign or newer file is left exactly as it is.
        version = await look(self, self.path)
        if await self._write_ahead() != "wal":
            raise StoreError(f"the file system of {self.path} does not allow write-ahead logging: choose a local disk")
        for pragma in ("synchronous = FULL", "fullfsync = ON", "foreign_keys = ON"):
            await self._writer.execute_fetchall(f"PRAGMA {pragma}")
        await self._reader.execute_fetchall("PRAGMA query_only = ON")
        await bring_up(self, self.path, version)

    async def _write_ahead(self) -> str:
        """SQLite does not wait where another process makes the same change, or has just made it: so we do."""
        clock = asyncio.get_running_loop().time
        until = clock() + BUSY_SECONDS
        while True:
            try:
                rows = list(await self._writer.execute_fetchall("PRAGMA journal_mode = WAL"))
                return str(rows[0][0])
            except sqlite3.OperationalError as error:
                refused = store_error(error, self.path)
                if refused is None or refused.code != "store_busy" or clock() > until:
                    raise
            await asyncio.sleep(_BUSY_PAUSE_SECONDS)


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
