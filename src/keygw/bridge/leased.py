"""The fleet, met only by who has the vehicle's lease; what is another's to do, it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from keygw.bridge.leases import HeldElsewhere, Leases
from keygw.bridge.mirror import Mirror
from keygw.bridge.ports import Fleet, OnState
from keygw.model.command import AuthorizedCommand, Outcome
from keygw.vehicle.pairing import PairingTask
from keygw.vehicle.relay import Relay
from keygw.vehicle.values import CommandResult, Discovered, LinkStatus

Announce = Callable[[str], Awaitable[None]]


class LeasedFleet:
    """``bridge.ports.Fleet`` around one. ``HeldElsewhere`` where another gateway has the vehicle."""

    def __init__(self, fleet: Fleet, leases: Leases, announce: Announce, mirror: Mirror) -> None:
        self._fleet = fleet
        self._mirror = mirror
        self._leases = leases
        self._announce = announce

    async def connect(self, vehicle_id: str, key_id: str, timeout: float) -> LinkStatus:
        try:
            async with self._leases.holding(vehicle_id):
                return await self._fleet.connect(vehicle_id, key_id, timeout)
        except HeldElsewhere:
            status = self._mirror.status(vehicle_id)
            if status is None or not status.up:
                raise
            return status

    def link(self, vehicle_id: str) -> LinkStatus | None:
        return self._mirror.status(vehicle_id) or self._fleet.link(vehicle_id)

    async def disconnect(self, vehicle_id: str) -> None:
        async with self._or_tell(f"leave {vehicle_id}", vehicle_id):
            await self._fleet.disconnect(vehicle_id)

    async def execute(self, authorized: AuthorizedCommand, on_state: OnState) -> CommandResult:
        async with self._leases.holding(authorized.command.vehicle_id):
            return await self._fleet.execute(authorized, on_state)

    @asynccontextmanager
    async def relay(self, vehicle_id: str, avoid: Collection[str] = ()) -> AsyncIterator[Relay]:
        async with self._leases.holding(vehicle_id), self._fleet.relay(vehicle_id, avoid) as relay:
            yield relay

    async def settle(self, vehicle_id: str, key_id: str) -> None:
        async with self._or_tell(f"errand {vehicle_id}", vehicle_id):
            await self._fleet.settle(vehicle_id, key_id)

    async def sync_list(self, vehicle_id: str) -> None:
        async with self._or_tell(f"errand {vehicle_id}", vehicle_id):
            await self._fleet.sync_list(vehicle_id)

    async def sync_issuer_keys(self, vehicle_id: str) -> None:
        async with self._or_tell(f"errand {vehicle_id}", vehicle_id):
            await self._fleet.sync_issuer_keys(vehicle_id)

    async def pair(self, task: PairingTask, seconds: float) -> Outcome:
        return await self._fleet.pair(task, seconds)

    async def discover(self, seconds: float) -> Sequence[Discovered]:
        return await self._fleet.discover(seconds)

    @asynccontextmanager
    async def _or_tell(self, text: str, vehicle_id: str) -> AsyncIterator[None]:
        try:
            async with self._leases.holding(vehicle_id):
                yield
        except HeldElsewhere:
            await self._announce(text)
            raise
