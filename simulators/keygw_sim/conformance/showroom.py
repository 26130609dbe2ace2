"""The other way round: the kit plays the vehicle, and looks at what a device does with it.

A ``Showroom`` is the device's ``Air``: a simulated vehicle on links in memory, whose messages a check may rewrite on
their way, and everything that the device says is on record.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence

from keygw.model.errors import LinkError, ProtocolError
from keygw.vehicle.ports import Sighting
from keygw.wire.frame import AFTER_AUTHENTICATION, MAX_FRAME, Fragmenter, Reassembler
from keygw_sim.conformance.simulated import SimulatedVehicle
from keygw_sim.conformance.tape import TO_DEVICE, TO_VEHICLE, Tape
from keygw_sim.memory_link import MemoryLink, VehicleSide, memory_link

Rewrite = Callable[[bytes], Sequence[bytes]]
STRANGER = b"\x01\x02\x03\x04\x05\x06"
"""The rotating id of a vehicle that the device has no key for."""


class Showroom:
    """``said``: the device's messages, with the number of the link that each came by; ``links``: how many."""

    def __init__(self, sim: SimulatedVehicle, tape: Tape) -> None:
        self.sim, self.tape = sim, tape
        self.down: Rewrite = lambda message: [message]
        self.raw: Callable[[bytes], bytes] = lambda frame: frame
        """What becomes of each frame of the vehicle."""
        self.told_info: Callable[[bytes], bytes] = lambda info: info
        self.max_frame = MAX_FRAME
        self.stranger = False
        """Only a vehicle of somebody else is here."""
        self.met_a_stranger = False
        self.said: list[tuple[int, bytes]] = []
        self.links = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def kinds(self, link: int | None = None) -> list[int]:
        """The types of what the device has said, on one link or on all."""
        return [message[0] for at, message in self.said if link is None or at == link]

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        return [Sighting(STRANGER if self.stranger else self.sim.brain.rotating_id, -50)]

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> MemoryLink:
        if self.stranger:
            self.met_a_stranger = wanted(STRANGER)
            raise LinkError("nobody there", code="out_of_range")
        if not wanted(self.sim.brain.rotating_id) or f"link {self.links}" in avoid:
            raise LinkError("nobody there", code="out_of_range")
        self.links += 1
        brain, conn = self.sim.brain, self.links
        brain.connected(conn)
        link, side = memory_link(self.max_frame, info=self.told_info(brain.info(conn)), peer=f"link {conn}")
        brain.subscribed(conn)
        task = asyncio.create_task(self._drive(conn, side))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return link

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drive(self, conn: int, side: VehicleSide) -> None:
        up, down, given = Reassembler(), Reassembler(), Fragmenter()
        up.limit = down.limit = AFTER_AUTHENTICATION
        brain = self.sim.brain
        with contextlib.suppress(LinkError):
            while True:
                for frame in list(brain.outgoing(conn, MAX_FRAME)):
                    message = down.push(frame, 0.0)
                    for each in [] if message is None else self.down(message):
                        self.tape.message(TO_DEVICE, each, None)
                        for part in given.split(each, self.max_frame):
                            await side.send(self.raw(part))
                if conn in brain.finished:
                    break
                frame = await side.receive()
                with contextlib.suppress(ProtocolError):
                    message = up.push(frame, 0.0)
                    if message is not None:
                        self.said.append((conn, message))
                        self.tape.message(TO_VEHICLE, message, None)
                brain.frame(conn, frame)
        brain.disconnected(conn)
        await side.cut()
