"""A world in real processes for each story: radio, gateway, car, and a phone where the story has one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keygw_sim.scenarios.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Everything up: the app has registered and holds an owner key that the car has been told of."""
    async with World(tmp_path, seed="scenarios") as world:
        await world.start_radio()
        await world.start_gateway()
        await world.start_car()
        await world.register_app()
        await world.issue_owner_key()
        yield world
