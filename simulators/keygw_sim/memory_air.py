"""An ``Air`` with no radio under it: simulated cars in this process, each link a ``memory_link``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence

from keygw.model.errors import LinkError
from keygw.vehicle.ports import Sighting
from keygw.wire.frame import MAX_FRAME
from keygw.wire.messages import MessageType
from keygw_sim.memory_link import MemoryLink, VehicleSide, memory_link
from keygw_sim.vehicle.brain import Brain


class MemoryAir:
    """``cars``: the nearest first. ``seen`` counts what reached which car. ``cut``: lose the link when a device sends
    that message, which then does not arrive."""

    def __init__(self, *cars: Brain, max_frame: int = MAX_FRAME) -> None:
        self.cars = list(cars)
        self.max_frame = max_frame
        self.seen: list[tuple[Brain, MessageType]] = []
        self.cut: MessageType | None = None
        self._arrived = asyncio.Condition()
        self._opened = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        """Takes no longer than it must: nothing here moves by itself."""
        await asyncio.sleep(min(seconds, 0.01))
        return [Sighting(car.rotating_id, -50 - place) for place, car in enumerate(self.cars)]

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> MemoryLink:
        car = next((car for car in self.cars if wanted(car.rotating_id)), None)
        if car is None:
            raise LinkError("nobody there", code="out_of_range")
        self._opened += 1
        conn = self._opened
        car.connected(conn)
        link, side = memory_link(self.max_frame, info=car.info(conn))
        car.subscribed(conn)
        task = asyncio.create_task(self._drive(car, conn, side))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return link

    async def heard(self, count: int) -> None:
        """Return when so many messages have reached cars."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: len(self.seen) >= count)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drive(self, car: Brain, conn: int, side: VehicleSide) -> None:
        with contextlib.suppress(LinkError):
            while True:
                for frame in car.outgoing(conn, self.max_frame):
                    await side.send(frame)
                if conn in car.finished:
                    break
                frame = await side.receive()
                if frame[0] & 0x80:
                    kind = MessageType(frame[1])
                    if kind is self.cut:
                        break
                    async with self._arrived:
                        self.seen.append((car, kind))
                        self._arrived.notify_all()
                car.frame(conn, frame)
        car.disconnected(conn)
        await side.cut()
