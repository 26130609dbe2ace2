"""Listens all the time, and tells which of our vehicles come and go."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from keygw.model.errors import KeygwError
from keygw.model.vehicle import Vehicle
from keygw.session.identity import recognises
from keygw.vehicle.ports import Sighting
from keygw.vehicle.presence import Presence, Told
from keygw.vehicle.values import LinkStatus

log = structlog.get_logger(__name__)

ROUND_S = 1.0
REFRESH_S = 30.0
"""How often to ask which vehicles there are."""
AGAIN_S = (1.0, 60.0)
"""After a radio that failed: the first pause, doubled up to the last."""
MOST_IDS = 4096
"""Rotating ids of which we remember whose they are."""
COMPARISONS = 20_000
"""Of ids with vehicles, for each round: strangers may invent ids, and they cost us no more than that."""


class Ear(Protocol):
    """A radio that can listen for long."""

    async def listen(self, hear: Callable[[Sighting], None]) -> None:
        """Until it is cancelled. ``LinkError`` when the radio fails."""


class Vehicles(Protocol):
    async def vehicles(self) -> Sequence[Vehicle]: ...


class Lookout:
    """``told`` hears of every change; it must not block. ``ticks``: seconds that only grow."""

    def __init__(self, ear: Ear, books: Vehicles, told: Told, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self.presence = Presence(told)
        self._ear = ear
        self._books = books
        self._ticks = ticks
        self._vehicles: Sequence[Vehicle] = ()
        self._owners: dict[bytes, str | None] = {}
        self._compared = 0
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work(), name="lookout")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def on_link(self, vehicle_id: str, status: LinkStatus) -> None:
        """As the fleet tells it."""
        self.presence.linked(vehicle_id, status.up, self._ticks())

    def hear(self, sighting: Sighting) -> None:
        vehicle_id = self._whose(sighting.rotating_id)
        if vehicle_id is not None:
            self.presence.heard(vehicle_id, sighting.rssi, self._ticks())

    async def _work(self) -> None:
        rounds = asyncio.get_running_loop().create_task(self._rounds(), name="lookout rounds")
        pause = AGAIN_S[0]
        try:
            while True:
                began = self._ticks()
                try:
                    await self._ear.listen(self.hear)
                except KeygwError as error:
                    log.warning("lookout_deaf", code=error.code)
                if self._ticks() - began > pause:
                    pause = AGAIN_S[0]
                await asyncio.sleep(pause)
                pause = min(2 * pause, AGAIN_S[1])
        finally:
            rounds.cancel()
            await asyncio.gather(rounds, return_exceptions=True)

    async def _rounds(self) -> None:
        due = 0.0
        while True:
            now = self._ticks()
            if now >= due:
                due = now + REFRESH_S
                await self._refresh()
            self._compared = 0
            self.presence.tick(now)
            await asyncio.sleep(ROUND_S)

    async def _refresh(self) -> None:
        try:
            vehicles = await self._books.vehicles()
        except KeygwError as error:
            log.warning("lookout_blind", code=error.code)
            return
        if vehicles != self._vehicles:
            self._vehicles = vehicles
            self._owners.clear()

    def _whose(self, rotating_id: bytes) -> str | None:
        if rotating_id in self._owners:
            return self._owners[rotating_id]
        if self._compared + len(self._vehicles) > COMPARISONS and self._compared:
            return None  # the next round is not far
        self._compared += len(self._vehicles)
        owner = next((each.id for each in self._vehicles if recognises(each.advertising_key, rotating_id)), None)
        if len(self._owners) >= MOST_IDS:
            self._owners.clear()
        self._owners[rotating_id] = owner
        return owner
