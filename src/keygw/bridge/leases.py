"""The vehicles whose links are this gateway's, as long as it lives; and the estate of gateways that died.

Alone on its database (SQLite) a gateway takes each vehicle once and keeps it. Among several, it gives back what it has
no more use for, beats so that the others see it live, and watches how they beat.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from keygw.bridge.fault import describe
from keygw.bridge.lease_ports import Lease, LeaseStore
from keygw.model.errors import Conflict, LinkError
from keygw.model.ids import Random, new_id

log = structlog.get_logger(__name__)

MOST_GIVEN_BACK = 64
"""In one beat, so that the next one is not late."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """Seconds. ``beat``: from one sign of life to the next; ``death``: without one, a gateway is taken for dead."""

    beat: float = 1.0
    death: float = 6.0


class HeldElsewhere(LinkError):
    """Another gateway has this vehicle's link. It has been told."""

    code = "held_elsewhere"

    def __init__(self) -> None:
        super().__init__("another gateway of this deployment has the link to this vehicle: it was told, look again")


def lease_lost() -> Conflict:
    return Conflict("another gateway has taken this vehicle over", code="lease_lost", may_have_happened=True)


class Leases:
    """``sole``: no other gateway can be on this database, so whoever is in its books is dead. ``clock``: seconds that
    only go forward.

    ``on_taken`` is awaited with each vehicle that became ours, ``on_lost`` with each that is no longer; ``busy`` tells
    whether there is still something to do for one. The bridge sets all three before ``start``.
    """

    def __init__(
        self,
        store: LeaseStore,
        random: Random,
        *,
        sole: bool,
        pulse: Pulse | None,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._random = random
        self._sole = sole
        self._pulse = pulse or Pulse()
        self._clock = clock
        self.gateway_id = new_id("gwy", random)
        self.on_taken: Callable[[str], Awaitable[None]]
        self.on_lost: Callable[[str], Awaitable[None]]
        self.busy: Callable[[str], bool]
        self._held: dict[str, Lease] = {}
        self._users: Counter[str] = Counter()
        self._seen: dict[str, tuple[int, float]] = {}
        self._last = 0.0
        self._task: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Join; alone, take over what the last run has left, of which ``on_taken`` is not told."""
        await self._store.join(self.gateway_id)
        if self._sole:
            for other, count in (await self._store.beat(self.gateway_id) or {}).items():
                if other != self.gateway_id:
                    for lease in await self._store.bury(other, count, self.gateway_id):
                        self._held[lease.vehicle_id] = lease
            return
        self._last = self._clock()
        self._task = asyncio.get_running_loop().create_task(self._work(), name="leases")

    async def stop(self) -> None:
        """Give everything back. A database that does not answer is left to those who will bury us."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._held.clear()
        try:
            await self._store.leave(self.gateway_id)
        except Exception as error:
            log.warning("leases_not_given_back", **describe(error))

    def of(self, vehicle_id: str) -> Lease | None:
        """Ours, if it is."""
        return self._held.get(vehicle_id)

    async def take(self, vehicle_id: str) -> bool:
        """Reach for it, and whether it is ours; ``on_taken`` is not told."""
        if vehicle_id not in self._held:
            lease = await self._store.take(vehicle_id, self.gateway_id)
            if lease.gateway_id == self.gateway_id:
                self._held[vehicle_id] = lease
        return vehicle_id in self._held

    async def ours(self, vehicle_id: str) -> bool:
        """Whether it is ours by the books: the word of the database may have been lost on its way."""
        if vehicle_id not in self._held:
            lease = await self._store.lease(vehicle_id)
            if lease is not None:
                self.note(lease)
        return vehicle_id in self._held

    def held(self) -> list[str]:
        """The vehicles that are ours."""
        return list(self._held)

    def note(self, lease: Lease) -> bool:
        """What the database has just said of a lease; whether it is ours."""
        ours = lease.gateway_id == self.gateway_id
        before = self._held.get(lease.vehicle_id)
        if ours and (before is None or before.fence < lease.fence):
            self._held[lease.vehicle_id] = lease
            self._later(self.on_taken(lease.vehicle_id))
        elif not ours and before is not None:
            self._lose(lease.vehicle_id)
        return ours

    @asynccontextmanager
    async def holding(self, vehicle_id: str) -> AsyncIterator[None]:
        """The vehicle is ours in here. ``HeldElsewhere`` if it is another's."""
        self._users[vehicle_id] += 1
        try:
            if vehicle_id not in self._held and not self.note(await self._store.take(vehicle_id, self.gateway_id)):
                raise HeldElsewhere
            yield
        finally:
            self._users[vehicle_id] -= 1
            if not self._users[vehicle_id]:
                del self._users[vehicle_id]

    async def _work(self) -> None:
        while True:
            await asyncio.sleep(self._pulse.beat)
            try:
                await self.round()
            except Exception as error:  # a database that is busy now is not so for ever
                log.error("beat_missed", **describe(error))

    async def round(self) -> None:
        """One beat: show a sign of life, look at those of the others, give back what is done with."""
        counts = await self._store.beat(self.gateway_id)
        now, late = self._clock(), self._clock() - self._last > 2 * self._pulse.beat + self._pulse.death / 4
        self._last = now
        if counts is None:
            await self._begin_anew()
            return
        seen = {}
        for other, count in counts.items():
            before = self._seen.get(other)
            # Who was late itself cannot say how long the others have been silent.
            seen[other] = before if before is not None and before[0] == count and not late else (count, now)
        self._seen = seen
        for other, (count, since) in list(seen.items()):
            if other != self.gateway_id and now - since >= self._pulse.death:
                log.warning("gateway_died", gateway_id=other)
                await self._bury(other, count)
        given = 0
        for vehicle_id, lease in list(self._held.items()):
            if vehicle_id in self._users or self.busy(vehicle_id):
                continue
            if not await self._store.give_back(lease):
                self._later(self.on_taken(vehicle_id))  # a command is open of which we have not heard, or not in time
            elif self._held.get(vehicle_id) == lease:
                self._lose(vehicle_id)
                if vehicle_id in self._users or self.busy(vehicle_id):  # somebody came for it meanwhile
                    self.note(await self._store.take(vehicle_id, self.gateway_id))
            given += 1
            if given >= MOST_GIVEN_BACK:
                break

    async def _bury(self, gateway_id: str, count: int) -> None:
        for lease in await self._store.bury(gateway_id, count, self.gateway_id):
            self.note(lease)
        self._seen.pop(gateway_id, None)

    async def _begin_anew(self) -> None:
        """The others took us for dead, and have our vehicles."""
        log.warning("taken_for_dead", gateway_id=self.gateway_id)
        self.gateway_id = new_id("gwy", self._random)
        for vehicle_id in self.held():
            self._lose(vehicle_id)
        await self._store.join(self.gateway_id)

    def _lose(self, vehicle_id: str) -> None:
        del self._held[vehicle_id]
        self._later(self.on_lost(vehicle_id))

    def _later(self, what: Awaitable[None]) -> None:
        async def carefully() -> None:
            try:
                await what
            except Exception as error:
                log.error("lease_change_broke", **describe(error))

        task = asyncio.get_running_loop().create_task(carefully(), name="lease change")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
