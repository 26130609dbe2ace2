"""Backups of the PostgreSQL database, also while gateways write to it, and a filled database from one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from keygw.model.errors import StoreError
from keygw.store.backup.sqlite import not_empty
from keygw.store.backup.tables import BATCH, Dialect, Table, in_order
from keygw.store.errors import Duplicate
from keygw.store.group import Row
from keygw.store.migrations import VERSION_TABLE
from keygw.store.postgres import schema_version, shown
from keygw.store.postgres_door import Connection, Link
from keygw.store.postgres_errors import store_error
from keygw.store.schema import APPLICATION_ID

_COLUMNS = """
    SELECT table_name::text, column_name::text FROM information_schema.columns
    WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position
"""
_REFERENCES = """
    SELECT c.conrelid::regclass::text, a.attname::text, c.confrelid::regclass::text, b.attname::text
    FROM pg_constraint c
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = c.confkey[1]
    WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace
"""
_COUNTED = """
    SELECT table_name::text, column_name::text FROM information_schema.columns
    WHERE table_schema = current_schema() AND is_identity = 'YES'
"""


class _Session:
    """One connection with one transaction."""

    def __init__(self, url: str) -> None:
        self.name = shown(url)
        self._link = Link(url, self.name)
        self._connection: Connection = None

    async def _begin(self, statement: str) -> None:
        self._connection = await self._link.connect()
        await self._execute(statement)

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        try:
            return [tuple(row) for row in await self._connection.fetch(self._link.words(sql), *parameters)]
        except Exception as error:
            raise self._told(error) from error

    async def _execute(self, script: str) -> None:
        try:
            await self._connection.execute(script)
        except Exception as error:
            raise self._told(error) from error

    def _told(self, error: Exception) -> Exception:
        told = store_error(error, self.name)
        if isinstance(told, Duplicate):
            return StoreError(f"the rows do not fit together: {told}", code="backup_damaged")
        if isinstance(error, asyncpg.DataError):
            return StoreError("a row does not fit its table", code="backup_damaged")
        return told or error

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # What was not committed is rolled back by that.
            connection.terminate()


class PostgresSource(_Session):
    """``Source``: a REPEATABLE READ transaction that only reads. It holds up no writer."""

    kind: Dialect = "postgresql"
    version = 0

    @classmethod
    async def open(cls, url: str) -> PostgresSource:
        """``StoreError``: database_missing, store_too_new, store_busy (retryable), store_unavailable."""
        source = cls(url)
        try:
            await source._begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            source.version, _ = await schema_version(source.fetch, source.name)
            if not source.version:
                raise StoreError(f"{source.name} is empty", code="database_missing")
        except BaseException:
            await source.close()
            raise
        return source

    async def tables(self) -> list[Table]:
        columns: dict[str, list[str]] = {}
        for table, column in await self.fetch(_COLUMNS):
            columns.setdefault(table, []).append(column)
        references: dict[str, list[tuple[str, str, str]]] = {}
        for table, column, other, there in await self.fetch(_REFERENCES):
            references.setdefault(table, []).append((column, other, there))
        return in_order(
            Table(name, tuple(found), tuple(references.get(name, ())))
            for name, found in columns.items()
            if name != VERSION_TABLE
        )

    async def rows(self, table: Table) -> AsyncIterator[list[Row]]:
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name}"  # noqa: S608 - names from the schema
        try:
            cursor = await self._connection.cursor(sql)
            while batch := await cursor.fetch(BATCH):
                yield [tuple(row) for row in batch]
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise self._told(error) from error

    async def faults(self) -> list[str]:
        return []  # pages and indices are checked by pg_amcheck; what is read here is checked row by row

    async def close(self) -> None:
        await self._leave()


class PostgresTarget(_Session):
    """``Target``: one transaction under the one writer's lock, in a database that exists and is empty."""

    dialect: Dialect = "postgresql"

    async def create(self, statements: Sequence[str]) -> None:
        """``StoreError`` restore_not_empty if there is anything in it."""
        await self._begin(f"BEGIN; SELECT pg_advisory_xact_lock({APPLICATION_ID})")
        if (await schema_version(self.fetch, self.name))[0]:
            raise not_empty(self.name)
        for statement in statements:
            await self._execute(statement)

    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        marks = ", ".join(f"${number + 1}" for number in range(len(columns)))
        try:
            await self._connection.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",  # noqa: S608 - checked names
                rows,
            )
        except Exception as error:
            raise self._told(error) from error

    async def finish(self, version: int) -> None:
        for table, column in await self.fetch(_COUNTED):
            # Positions are given by the database: it goes on after the last.
            await self.fetch(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{column}'), "  # noqa: S608 - names from the schema
                f"(SELECT coalesce(max({column}), 0) + 1 FROM {table}), false)"
            )
        await self._execute("COMMIT")
        await self._leave()

    async def abandon(self) -> None:
        await self._leave()
