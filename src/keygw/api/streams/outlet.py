"""The way out of one stream: an event leaves at once where it can, else it waits, bounded and coalescing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from keygw.api.streams.line import Line
from keygw.bridge.fault import describe
from keygw.bridge.gate import EventGate
from keygw.events.backlog import Backlog, Lost
from keygw.events.event import Event

log = structlog.get_logger(__name__)

QUEUE = 256
"""Events that wait for one stream, at most."""
WINDOW = 256
"""Events under way that a client which acknowledges has not acknowledged, at most."""
STALL_SECONDS = 30.0
"""For what waits to begin to leave."""
SLOW = "slow_consumer"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Of one vehicle. ``None``: everything. ``paths``: signals, or branches of them."""

    paths: tuple[str, ...] | None = None
    types: frozenset[str] | None = None

    def path(self, path: str) -> bool:
        return self.paths is None or any(path == each or path.startswith(f"{each}.") for each in self.paths)

    def event(self, event: Event) -> bool:
        if self.types is not None and event.type not in self.types:
            return False
        return self.paths is None or not event.type.startswith("keygw.signal.") or self.path(event.data["path"])


class Teller(Protocol):
    """What turns events into frames, for one protocol."""

    def frame(self, event: Event, /) -> bytes: ...


class Outlet:
    """An ``Ear`` of the hub. ``wanted``: by vehicle, and changed from outside. ``gate`` decides, and may be replaced.

    ``alive`` raises once the token is no good. ``after``: told in the background of each event that has left, and may
    take its time; nothing leaves meanwhile. ``on_lost``: of what gave way. ``end``: the stream is over, and why.
    """

    def __init__(
        self,
        line: Line,
        teller: Teller,
        gate: EventGate,
        wanted: Mapping[str, Wanted],
        *,
        alive: Callable[[], bool],
        end: Callable[[str], None],
        on_lost: Callable[[Lost], Awaitable[None]],
        on_rights: Callable[[str], Awaitable[None]],
        here: str,
        window: bool = False,
        queue: int = QUEUE,
    ) -> None:
        self.gate = gate
        self.seen = here
        """With what the client would come back: the last that has left."""
        self._line = line
        self._teller = teller
        self._wanted = wanted
        self._alive = alive
        self._end = end
        self._on_lost = on_lost
        self._on_rights = on_rights
        self._backlog = Backlog(queue)
        self._under_way: dict[str, list[int]] | None = {} if window else None
        self._flying = 0
        self._snapshots: dict[str, int] = {}
        self._held = 0
        self._task: asyncio.Task[None] | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._closed = False
        line.on_free(self._go)

    @property
    def waiting(self) -> int:
        return len(self._backlog)

    def hear(self, event: Event) -> None:
        wanted = self._wanted.get(event.subject or "")
        if self._closed or wanted is None or not wanted.event(event) or not self.gate.wanted(event):
            return
        if not self._backlog and self._task is None and self._room():
            allowed = self.gate.decided(event)
            if allowed is not None:
                if allowed and self._alive():
                    self._leave(event)
                return
        if not self._backlog.push(event):
            self._over(SLOW)
            return
        self._go()

    def end(self) -> None:
        """The server stops."""
        self._over("gateway_stopping")

    def hold(self) -> None:
        """Let what is heard wait: a snapshot or what was missed comes first. ``let_go`` as often as ``hold``."""
        self._held += 1

    def let_go(self) -> None:
        self._held -= 1
        self._go()

    def snapshot(self, vehicle_id: str, place: int) -> None:
        """It has been told how that vehicle is: states up to there are no news."""
        self._snapshots[vehicle_id] = place

    def acknowledged(self, vehicle_id: str, place: int) -> None:
        flying = (self._under_way or {}).get(vehicle_id)
        if flying is None:
            return
        left = [each for each in flying if each > place]
        self._flying -= len(flying) - len(left)
        if self._under_way is not None:
            self._under_way[vehicle_id] = left
        self._go()

    def close(self) -> None:
        self._closed = True
        self._backlog.clear()
        if self._stall is not None:
            self._stall.cancel()
        if self._task is not None:
            self._task.cancel()

    async def closed(self) -> None:
        """Everything that was begun has ended."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _room(self) -> bool:
        return not self._held and self._line.free and (self._under_way is None or self._flying < WINDOW)

    def _leave(self, event: Event) -> None:
        if event.coalesce is not None and event.place <= self._snapshots.get(event.subject or "", 0):
            return
        self._line.write(self._teller.frame(event))
        self.seen = event.id
        if self._under_way is not None and event.subject is not None and event.place:
            self._under_way.setdefault(event.subject, []).append(event.place)
            self._flying += 1

    def _go(self) -> None:
        """There may be room for what waits."""
        if self._closed or not self._backlog:
            return
        if self._room():
            if self._stall is not None:
                self._stall.cancel()
                self._stall = None
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._drain(), name="stream")
        elif self._stall is None and not self._held:
            self._stall = asyncio.get_running_loop().call_later(STALL_SECONDS, self._over, SLOW)

    async def _drain(self) -> None:
        try:
            while self._room() and not self._closed:
                if lost := self._backlog.lost():
                    await self._on_lost(lost)
                    continue
                event = self._backlog.pop()
                if event is None:
                    break
                new_rights = self.gate.decided(event) is None
                if await self.gate.allows(event) and self._alive() and not self._closed:
                    self._leave(event)
                if new_rights and event.subject is not None and not self._closed:
                    await self._on_rights(event.subject)
        except Exception as error:  # the event is not lost: the client comes back with the id before it
            log.error("stream_broke", **describe(error))
            self._over("internal")
        finally:
            self._task = None
            if not self._closed:
                self._go()

    def _over(self, why: str) -> None:
        if not self._closed:
            self._closed = True
            self._end(why)
