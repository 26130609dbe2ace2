"""Links that an app wants to stay: what was lost is made again, less and less often, and at once when the vehicle is
heard to be near."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from keygw.bridge.fault import describe
from keygw.bridge.leases import HeldElsewhere
from keygw.model.errors import KeygwError
from keygw.model.ids import Random
from keygw.vehicle.values import LinkStatus

log = structlog.get_logger(__name__)

FIRST_S = 0.5
LONGEST_S = 60.0
TRIES = 12
"""About eight minutes. Then it rests until the vehicle is near, or an app asks."""
CONNECT_S = 5.0

Connect = Callable[[str, str, float], Awaitable[LinkStatus]]


@dataclass(slots=True)
class _Held:
    key_id: str
    task: asyncio.Task[None] | None = None
    near: asyncio.Event = field(default_factory=asyncio.Event)


class Reconnect:
    """``connect(vehicle_id, key_id, seconds)``: of who may meet the vehicle. Returns from everything at once."""

    def __init__(self, connect: Connect, random: Random) -> None:
        self._connect = connect
        self._random = random
        self._held: dict[str, _Held] = {}
        self._stopped = False

    def hold(self, vehicle_id: str, key_id: str) -> None:
        """The link is up, with that key, and is to stay."""
        self.release(vehicle_id)
        self._held[vehicle_id] = _Held(key_id)

    def release(self, vehicle_id: str) -> None:
        held = self._held.pop(vehicle_id, None)
        if held is not None and held.task is not None:
            held.task.cancel()

    def on_link(self, vehicle_id: str, status: LinkStatus) -> None:
        """As the fleet tells it."""
        held = self._held.get(vehicle_id)
        if held is None or self._stopped:
            return
        if status.up:
            held.key_id = status.key_id or held.key_id
        elif held.task is None:
            held.task = asyncio.get_running_loop().create_task(self._work(vehicle_id, held), name=f"again {vehicle_id}")

    def near(self, vehicle_id: str) -> None:
        """The vehicle is heard: do not wait any longer."""
        held = self._held.get(vehicle_id)
        if held is not None:
            held.near.set()

    async def stop(self) -> None:
        self._stopped = True
        tasks = [held.task for held in self._held.values() if held.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, vehicle_id: str, held: _Held) -> None:
        tries = 0
        try:
            while True:
                held.near.clear()
                await self._pause(held, tries)
                tries = 1 if held.near.is_set() else tries + 1
                try:
                    await self._connect(vehicle_id, held.key_id, CONNECT_S)
                except KeygwError as error:
                    if not error.retryable or isinstance(error, HeldElsewhere):
                        log.info("link_not_made_again", vehicle_id=vehicle_id, code=error.code)
                        self._held.pop(vehicle_id, None)
                        return
                else:
                    log.info("link_made_again", vehicle_id=vehicle_id, tries=tries)
                    return
        except Exception as error:
            log.error("reconnect_broke", vehicle_id=vehicle_id, **describe(error))
        finally:
            held.task = None

    async def _pause(self, held: _Held, tries: int) -> None:
        """Half of it is chance, so that a radio that comes back is not asked by everybody at once."""
        longest = min(LONGEST_S, FIRST_S * 2**tries)
        seconds = longest * (0.5 + int.from_bytes(self._random(2)) / 2**17) if tries < TRIES else None
        try:
            async with asyncio.timeout(seconds):
                await held.near.wait()
        except TimeoutError:
            pass
