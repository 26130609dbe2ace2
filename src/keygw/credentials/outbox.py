"""Events to the process's own listeners, each at least once: what a crash kept from being told is told at the start.

An event is a row before it is told (``Journal.tell``), so nothing that was committed goes untold; how far a process has
told is written down now and then, so after a crash some events may be told again, under the same event id.

Where several gateways share the database each tells all of them, its own and the others', in the order of their ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import structlog

from keygw.credentials.outbox_ports import Told
from keygw.credentials.ports import CredentialStore
from keygw.credentials.values import DAY, Notify
from keygw.model.errors import StoreError

log = structlog.get_logger(__name__)

KEEP_SECONDS = 7 * DAY
KEEP_EVENTS = 100_000
AGAIN_SECONDS = 1.0
"""Until a database that did not answer is asked again."""
MOST_TOLD_AGAIN = 1000
"""At a start. Listeners that have missed more than that hear of a gap, and look for themselves."""


class Outbox:
    """A ``Notify`` in front of another. ``consumer``: the name under which this process remembers how far it is."""

    def __init__(
        self, store: CredentialStore, notify: Notify, clock: Callable[[], float], consumer: str = "hub"
    ) -> None:
        self._store = store
        self._notify = notify
        self._clock = clock
        self._consumer = consumer
        self.begins_at: str | None = None
        """The id of the newest event by the end of ``catch_up``; ``None``: there was none."""
        self._position = 0
        self._newest = 0
        self._settled: int | None = None
        self._reading: asyncio.Task[None] | None = None

    def __call__(self, event_type: str, data: dict[str, Any], event_id: str, /) -> None:
        number = _number(event_id)
        if number == self._position + 1:
            self._position = number
            self._notify(event_type, data, event_id)
        elif number > self._position:  # another gateway's come first
            self.hear(number)

    def hear(self, newest: int) -> None:
        """There are events up to that one, of other gateways: read and tell them."""
        self._newest = max(self._newest, newest)
        if self._newest > self._position and self._reading is None:
            self._reading = asyncio.get_running_loop().create_task(self._read(), name="outbox")

    def heard(self, newest: str) -> None:
        """As another gateway has announced it."""
        self.hear(int(newest))

    async def look(self) -> None:
        """Something may have been committed of which we have not heard."""
        self.hear((await self._store.outbox_bounds())[1])

    async def stop(self) -> None:
        """What was not told is told at the next start."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def catch_up(self) -> int:
        """Before anything new is told: tell what was committed and perhaps not told; how many events that was."""
        told = await self._store.outbox_cursor(self._consumer)
        _, newest = await self._store.outbox_bounds()
        count = 0
        if told is not None:
            after = max(told, newest - MOST_TOLD_AGAIN)
            for each in await self._store.outbox(after, MOST_TOLD_AGAIN, newest):
                self._tell(each)
                count += 1
        self._position = newest
        for last in await self._store.outbox(newest - 1, 1, newest):
            self.begins_at = last.event_id
        await self.settle()
        return count

    async def _read(self) -> None:
        try:
            while self._position < self._newest:
                page = await self._patiently(self._position)
                for told in page:
                    if told.id > self._position:  # else it was ours, and told meanwhile
                        self._position = told.id
                        self._tell(told)
                if not page:
                    self._newest = self._position  # dropped since, or a word of some other outbox
        finally:
            self._reading = None

    async def _patiently(self, after: int) -> list[Told]:
        while True:
            try:
                return list(await self._store.outbox(after, MOST_TOLD_AGAIN))
            except StoreError as error:
                log.warning("outbox_not_read", code=error.code)
            await asyncio.sleep(AGAIN_SECONDS)

    async def settle(self) -> None:
        """Write down how far this process has told; nothing if it is written already."""
        position = self._position
        if position == self._settled:
            return
        await self._store.write(lambda tx: tx.move_outbox_cursor(self._consumer, position))
        self._settled = position

    async def drop(self) -> int:
        """Forget what is older than a week, or more than is kept; how many events that was."""
        before = int(self._clock()) - KEEP_SECONDS
        return await self._store.write(lambda tx: tx.drop_outbox(before, KEEP_EVENTS))

    def _tell(self, told: Told) -> None:
        self._notify(told.event.type, dict(told.event.data), told.event_id)


def _number(event_id: str) -> int:
    return int(event_id.partition(".")[0])
