"""One connection that writes, and how connections to PostgreSQL are made.

A connection that ends before COMMIT was sent has committed nothing. One that ends during COMMIT leaves the question
open. So every transaction writes its number into a row of this process; the next connection takes the one lock, under
which the lost transaction must have ended, and looks whether the number is there. (``pg_xact_status`` would not do:
after a crash PostgreSQL may give the same number to another transaction.) Where there is no answer in time, the error
says ``may_have_happened``.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from keygw.model.errors import StoreError
from keygw.store.group import Fetch, Ledger, Row
from keygw.store.marks import WRITER
from keygw.store.placeholders import numbered
from keygw.store.postgres_errors import ConnectionLost, store_error
from keygw.store.schema import APPLICATION_ID

CONNECT_SECONDS = 5.0
LOCK_SECONDS = 10.0
"""How long a group waits for the other writers of the deployment."""
STATEMENT_SECONDS = 30.0
IDLE_SECONDS = 10.0
"""After this the server ends a transaction whose gateway is frozen or unreachable: others wait for its lock."""
RETRY_SECONDS = 20.0
"""How long a lost connection is tried again before the caller hears of it; longer than ``IDLE_SECONDS``."""
PAUSE_SECONDS = 0.05
CHANNEL = "keygw"
_MARK = (
    "INSERT INTO facts (name, value) VALUES ('{writer}', {number}) ON CONFLICT (name) DO UPDATE SET value = {number}"
)
_READERS = 8
_STATEMENTS = 512

T = TypeVar("T")
Connection = Any
"""asyncpg ships no types."""


class Link:
    """How connections are made, and how statements are said to them."""

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self._url = url
        self._words: dict[str, str] = {}
        self._options: dict[str, Any] = {
            "timeout": CONNECT_SECONDS,
            # The server's own limit comes first; this one is for a server that does not answer.
            "command_timeout": STATEMENT_SECONDS + CONNECT_SECONDS,
            "statement_cache_size": _STATEMENTS,
            "max_cached_statement_lifetime": 0,
        }
        self._settings = {
            "application_name": "keygw",
            "lock_timeout": f"{LOCK_SECONDS:.0f}s",
            "statement_timeout": f"{STATEMENT_SECONDS:.0f}s",
            "idle_in_transaction_session_timeout": f"{IDLE_SECONDS:.0f}s",
            "default_transaction_isolation": "read committed",
            "synchronous_commit": "on",
        }

    def words(self, sql: str) -> str:
        """The statement with PostgreSQL's placeholders; there are as many statements as there are in the code."""
        found = self._words.get(sql)
        if found is None:
            found = self._words[sql] = numbered(sql)
        return found

    async def connect(self) -> Connection:
        """``StoreError``; ``ConnectionLost`` (a kind of it) where trying again may help."""
        try:
            return await asyncpg.connect(self._url, server_settings=self._settings, **self._options)
        except Exception as error:
            self._check_url(error)
            raise store_error(error, self.name) or error from error

    async def listener(self, hear: Callable[..., None]) -> Connection:
        """One that hears what is announced: ``hear(connection, pid, channel, text)``. Errors as ``connect``."""
        connection = await self.connect()
        try:
            await connection.add_listener(CHANNEL, hear)
        except Exception as error:
            connection.terminate()
            raise store_error(error, self.name) or error from error
        return connection

    async def pool(self) -> Any:
        """Connections that only read. Errors as ``connect``."""
        settings = {**self._settings, "default_transaction_read_only": "on"}
        try:
            # Nothing here changes a session, so nothing has to be put back.
            return await asyncpg.create_pool(
                self._url, min_size=1, max_size=_READERS, reset=_nothing, server_settings=settings, **self._options
            )
        except Exception as error:
            raise store_error(error, self.name) or error from error

    async def patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """``ask()``, again while the connection gets lost, for ``RETRY_SECONDS``. Only for what may happen twice."""
        clock = asyncio.get_running_loop().time
        until = clock() + RETRY_SECONDS
        while True:
            try:
                return await ask()
            except Exception as error:
                told = error if isinstance(error, StoreError) else store_error(error, self.name)
                if not isinstance(told, ConnectionLost) or clock() > until:
                    raise told or error from error
            await asyncio.sleep(PAUSE_SECONDS)

    def _check_url(self, error: Exception) -> None:
        # What asyncpg says of a bad address may repeat the address, password and all.
        if isinstance(error, ValueError):
            raise StoreError(
                "the database's address cannot be read: write postgresql://USER@HOST:PORT/NAME, with everything "
                "unusual in it percent-encoded"
            ) from None


