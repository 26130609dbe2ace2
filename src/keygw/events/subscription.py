"""One consumer's bounded, coalescing queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self

from keygw.events.backlog import Backlog
from keygw.events.event import Event

Filter = Callable[[Event], bool]
MakeGap = Callable[[str, int, int], Event]


class Subscription:
    """An async iterator of events that never holds more than ``limit`` of them.

    An event with a ``coalesce`` value replaces the waiting one with the same value. When the queue is full, the oldest
    coalescing event gives way and a gap event tells of it. An event that may not be dropped ends the subscription when
    there is no room: the last thing it yields is a gap, and the consumer comes back with the last id it has seen.
    """

    def __init__(self, wanted: Filter, make_gap: MakeGap, limit: int, on_close: Callable[[Subscription], None]) -> None:
        self._wanted = wanted
        self._make_gap = make_gap
        self._on_close = on_close
        self.missed: str | None = None
        """The position (``Event.id``) that its consumer comes back with, where the hub's memory does not reach."""
        self.through = ""
        """The newest recorded event's when it was opened: what is newer comes as an event."""
        self._backlog: deque[Event] = deque()
        self._pending = Backlog(limit)
        self._last_gap: Event | None = None
        self._closed = False
        self._wake = asyncio.Event()

    @property
    def closed(self) -> bool:
        return self._closed

    def preload(self, missed: list[Event]) -> None:
        """Put what a resuming consumer missed in front; not counted against ``limit``, as the ring is bounded."""
        self._backlog.extend(event for event in missed if self._wanted(event))

    def push(self, event: Event) -> None:
        """Queue an event. Never blocks, never raises for a slow consumer."""
        if self._closed or not self._wanted(event):
            return
        if self._pending.push(event):
            self._wake.set()
            return
        first = self._pending.oldest
        self._pending.clear()
        self._last_gap = self._make_gap("slow_consumer", first, event.sequence)
        self.close()

    async def next(self, timeout: float | None = None) -> Event | None:
        """The next event; ``None`` if none came within ``timeout`` seconds. ``StopAsyncIteration`` at the end."""
        while True:
            event = self._take()
            if event is not None:
                return event
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._wake.wait()
            except TimeoutError:
                return None

    def _take(self) -> Event | None:
        if self._backlog:
            return self._backlog.popleft()
        if lost := self._pending.lost().values():
            low, high = min(first.sequence for first, _ in lost), max(last.sequence for _, last in lost)
            return self._make_gap("coalesced", low, high)
        if (event := self._pending.pop()) is not None:
            return event
        gap, self._last_gap = self._last_gap, None
        return gap

    def close(self) -> None:
        """End it: what is queued is still delivered. May be called twice."""
        if not self._closed:
            self._closed = True
            self._on_close(self)
            self._wake.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self.next()
        assert event is not None  # noqa: S101 - without a timeout there is always one
        return event

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
