"""Leases as one gateway sees them: what it owes to a vehicle is not forgotten because one attempt failed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keygw.bridge.leases import Leases, Pulse
from keygw.bridge.records import CommandRecord
from keygw.model.command import Action, Command, CommandState
from keygw.model.errors import StoreError
from words import word

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World


async def quiet(leases: Leases) -> None:
    while leases._tasks:
        await asyncio.gather(*leases._tasks)


async def test_the_estate_of_a_dead_gateway_is_pursued_until_it_is_settled(world: World) -> None:
    """The database is busy when the first vehicle is taken on: the second is not forgotten, nor is the first."""
    store, ticks = world.store.bridge, [0.0]
    await store.join("gwy_dead")
    for vehicle_id in ("veh_a", "veh_b"):
        await store.take(vehicle_id, "gwy_dead")
    command = Command("cmd_a", 1, "veh_a", "key_a", Action.UNLOCK, 1000.0, 1004.0)
    accepted = CommandState.ACCEPTED
    left = CommandRecord(command, "app_a", "once", bytes(32), accepted, 1000.0, ((accepted, 1000.0),))
    await store.add_command(left, "gwy_dead", word(left))
    heir = Leases(store, world.random, sole=False, pulse=Pulse(3600.0, 6.0), clock=lambda: ticks[0])
    taken: list[str] = []
    busy = [True]

    async def take_on(vehicle_id: str) -> None:
        taken.append(vehicle_id)
        if vehicle_id == "veh_a" and busy:
            busy.pop()
            raise StoreError("locked", code="store_busy", retryable=True)

    async def lost(vehicle_id: str) -> None:
        taken.append(f"gave back {vehicle_id}")

    heir.on_taken, heir.on_lost, heir.busy = take_on, lost, lambda vehicle_id: False
    await heir.start()
    for _ in range(2):
        await heir.round()
        ticks[0] += 6.0
    await heir.round()
    await quiet(heir)
    assert sorted(taken[:2]) == ["veh_a", "veh_b"]
    await heir.round()
    await quiet(heir)
    assert heir.held() == ["veh_a"], "what is done with is given back, what is open is tried again"
    assert taken.count("veh_a") >= 2
    await heir.stop()
