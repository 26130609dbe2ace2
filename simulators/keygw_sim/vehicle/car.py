"""One simulated car in a process: its flash folder, its brain, its radio, and its power switch."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keygw.ble.bumble_host import HciOpener
from keygw.session.keylog import KeyLogLine
from keygw.store.instance import InstanceLock
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash, Memory
from keygw_sim.vehicle.gatt import INTERVAL_MS
from keygw_sim.vehicle.proximity import Ranger
from keygw_sim.vehicle.runner import VehicleOnAir, load_vehicle

KEPT_EVENTS = 200

Told = Callable[[dict[str, Any]], None]


class Car:
    """``async with Car(...) as car``: it advertises. One folder has one car at a time.

    ``told`` hears every event as it happens; ``events`` keeps the last of them.
    """

    def __init__(
        self,
        folder: Path,
        transport: str | HciOpener,
        name: str,
        *,
        seed: str | None = None,
        told: Told | None = None,
        interval_ms: float = INTERVAL_MS,
        ranger: Ranger | None = None,
        key_log: KeyLogLine | None = None,
    ) -> None:
        self.folder = folder
        self.name = name
        self.id = ""
        """Known from the first start on."""
        self.events: deque[dict[str, Any]] = deque(maxlen=KEPT_EVENTS)
        self.listeners: list[Told] = [] if told is None else [told]
        self._transport = transport
        self._seed = seed
        self._interval_ms = interval_ms
        self._ranger = ranger
        self._key_log = key_log
        self._count = 0
        self._stack = contextlib.ExitStack()
        self._switching = asyncio.Lock()
        self._lost = asyncio.Event()
        self._watch: asyncio.Task[None] | None = None
        self.brain: Brain
        self.vehicle: VehicleOnAir

    async def __aenter__(self) -> Car:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """``LinkError`` radio_unavailable, ``StoreError`` when its folder cannot be used or another car has it."""
        await asyncio.to_thread(self.folder.mkdir, parents=True, exist_ok=True)
        self._stack.enter_context(InstanceLock(self.folder))  # two cars on one flash would be one with two stories
        try:
            await self._switch_on()
        except BaseException:
            self._stack.close()
            raise

    async def stop(self) -> None:
        """Switched off properly: where it has driven to is on flash."""
        async with self._switching:
            try:
                await self._switch_off()
                self._rest()
            finally:
                self._stack.close()

    async def reboot(self) -> None:
        """Power off and on. ``LinkError`` when its radio has gone meanwhile."""
        async with self._switching:
            await self._switch_off()
            self._rest()
            await self._switch_on()
        self.tell("rebooted", {"boot_epoch": self.brain.memory.boot_epoch})

    async def lose_flash(self) -> None:
        """As if the flash had been erased: who it is stands in its secure element, whom it trusts was burned in."""
        async with self._switching:
            await self._switch_off()
            kept = self.brain.memory
            bare = Memory(kept.vehicle_id, kept.name, kept.signer, kept.advertising_key, issuers=list(kept.issuers))
            await asyncio.to_thread(Flash(self.folder).save, bare)
            await self._switch_on()
        self.tell("flash_lost", {})

    async def wait_lost(self) -> None:
        """Return when the radio has died; switching the car off and on is no such thing."""
        await self._lost.wait()

    def tell(self, what: str, data: dict[str, object]) -> None:
        """Something has happened: to whoever listens, in the order in which it happened."""
        self._count += 1
        event = {**data, "event": what, "car": self.id, "number": self._count, "at": time.time()}
        self.events.append(event)
        for listener in list(self.listeners):
            listener(event)

    async def _switch_on(self) -> None:
        warp = self.brain.warp if self.id else 1.0
        self.brain = load_vehicle(self.folder, self.name, seed=self._seed, log=self.tell, ranger=self._ranger)
        self.brain.warp = warp
        self.brain.key_log = self._key_log
        self.id = self.brain.memory.vehicle_id
        self.vehicle = VehicleOnAir(self.brain, self._transport, interval_ms=self._interval_ms)
        await self.vehicle.start()
        self._watch = asyncio.create_task(self._watch_radio(self.vehicle), name="radio watch")

    async def _switch_off(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
            await self.vehicle.stop()

    def _rest(self) -> None:
        try:
            self.brain.rest()
        except OSError as error:  # it stands a little behind then, as after a power cut
            self.tell("flash_failed", {"why": error.strerror or os.strerror(error.errno or 0)})

    async def _watch_radio(self, vehicle: VehicleOnAir) -> None:
        await vehicle.wait_lost()
        self._lost.set()
