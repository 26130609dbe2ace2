"""Puts a studio beside a world of processes: ``equip`` before the car starts, ``attach`` when all is told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from keygw.client.problem import KeygwClientError
from keygw_sim.scenarios.world import World
from keygw_sim.studio.air import Ring, follow
from keygw_sim.studio.doorway import Doorway
from keygw_sim.studio.room import Room, Things

TRACE, KEYS = "car.btsnoop", "session-keys.log"
RETRY_SECONDS = 1.0


def equip(world: World) -> None:
    """A car with an antenna on its roof: what goes over its HCI is written down, and so are its session keys; and with
    ranging anchors, so that it matters where the phone is."""
    folder = world.folder
    world.options["car"] += ("--trace", str(folder / TRACE), "--key-log", str(folder / KEYS), "--ranging", "0")


@contextlib.asynccontextmanager
async def attach(world: World, port: int = 0) -> AsyncIterator[Room]:
    """``room.link()`` opens the console. The world has an app with a bearer token; a phone if it was started.

    ``OSError`` when the port is taken."""
    ring = Ring()
    doorway = Doorway(lambda: world.url, lambda: world.token, ring)
    children = [("car", world.car)] + ([("phone", world.phone)] if hasattr(world, "phone") else [])
    folder = world.folder / "studio"
    folder.mkdir(exist_ok=True)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(doorway.close)
        for name, child in children:
            hear = _hearer(ring, name)
            child.listeners.append(hear)
            stack.callback(child.listeners.remove, hear)
        tasks = [
            asyncio.create_task(follow(world.folder / TRACE, world.folder / KEYS, ring), name="studio air"),
            asyncio.create_task(_events(world, ring), name="studio events"),
        ]
        stack.push_async_callback(_end, tasks)
        things = Things(
            about=lambda: {"car": {"id": world.vehicle_id, "name": world.name}, "gateway": world.url},
            car=lambda order: world.car.ask(**order),
            phone=(lambda order: world.phone.ask(**order)) if hasattr(world, "phone") else None,
            radio=lambda order: world.radio.ask(**order),
            gateway=doorway,
            capture=world.folder / TRACE,
        )
        room = Room(things, ring, folder, port=port)
        await stack.enter_async_context(room.serving())
        yield room


def _hearer(ring: Ring, name: str) -> Callable[[dict[str, Any]], None]:
    return lambda event: ring.put(name, {"at": time.time(), **event})


async def _events(world: World, ring: Ring) -> None:
    """The gateway's events of this car, on and on: a gateway that is away is asked again."""
    while True:
        with contextlib.suppress(KeygwClientError):
            async for event in world.app.events(world.vehicle_id):
                ring.put("event", {"at": time.time(), "event": event.whole()})
        await asyncio.sleep(RETRY_SECONDS)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
