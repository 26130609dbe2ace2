"""An ``Air`` with one simulated car on it and no radio: for tests of what runs above links."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence

from keygw.model.errors import LinkError
from keygw.vehicle.ports import Sighting
from keygw.wire.messages import MessageType
from keygw_sim.memory_link import MemoryLink, VehicleSide, memory_link
from keygw_sim.vehicle.brain import Brain

PEER = "car"
"""Who is at the other end of each link. There is no other, so who avoids it finds nobody."""


class Road:
    """It may lose the car, cut the link at any message, or hold the car's tongue."""

    def __init__(self, brain: Brain) -> None:
        self.brain = brain
        self.present = True
        self.max_frame = 512
        self.opened = 0
        self.lose: MessageType | None = None
        """Cut the link when the device sends this: the car does not get it."""
        self.swallow: MessageType | None = None
        """Cut the link when the device has sent this: the car gets it, its answer is lost."""
        self.mute: MessageType | None = None
        """The car answers nothing from this message on."""
        self.only: int | None = None
        """So many more links; after them the car is out of range."""
        self.seen: list[MessageType] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        return [Sighting(self.brain.rotating_id, -60), Sighting(b"others")] if self.present else []

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> MemoryLink:
        if not self.present or self.only == 0 or PEER in avoid or not wanted(self.brain.rotating_id):
            raise LinkError("nobody there", code="out_of_range")
        self.only = None if self.only is None else self.only - 1
        self.opened += 1
        conn = self.opened
        self.brain.connected(conn)
        link, side = memory_link(self.max_frame, info=self.brain.info(conn), peer=PEER)
        self.brain.subscribed(conn)
        task = asyncio.create_task(self._drive(conn, side))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return link

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drive(self, conn: int, side: VehicleSide) -> None:
        kind: MessageType | None = None
        with contextlib.suppress(LinkError):
            while self.mute is not MessageType.HELLO:
                for frame in self.brain.outgoing(conn, self.max_frame):
                    await side.send(frame)
                if conn in self.brain.finished:
                    break
                frame = await side.receive()
                if frame[0] & 0x80:
                    kind = MessageType(frame[1])
                    self.seen.append(kind)
                if kind is not None and kind is self.lose:
                    break
                self.brain.frame(conn, frame)
                if frame[0] & 0x40 and kind is not None and kind is self.swallow:
                    break
                if kind is not None and kind is self.mute:
                    await asyncio.Event().wait()
        self.brain.disconnected(conn)
        await side.cut()
