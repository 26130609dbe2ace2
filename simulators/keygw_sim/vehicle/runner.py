"""Puts the brain on the air: the brain decides, the GATT peripheral carries, this file hands over between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from keygw.ble.bumble_host import HciOpener
from keygw.model.base64url import encode_base64url
from keygw.model.errors import LinkError
from keygw.model.ids import Random, new_id
from keygw.wire.gatt import PREFERRED_MTU
from keygw_sim.chance import chance, new_signer
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash, Memory
from keygw_sim.vehicle.gatt import INTERVAL_MS, GattPeripheral
from keygw_sim.vehicle.outbox import Outbox
from keygw_sim.vehicle.proximity import Ranger

TICK_SECONDS = 0.5


class VehicleOnAir:
    """A vehicle that advertises and answers; ``PeripheralHandler`` of its ``GattPeripheral``."""

    def __init__(
        self,
        brain: Brain,
        transport: str | HciOpener,
        *,
        max_mtu: int = PREFERRED_MTU,
        interval_ms: float = INTERVAL_MS,
    ) -> None:
        self.brain = brain
        self._peripheral = GattPeripheral(transport, self, max_mtu=max_mtu, interval_ms=interval_ms)
        self._ticker: asyncio.Task[None] | None = None
        self._outboxes: dict[int, Outbox] = {}

    async def start(self) -> None:
        """Open the radio and advertise. ``LinkError`` radio_unavailable."""
        await self._peripheral.start()
        await self._peripheral.advertise(self.brain.rotating_id)
        self._ticker = asyncio.create_task(self._tick(), name="vehicle ticker")

    async def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        await self._peripheral.stop()
        for outbox in self._outboxes.values():
            outbox.close()

    async def reboot(self, brain: Brain) -> None:
        """The same radio with another brain on it: what is left of the one before was on its flash. Its links end."""
        for conn_id in self._peripheral.connections:
            await self._peripheral.disconnect(conn_id)
        self.brain = brain
        await self.advertise()

    async def advertise(self) -> None:
        """Under the id that the brain has now, if nobody has told the radio yet."""
        await self._peripheral.advertise(self.brain.rotating_id)

    async def allow_mtu(self, max_mtu: int) -> None:
        """Agree to no more than this on connections that are yet to be made."""
        await self._peripheral.allow_mtu(max_mtu)

    @property
    def connections(self) -> tuple[int, ...]:
        """Centrals that are connected now."""
        return self._peripheral.connections

    async def wait_lost(self) -> None:
        """Return when the radio has died."""
        await self._peripheral.wait_lost()

    async def connected(self, conn_id: int) -> None:
        self._outboxes[conn_id] = Outbox(self._peripheral, conn_id)
        self.brain.connected(conn_id)
        await self._peripheral.advertise(self.brain.rotating_id)

    async def subscribed(self, conn_id: int) -> None:
        self.brain.subscribed(conn_id)
        await self._answered(conn_id)

    async def frame(self, conn_id: int, data: bytes) -> None:
        self.brain.frame(conn_id, data)
        await self._answered(conn_id)

    def disconnected(self, conn_id: int) -> None:
        self.brain.disconnected(conn_id)
        outbox = self._outboxes.pop(conn_id, None)
        if outbox is not None:
            outbox.close()

    def info(self, conn_id: int) -> bytes:
        return self.brain.info(conn_id)

    def privileged(self, conn_id: int) -> bool:
        return self.brain.authenticated(conn_id)

    async def flush(self) -> None:
        """Put what waits on its way; connections whose session is over are dropped after that. Waits for no central."""
        for conn_id in sorted(self.brain.dirty):
            with contextlib.suppress(LinkError):  # the connection's own end follows and cleans up
                frames = list(self.brain.outgoing(conn_id, self._peripheral.max_frame(conn_id)))
                self._outboxes[conn_id].put(frames)
        for conn_id in self.brain.finished:
            self._outboxes[conn_id].finish()

    async def _answered(self, conn_id: int) -> None:
        """A central is heard again when it has taken what it was told: one that only talks fills its own inbox."""
        await self.flush()
        await self._outboxes[conn_id].sent()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            advertised = self.brain.rotating_id
            self.brain.tick()
            if self.brain.rotating_id != advertised:
                with contextlib.suppress(LinkError):  # a radio that has gone is told by wait_lost
                    await self._peripheral.advertise(self.brain.rotating_id)
            await self.flush()


def new_vehicle(name: str, random: Random) -> Memory:
    """A car fresh from the line: an id, a vehicle key, an advertising key, and nobody it trusts."""
    return Memory(new_id("veh", random), name, new_signer(random), random(16))


def fresh(name: str, seed: str | None) -> Memory:
    """``new_vehicle`` with real chance, or with that of the seed."""
    return new_vehicle(name, chance(seed, f"vehicle {name}"))


def load_vehicle(
    folder: Path,
    name: str,
    *,
    seed: str | None = None,
    log: Callable[[str, dict[str, object]], None] | None = None,
    ranger: Ranger | None = None,
) -> Brain:
    """The car kept in ``folder``, made at the first start. ``seed`` repeats its identity, never its sessions.

    ``ranger``: its ranging anchors, if it has any.
    """
    flash = Flash(folder)
    memory = flash.load() or fresh(name, seed)
    return Brain(memory, flash, os.urandom, uptime, log, ranger)


def uptime() -> float:
    """Seconds that only ever grow and count sleep as well, where the system tells them: trust in the time needs that.

    Linux leaves a laptop's sleep out of its monotonic clock, and has another one with it.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def identity(memory: Memory) -> dict[str, str]:
    """What the gateway registers: the body of ``POST /v1/vehicles``."""
    return {
        "id": memory.vehicle_id,
        "name": memory.name,
        "public_key": encode_base64url(memory.signer.public_key),
        "advertising_key": encode_base64url(memory.advertising_key),
    }
