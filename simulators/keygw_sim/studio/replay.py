"""A session of the console, lived once more in a fresh world: what "copy as pytest" makes calls this.

STEPS = [("app", {"action": "unlock"}, {"state": "confirmed"}), ("car", {"do": "door", "open": True}, {})]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keygw_sim.processes import ChildFailed
from keygw_sim.scenarios.world import World
from keygw_sim.studio.__main__ import people
from keygw_sim.studio.attach import equip

Step = tuple[str, dict[str, Any], dict[str, Any]]
"""Whose hands (``app``, ``car``, ``phone``, ``radio``), what they do, and what must be in the answer."""


async def replay(steps: Sequence[Step], folder: Path, seed: str = "replay") -> None:
    """``AssertionError`` names the first step that came out otherwise than it was seen to."""
    async with World(folder, seed=seed) as world:
        equip(world)
        await people(world)
        children = {"car": world.car, "phone": world.phone, "radio": world.radio}
        for number, (whose, order, expected) in enumerate(steps, 1):
            try:
                told = await world.command(order["action"]) if whose == "app" else await children[whose].ask(**order)
            except ChildFailed as error:
                raise AssertionError(f"step {number}, {whose} {order}: {error}") from error
            for name, value in expected.items():
                if told.get(name) != value:
                    raise AssertionError(f"step {number}, {whose} {order}: {name} is {told.get(name)!r}, not {value!r}")
