"""Hears what other gateways on the same PostgreSQL announce (LISTEN), and says when it may have missed something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from keygw.model.errors import StoreError
from keygw.store.postgres_door import CONNECT_SECONDS, Connection, Link

log = structlog.get_logger(__name__)

AGAIN_SECONDS = 0.5
"""Between two attempts to connect."""
SILENT_SECONDS = 15.0
"""So often it asks whether the connection still stands: who is cut off hears nothing, not even of that."""


class PostgresEars:
    """``own``: the server's process that writes for this gateway; what that announces is no news."""

    def __init__(self, link: Link, own: Callable[[], int | None], hear: Callable[[str | None], None]) -> None:
        self._link = link
        self._own = own
        self._hear = hear
        self._task = asyncio.get_running_loop().create_task(self._work(), name="announcements")

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            try:
                await self._listen()
            except StoreError as error:
                log.warning("announcements_not_heard", code=error.code)
            except Exception as error:  # asyncpg has many; whichever it is, the next connection may be better
                log.warning("announcements_not_heard", error=type(error).__name__)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _listen(self) -> None:
        """Until the connection is lost."""
        lost = asyncio.Event()
        connection = await self._link.listener(self._heard)
        try:
            connection.add_termination_listener(lambda _: lost.set())
            self._hear(None)
            while not lost.is_set():
                try:
                    async with asyncio.timeout(SILENT_SECONDS):
                        await lost.wait()
                except TimeoutError:
                    await connection.execute("SELECT 1", timeout=CONNECT_SECONDS)
        finally:
            await _end(connection)

    def _heard(self, _: Connection, pid: int, __: str, text: str) -> None:
        if pid != self._own():
            self._hear(text)


async def _end(connection: Connection) -> None:
    with suppress(Exception):  # it is of no more use, whatever it says to its end
        await connection.close(timeout=CONNECT_SECONDS)