class PostgresDoor:
    """``store.group.Door``: the one writing connection of this process, made anew when it was lost."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._connection: Connection | None = None
        self._writer = f"{WRITER}{secrets.token_hex(8)}"
        self._number = 0
        self.announcer: Ledger | None = announce
        self.marks = False
        """Whether there is a table for the number yet. Without it a lost commit is run again, so it must bear that."""

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        try:
            return [tuple(row) for row in await self._raw().fetch(self._link.words(sql), *parameters)]
        except Exception as error:
            raise self._heard(error) from error

    async def _execute(self, script: str) -> None:
        try:
            await self._raw().execute(script)
        except Exception as error:
            raise self._heard(error) from error

    def _raw(self) -> Connection:
        if self._connection is None:
            raise ConnectionLost(f"the connection to {self._link.name} was lost: try again")
        return self._connection

    def _heard(self, error: Exception) -> Exception:
        told = error if isinstance(error, StoreError) else store_error(error, self._link.name)
        if isinstance(told, ConnectionLost):
            self._drop()
        return told or error

    async def fetch_outside(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        """Outside of any transaction; connects first if need be."""
        await self._connected()
        return await self.fetch(sql, parameters)

    async def begin(self) -> None:
        """Returns as the only writer of the deployment."""
        self._number += 1
        await self._begin(_MARK.format(writer=self._writer, number=self._number) if self.marks else "")

    async def _begin(self, mark: str) -> None:
        await self._connected()
        try:
            # One trip to the server; each of the statements still sees what was committed before it.
            await self._execute(f"BEGIN; SELECT pg_advisory_xact_lock({APPLICATION_ID}); {mark}")
        except BaseException:
            await self.rollback()
            raise

    async def commit(self) -> None:
        try:
            said = await self._raw().execute("COMMIT")
        except Exception:
            # Anything may have become of it: an error of the server, too, may have come after the commit was written.
            self._drop()
            await self._settle()
        else:
            if said != "COMMIT":
                raise StoreError(f"{self._link.name} rolled back instead of committing", retryable=True)

    async def rollback(self) -> None:
        connection = self._connection
        if connection is None or connection.is_closed() or not connection.is_in_transaction():
            return
        try:
            await connection.execute("ROLLBACK")
        except Exception:
            # A connection that cannot even do this is given up, and the server rolls back.
            self._drop()

    @property
    def pid(self) -> int | None:
        """The server's process that serves this connection, by which it names who announces."""
        return None if self._connection is None else int(self._connection.get_server_pid())

    async def leave(self) -> None:
        """Take the row of this process away, and go. Raises nothing."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it is of no more use, whatever it says to its end
                if self.marks:
                    await connection.execute(f"DELETE FROM facts WHERE name = '{self._writer}'")  # noqa: S608 - our own
                await connection.close(timeout=CONNECT_SECONDS)

    async def _connected(self) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._link.connect()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def _settle(self) -> None:
        """Return if the transaction whose COMMIT went unanswered is committed; ``ConnectionLost`` if it is not."""
        lost = ConnectionLost(f"the connection to {self._link.name} was lost before the commit: try again")
        if not self.marks:
            raise lost

        async def ask() -> bool:
            try:
                await self._begin("")
                found = await self.fetch("SELECT value FROM facts WHERE name = ?", (self._writer,))
            except StoreError as error:
                # Its server process may not have noticed yet, or be still at it, and holds the lock.
                raise ConnectionLost if error.retryable else error from error
            await self.rollback()
            return bool(found) and found[0][0] == self._number

        try:
            committed = await self._link.patiently(ask)
        except Exception as error:
            raise self._unknown() from error
        if not committed:
            raise lost

    def _unknown(self) -> StoreError:
        return StoreError(
            f"the connection to {self._link.name} was lost during a commit, and whether it stands could not be found "
            "out: look before you repeat what you asked for",
            may_have_happened=True,
        )


async def announce(fetch: Fetch, items: Sequence[Callable[[], str]]) -> None:
    """``store.group.Ledger``: PostgreSQL tells those who listen when the transaction is committed."""
    texts = list(dict.fromkeys(item() for item in items))
    await fetch("SELECT pg_notify(?, text) FROM unnest(?::text[]) AS text", (CHANNEL, texts))


async def _nothing(connection: Connection) -> None:
    """What is done to a reader that goes back to the others."""
