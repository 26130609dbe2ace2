"""Two gateways as processes on one PostgreSQL, a car over the virtual radio: one of them dies at the worst moment."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keygw_sim.scenarios.app import App
from keygw_sim.scenarios.world import FREE, World


async def command(app: App, world: World, state: Callable[[dict[str, Any]], bool], command_id: str) -> dict[str, Any]:
    """The command as soon as it stands so."""
    async with asyncio.timeout(30):
        while not state(found := await app.get(f"/v1/vehicles/{world.vehicle_id}/commands/{command_id}")):  # noqa: ASYNC110 - as an app looks
            await asyncio.sleep(0.02)
    return found


async def test_another_takes_over_and_nothing_is_executed_twice(
    tmp_path: Path, new_database: Callable[[], str]
) -> None:
    async with World(tmp_path, database=new_database()) as world:
        await world.start_radio()
        await world.start_gateway()
        await world.start_car()
        await world.register_app()
        assert (await world.pair_owner())["state"] == "done"
        assert (await world.command("unlock"))["state"] == "confirmed"  # the first gateway has the link
        second = App((await world.one_more_gateway(FREE)).ready["url"], world.token)
        try:
            assert (await second.command(world.vehicle_id, "lock"))["state"] == "confirmed"
            before = await world.car.ask(do="status")

            os.kill(world.car.pid, signal.SIGSTOP)  # it hears the command, and says nothing yet
            asked = await second.command(world.vehicle_id, "open_trunk", seconds=0)
            await command(second, world, lambda found: found["state"] == "sent", asked["id"])
            await world.gateway.kill()
            os.kill(world.car.pid, signal.SIGCONT)

            ended = await command(second, world, lambda found: found["settled"], asked["id"])
            states = [entry["state"] for entry in ended["timeline"]]
            assert states == ["accepted", "sent", "unknown", ended["state"]]
            after = await world.car.ask(do="status")
            acted = after["body"]["trunk_open"]
            assert (ended["state"], ended["reason"]) == (("confirmed", None) if acted else ("failed", "not_executed"))
            assert after["receipt_sequence"] - before["receipt_sequence"] == int(acted)
            assert (await second.command(world.vehicle_id, "unlock"))["state"] == "confirmed"
            final = await world.car.ask(do="status")
            assert final["receipt_sequence"] == after["receipt_sequence"] + 1
        finally:
            await second.close()
