"""SQLite without a thread, for simulated worlds and tests alone: ``keygw serve`` never uses it.

A world whose clock jumps cannot wait for a thread of the real one, and ``store.database`` has one for each connection.
Here every statement runs at once in the event loop, and holds it meanwhile. All else is the same: group commit with the
same rules, the same errors, the same schema; and the same contract suites hold it to that. It is durable only as far
as its file is, which is not synced; a world keeps an ``image`` instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from keygw.store.errors import store_error
from keygw.store.group import Door, Job, Row, run_group
from keygw.store.grouped import OneGateway
from keygw.store.sqlite_door import SqliteDoor, bring_up, drive, look

IN_MEMORY = Path(":memory:")
_STATEMENTS = 256

Through = Callable[[Door], Door]
"""Puts a door of one's own before the one to a transaction: it sees every statement, and may fail any."""


def _plainly(door: Door) -> Door:
    return door


class InlineDatabase(OneGateway):
    """``store.group.Storage``. ``open`` it, or ``restore`` it from an image; ``close`` it."""

    def __init__(self, connection: sqlite3.Connection, path: Path, through: Through = _plainly) -> None:
        super().__init__(str(path), self._run)
        self.path = path
        self._connection = connection
        self._through = through

    @classmethod
    async def open(cls, path: Path = IN_MEMORY, through: Through = _plainly) -> InlineDatabase:
        """Create the file if need be, and bring the schema up to this release. The errors of ``Database.open``."""
        if path != IN_MEMORY:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return await cls._opened(_connect(path), path, through)

    @classmethod
    async def restore(cls, image: bytes, through: Through = _plainly) -> InlineDatabase:
        """What ``image`` held, in memory."""
        connection = _connect(IN_MEMORY)
        connection.deserialize(image)
        return await cls._opened(connection, IN_MEMORY, through)

    @classmethod
    async def _opened(cls, connection: sqlite3.Connection, path: Path, through: Through) -> InlineDatabase:
        database = cls(connection, path, through)
        try:
            version = await look(database, path)
            for pragma in ("synchronous = OFF", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
            await bring_up(database, path, version)
        except BaseException:
            connection.close()
            raise
        return database

    def image(self) -> bytes:
        """All that is committed at this moment, as ``restore`` takes it: what a disk holds when its machine dies."""
        if self._connection.in_transaction:
            self._connection.rollback()
        return self._connection.serialize()

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        """Ask one question. A group runs without a pause, so this sees none that is not committed."""
        self._check_open()
        try:
            return self._connection.execute(sql, tuple(parameters)).fetchall()
        except sqlite3.Error as error:
            raise store_error(error, self.path) or error from error

    async def close(self) -> None:
        """Wait for the writes that were begun, refuse those that follow, close. The second time nothing happens."""
        self._closed = True
        await self._groups.idle()
        self._connection.close()

    async def _run(self, jobs: Sequence[Job[Any]]) -> None:
        drive(run_group(self._through(SqliteDoor(self._connection, self.path)), jobs))


def _connect(path: Path) -> sqlite3.Connection:
    try:
        return sqlite3.connect(path, isolation_level=None, cached_statements=_STATEMENTS)
    except sqlite3.Error as error:
        raise store_error(error, path) or error from error
