"""Where the stories are set: a world in real processes (radio, gateway, car, phone), or a town in this one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keygw_sim.scenarios.world import World
from town import Town


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Everything up: the app has registered, paired with the car, and holds its owner key."""
    async with World(tmp_path, seed="scenarios") as world:
        await world.start_radio()
        await world.start_gateway()
        await world.start_car()
        await world.register_app()
        assert (await world.pair_owner())["state"] == "done"
        yield world


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """A gateway with its API and a car, in this process."""
    made = Town(tmp_path)
    await made.start()
    yield made
    await made.aclose()
    await made.road.close()
