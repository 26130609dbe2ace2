"""Events to the process's own listeners, each at least once: what a crash kept from being told is told at the start.

An event is a row before it is told (``Journal.tell``), so nothing that was committed goes untold; how far a process has
told is written down now and then, so after a crash some events may be told again, under the same event id.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keygw.credentials.outbox_ports import Told
from keygw.credentials.ports import CredentialStore
from keygw.credentials.values import DAY, Notify

KEEP_SECONDS = 7 * DAY
KEEP_EVENTS = 100_000
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
        self._position = 0
        self._settled: int | None = None

    def __call__(self, event_type: str, data: dict[str, Any], event_id: str, /) -> None:
        self._notify(event_type, data, event_id)
        self._position = max(self._position, int(event_id.partition(".")[0]))

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
        await self.settle()
        return count

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
