"""A world in real processes for each story: radio, gateway, car, and a phone where the story has one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keygw_sim.scenarios.world import World


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
