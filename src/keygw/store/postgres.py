"""PostgreSQL in place of the file: the same stores, on one database that several gateways share.

One writer at a time in the whole deployment: a group of works (``store.group``) is one transaction under one advisory
lock, so a work sees a serial world here too. Readers have connections of their own and see what is committed.

A group whose connection ended before it was committed runs again, for a while: PostgreSQL restarts in less. What is
acknowledged was committed, and what is reported as failed was not (``postgres_door`` says how that is known).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from keygw.model.errors import StoreError
from keygw.store.group import Fetch, Job, Row, Transaction, Work, finish, run_group
from keygw.store.grouped import Grouped
from keygw.store.migrations import REVISIONS, VERSION_TABLE
from keygw.store.postgres_door import CONNECT_SECONDS, PAUSE_SECONDS, RETRY_SECONDS, Link, PostgresDoor
from keygw.store.postgres_ears import PostgresEars
from keygw.store.postgres_errors import ConnectionLost
from keygw.store.schema import SCHEMA_VERSION

OLDEST_SERVER = 13
"""Older ones get no security fixes any more."""


class PostgresDatabase(Grouped):
    """``store.group.Storage``: ``connect``, ``bring_up``, ``close``."""

    def __init__(self, url: str) -> None:
        super().__init__(shown(url), self._run)
        self._link = Link(url, self.name)
        self._door = PostgresDoor(self._link)
        self._readers: Any = None  # asyncpg's pool, once it is open
        self._ears: PostgresEars | None = None

    @classmethod
    async def connect(cls, url: str) -> PostgresDatabase:
        """Look whether it can be used at all; nothing is changed yet, and ``bring_up`` has to follow.

        ``StoreError``: store_busy (retryable), store_too_new, store_unavailable.
        """
        database = cls(url)
        try:
            await _check_server(database._door.fetch_outside, database.name)
            await schema_version(database._door.fetch_outside, database.name)
        except BaseException:
            await finish(database._shut())
            raise
        return database

    async def is_empty(self) -> bool:
        """Whether no keygw has ever used it."""
        return (await schema_version(self._door.fetch_outside, self.name))[0] == 0

    async def bring_up(self) -> None:
        """Bring the schema up to this release. The errors of ``connect``."""
        version, stamped = await schema_version(self._door.fetch_outside, self.name)
        while version < SCHEMA_VERSION:
            # Ready before the lock is taken: Alembic takes a while to load, and other gateways may wait for the lock.
            statements = await asyncio.to_thread(_plan, version, stamped)
            version, stamped = await self.write(self._migration(version, statements))
        self._door.marks = True
        self._readers = await self._link.pool()

    async def close(self) -> None:
        """Wait for the writes that were begun, refuse those that follow, close. The second time nothing happens."""
        self._closed = True
        await finish(self._shut())

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        """Ask one question of the committed state. A lost connection is replaced: asking twice does no harm."""
        values = tuple(parameters)

        async def ask() -> list[Row]:
            self._check_open()
            async with self._readers.acquire(timeout=CONNECT_SECONDS) as connection:
                return [tuple(row) for row in await connection.fetch(self._link.words(sql), *values)]

        return await self._link.patiently(ask)

    def __repr__(self) -> str:
        return f"PostgresDatabase({self.name})"

    def listen(self, hear: Callable[[str | None], None]) -> None:
        """Hand on what other gateways announce, until it is closed; ``None``: something may have been missed."""
        self._ears = PostgresEars(self._link, lambda: self._door.pid, hear)

    async def _run(self, jobs: Sequence[Job[Any]]) -> None:
        await finish(self._commit(jobs))

    async def _commit(self, jobs: Sequence[Job[Any]]) -> None:
        clock = asyncio.get_running_loop().time
        until = clock() + RETRY_SECONDS
        while True:
            await run_group(self._door, jobs)
            # It befalls a group whole, and says that nothing of it is committed.
            if not isinstance(jobs[0].error, ConnectionLost) or clock() > until:
                return
            await asyncio.sleep(PAUSE_SECONDS)

    def _migration(self, seen: int, statements: Sequence[str]) -> Work[tuple[int, bool]]:
        async def work(tx: Transaction) -> tuple[int, bool]:
            # Looked at again, now that nobody else can write: another process may have been quicker.
            found = await schema_version(tx.fetch, self.name)
            if found[0] != seen:
                return found
            for statement in statements:
                await tx.fetch(statement)
            return SCHEMA_VERSION, True

        return work

    async def _shut(self) -> None:
        if self._ears is not None:
            await self._ears.close()
        await self._groups.idle()
        await self._door.leave()
        readers, self._readers = self._readers, None
        if readers is not None:
            try:
                await asyncio.wait_for(readers.close(), CONNECT_SECONDS)
            except TimeoutError:
                readers.terminate()


def shown(url: str) -> str:
    """The address without password and options, as logs and errors may tell it."""
    try:
        parts = urlsplit(url)
        where = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[-1]
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the PostgreSQL database"
    return f"the PostgreSQL database {parts.path.lstrip('/') or 'of the user'} on {where}{port}"


async def _check_server(fetch: Fetch, name: str) -> None:
    rows = await fetch("SELECT current_setting('server_version_num')::integer, current_setting('server_encoding')")
    version, encoding = rows[0]
    if version < OLDEST_SERVER * 10_000:
        raise StoreError(f"{name} is served by PostgreSQL {version // 10_000}; it takes {OLDEST_SERVER} or newer")
    if encoding != "UTF8":
        raise StoreError(f"{name} is encoded in {encoding}: create one with ENCODING 'UTF8'")


async def schema_version(fetch: Fetch, name: str) -> tuple[int, bool]:
    """The schema version to start from, and whether the version table is there."""
    rows = await fetch("SELECT to_regclass(?)::text IS NOT NULL", (VERSION_TABLE,))
    if not rows[0][0]:
        rows = await fetch("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()")
        if rows[0][0]:
            raise StoreError(f"{name} holds tables of another program: give the gateway one of its own")
        return 0, False
    stamp = (await fetch(f"SELECT version_num FROM {VERSION_TABLE}"))[0][0]  # noqa: S608 - our own name
    if stamp not in REVISIONS:
        raise StoreError(
            f"{name} was written by a newer release (schema {stamp}, this one knows {REVISIONS[-1]}): "
            "install that release again, or restore a backup",
            code="store_too_new",
        )
    return REVISIONS.index(stamp) + 1, True


def _plan(version: int, stamped: bool) -> list[str]:
    # A start that has nothing to migrate does without Alembic, which is slow to load.
    from keygw.store.migrations.plan import plan  # noqa: PLC0415

    return plan("postgresql", version, stamped=stamped)
