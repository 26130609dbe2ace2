"""Backups of the SQLite file, also while a gateway writes to it, and a new file from one."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keygw.model.errors import StoreError
from keygw.store.backup.tables import BATCH, Dialect, Table, in_order
from keygw.store.errors import store_error
from keygw.store.group import Row
from keygw.store.migrations import VERSION_TABLE
from keygw.store.schema import APPLICATION_ID, SCHEMA_VERSION

BUSY_SECONDS = 10.0


class SqliteSource:
    """``Source``. It holds a read transaction, so write-ahead logging shows it one moment for as long as it takes."""

    kind: Dialect = "sqlite"

    def __init__(self, path: Path, connection: sqlite3.Connection, version: int) -> None:
        self.name = str(path)
        self.version = version
        self._path = path
        self._connection = connection

    @classmethod
    async def open(cls, path: Path) -> SqliteSource:
        """``StoreError``: database_missing, store_too_new, store_busy (retryable), store_unavailable."""
        with _told(path):
            _check_there(path)
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                connection.execute("PRAGMA query_only = ON")
                connection.execute("BEGIN")
                application = connection.execute("PRAGMA application_id").fetchone()[0]
                version = connection.execute("PRAGMA user_version").fetchone()[0]
                # A read transaction begins with the first look at the content.
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                if application != APPLICATION_ID:
                    raise StoreError(f"{path} is a database of another program")
                if version > SCHEMA_VERSION:
                    raise StoreError(f"{path} was written by a newer release: use that one", code="store_too_new")
            except BaseException:
                connection.close()
                raise
        return cls(path, connection, version)

    async def tables(self) -> list[Table]:
        names = await self.fetch("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        found = []
        for (name,) in names:
            if name == VERSION_TABLE:
                continue
            columns = await self.fetch("SELECT name FROM pragma_table_info(?) ORDER BY cid", (name,))
            keys = await self.fetch('SELECT "from", "table", "to" FROM pragma_foreign_key_list(?)', (name,))
            found.append(Table(name, tuple(row[0] for row in columns), tuple(tuple(row) for row in keys)))
        return in_order(found)

    async def rows(self, table: Table) -> AsyncIterator[list[Row]]:
        with _told(self._path):
            # In the order of their making, as far as the file still knows it: parents before children.
            cursor = self._connection.execute(f"SELECT {', '.join(table.columns)} FROM {table.name}")  # noqa: S608 - names from the schema
            while batch := cursor.fetchmany(BATCH):
                yield batch

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        with _told(self._path):
            return self._connection.execute(sql, tuple(parameters)).fetchall()

    async def faults(self) -> list[str]:
        found = [str(row[0]) for row in await self.fetch("PRAGMA integrity_check(20)")]
        return [] if found == ["ok"] else found

    async def close(self) -> None:
        self._connection.close()


class SqliteTarget:
    """``Target``: a draft beside the file, which gets its name when it is whole and on the disk."""

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self._connection: sqlite3.Connection | None = None

    async def create(self, statements: Sequence[str]) -> None:
        """``StoreError`` restore_not_empty if the file is there."""
        if self._path.exists():
            raise not_empty(str(self._path))
        with _told(self._path):
            os.close(os.open(self._draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            self._connection = sqlite3.connect(self._draft, isolation_level=None)
            for statement in ("PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON", "BEGIN IMMEDIATE", *statements):
                self._connection.execute(statement)

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        marks = ", ".join("?" * len(columns))
        with _told(self._path):
            self._open().executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608 - checked names

    async def finish(self, version: int) -> None:
        with _told(self._path):
            connection = self._open()
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
            connection.close()
            self._connection = None
            try:
                os.link(self._draft, self._path)
            except FileExistsError:
                raise not_empty(str(self._path)) from None
            self._draft.unlink()
            sync_directory(self._path.parent)

    async def abandon(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for path in (self._draft, self._draft.with_name(f"{self._draft.name}-journal")):
            path.unlink(missing_ok=True)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("create() comes first")
        return self._connection


def _check_there(path: Path) -> None:
    if not path.exists() or not path.stat().st_size:
        raise StoreError(f"there is no database {path}", code="database_missing")


def not_empty(name: str) -> StoreError:
    return StoreError(f"{name} is not empty: restore into a new place, or move it away first", code="restore_not_empty")


def sync_directory(path: Path) -> None:
    """Make the names in it as durable as the files. Windows has no way to, and no need."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise StoreError(f"the rows do not fit together: {error}", code="backup_damaged") from error
    except sqlite3.Error as error:
        raise store_error(error, path) or error from error
    except OSError as error:
        raise StoreError(f"{path} cannot be used: {error.strerror}") from error
