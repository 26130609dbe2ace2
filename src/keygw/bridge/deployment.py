"""This gateway among those that share a database: what it does when a vehicle becomes its own or ceases to be, and when
another one wants something done about a vehicle."""

from __future__ import annotations

from collections.abc import Mapping

from keygw.bridge.commands import Commands
from keygw.bridge.errands import Errands
from keygw.bridge.lanes import Lanes
from keygw.bridge.leases import Leases
from keygw.bridge.ledger import Ledger
from keygw.bridge.mirror import Mirror
from keygw.bridge.neighbours import Answer
from keygw.bridge.ports import CommandStore, Fleet
from keygw.bridge.settlement import Settlement


class Deployment:
    """``fleet``: the cars themselves, whoever has their leases."""

    def __init__(
        self,
        store: CommandStore,
        fleet: Fleet,
        leases: Leases,
        mirror: Mirror,
        ledger: Ledger,
        settlement: Settlement,
        errands: Errands,
        lanes: Lanes,
        commands: Commands,
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._leases = leases
        self._mirror = mirror
        self._ledger = ledger
        self._settlement = settlement
        self._errands = errands
        self._lanes = lanes
        self._commands = commands
        leases.on_taken, leases.on_lost, leases.busy = self._taken, self._lost, self._busy

    async def start(self) -> None:
        """Take what the last run has left, unless another gateway has it, and act upon none of it."""
        await self._leases.start()
        for vehicle_id in await self._open():
            if await self._leases.take(vehicle_id):
                await self._commands.recover(vehicle_id)

    @property
    def answers(self) -> Mapping[str, Answer]:
        """What to do about the words of other gateways that are about vehicles and their commands."""
        return {
            "command": self._ledger.heard,
            "carry": self._carry,
            "cancel": self._commands.cancel_here,
            "errand": self._errand,
            "leave": self._leave,
            "free": self._freed,
            "heard": self._mirror.heard,
        }

    async def look(self) -> None:
        """Something may have been announced that we have not heard."""
        for command_id in self._ledger.waited_for():
            await self._ledger.heard(command_id)
        for vehicle_id in await self._open():
            await self._leases.take(vehicle_id)  # nobody may have heard that it was freed
        for vehicle_id in self._leases.held():
            await self._commands.take_on(vehicle_id)
            self._errands.request(vehicle_id)
        await self._mirror.look()

    async def _open(self) -> list[str]:
        """The vehicles that have commands without an end."""
        return list(dict.fromkeys(record.command.vehicle_id for record in await self._store.open_commands()))

    # Leases

    def _busy(self, vehicle_id: str) -> bool:
        link = self._fleet.link(vehicle_id)
        up = link is not None and link.up
        return up or self._errands.busy(vehicle_id) or not self._lanes.idle(vehicle_id)

    async def _taken(self, vehicle_id: str) -> None:
        await self._mirror.heard(vehicle_id)
        await self._commands.take_on(vehicle_id)

    async def _lost(self, vehicle_id: str) -> None:
        await self._lanes.abandon(vehicle_id)
        self._settlement.forget(vehicle_id)
        await self._fleet.disconnect(vehicle_id)

    # Words

    async def _carry(self, vehicle_id: str) -> None:
        if await self._leases.ours(vehicle_id):
            await self._commands.take_on(vehicle_id)

    async def _errand(self, vehicle_id: str) -> None:
        if await self._leases.ours(vehicle_id):
            self._errands.request(vehicle_id)

    async def _leave(self, vehicle_id: str) -> None:
        if await self._leases.ours(vehicle_id):
            await self._fleet.disconnect(vehicle_id)

    async def _freed(self, vehicle_id: str) -> None:
        """A gateway has ended, and left this vehicle to whoever wants it."""
        if await self._store.open_commands(vehicle_id) and await self._leases.take(vehicle_id):
            await self._commands.take_on(vehicle_id)
