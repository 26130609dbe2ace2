"""The kit's vehicle on links in memory: the showroom is the ``Air`` of a simulated device, and nobody waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence

from keygw.model.errors import LinkError
from keygw.vehicle.ports import Sighting
from keygw.wire.frame import MAX_FRAME
from keygw_sim.conformance.showroom import Showroom
from keygw_sim.memory_link import MemoryLink, VehicleSide, memory_link


class MemoryShowroom(Showroom):
    """One vehicle, and whoever comes."""

    def __init__(self) -> None:
        self._max_frame = MAX_FRAME
        self._sides: dict[int, VehicleSide] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        super().__init__()

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        return [Sighting(self.sim.brain.rotating_id, -50)]

    async def open_link(self, wanted: Callable[[bytes], bool], avoid: Collection[str]) -> MemoryLink:
        conn = self.newest + 1
        if not wanted(self.sim.brain.rotating_id) or f"link {self.newest}" in avoid:
            raise LinkError("nobody there", code="out_of_range")
        brain = self.sim.brain
        brain.connected(conn)
        link, side = memory_link(self._max_frame, info=brain.info(conn), peer=f"link {conn}")
        self._sides[conn] = side
        brain.subscribed(conn)
        task = asyncio.create_task(self._drive(conn, side))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return link

    async def limit_frames(self, size: int) -> None:
        self._max_frame = size

    async def reboot(self) -> None:
        await self.close()
        await super().reboot()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def flush(self) -> None:
        for conn in sorted(self.sim.brain.dirty):
            await self._send(conn)

    async def _send(self, conn: int) -> None:
        side = self._sides.get(conn)
        for frame in list(self.sim.brain.outgoing(conn, self._max_frame)):
            with contextlib.suppress(LinkError):  # its end is told where it is read
                if side is not None:
                    await side.send(frame)

    async def _drive(self, conn: int, side: VehicleSide) -> None:
        brain = self.sim.brain
        try:
            with contextlib.suppress(LinkError):
                while True:
                    await self._send(conn)
                    if conn in brain.finished:
                        break
                    brain.frame(conn, await side.receive())
        finally:
            brain.disconnected(conn)
            del self._sides[conn]
            await side.cut()


class MemoryAir:
    """``Air`` of who comes to that showroom."""

    def __init__(self, room: MemoryShowroom) -> None:
        self._room = room

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        return await self._room.scan(seconds)

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> MemoryLink:
        return await self._room.open_link(wanted, avoid)

    async def close(self) -> None:
        """The showroom stays."""
