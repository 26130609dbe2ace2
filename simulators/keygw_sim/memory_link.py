"""A ``Link`` with no radio under it: two ends in one process, for tests of what runs above links.

Same promises as the real one, kept by the same contract tests: order, bounded queues, everything pending fails when it
is cut, what had arrived before stays readable.
"""

from __future__ import annotations

import asyncio
from collections import deque

from keygw.model.errors import LinkError
from keygw.vehicle.ports import ATT_AND_L2CAP, AirCount
from keygw.wire.gatt import MAX_FRAME, MIN_FRAME

QUEUE_FRAMES = 512


def memory_link(
    max_frame: int = MAX_FRAME, *, info: bytes = b"\x01", queue: int = QUEUE_FRAMES, peer: str = "vehicle"
) -> tuple[MemoryLink, VehicleSide]:
    """The device's end (a ``Link``) and the vehicle's.

    ``max_frame``: 20 (MTU 23) to 512. ``queue``: frames the device may leave unread before the link is cut.
    """
    if not MIN_FRAME <= max_frame <= MAX_FRAME:
        raise ValueError(f"frames have {MIN_FRAME} to {MAX_FRAME} bytes")
    wire = _Wire(max_frame, queue)
    link = MemoryLink(wire, info, peer)
    return link, VehicleSide(wire, link.count)


class _Wire:
    def __init__(self, max_frame: int, queue: int) -> None:
        self.max_frame = max_frame
        self.to_vehicle = _Queue(QUEUE_FRAMES)
        self.to_device = _Queue(queue)

    def cut(self, reason: str, *, drop: bool = False) -> None:
        for queue in (self.to_vehicle, self.to_device):
            queue.end(reason, drop=drop)


class _Queue:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self.ended: str | None = None

    def put(self, frame: bytes) -> bool:
        if len(self._frames) >= self._limit:
            return False
        self._frames.append(frame)
        self._arrived.set()
        return True

    async def get(self) -> bytes | None:
        """The next frame; ``None`` once it has ended and is empty."""
        while not self._frames:
            if self.ended is not None:
                return None
            self._arrived.clear()
            await self._arrived.wait()
        return self._frames.popleft()

    def end(self, reason: str, *, drop: bool) -> None:
        if self.ended is None:
            self.ended = reason
            if drop:
                self._frames.clear()
        self._arrived.set()


class MemoryLink:
    """The device's end; implements ``keygw.vehicle.ports.Link``."""

    def __init__(self, wire: _Wire, info: bytes, peer: str) -> None:
        self._wire = wire
        self._peer = peer
        self._info = info
        self._count = AirCount()

    @property
    def peer(self) -> str:
        return self._peer

    @property
    def info(self) -> bytes:
        return self._info

    @property
    def max_frame(self) -> int:
        return self._wire.max_frame

    @property
    def count(self) -> AirCount:
        return self._count

    async def send(self, frame: bytes) -> None:
        if not 0 < len(frame) <= self.max_frame:
            raise ValueError(f"a frame has 1 to {self.max_frame} bytes here, not {len(frame)}")
        if self._wire.to_vehicle.ended is not None:
            raise self._lost()
        self._count.frames_out += 1
        self._count.air_bytes += len(frame) + ATT_AND_L2CAP
        if not self._wire.to_vehicle.put(bytes(frame)):
            self._wire.cut("the vehicle has stopped reading", drop=True)
            raise self._lost()
        await asyncio.sleep(0)

    async def receive(self) -> bytes:
        frame = await self._wire.to_device.get()
        if frame is None:
            raise self._lost()
        return frame

    async def close(self) -> None:
        self._wire.cut("closed by the device")

    def _lost(self) -> LinkError:
        reason = self._wire.to_device.ended or "cut"
        return LinkError(
            f"the link to the vehicle was lost; connect again ({reason})",
            code="link_lost",
            may_have_happened=self._count.frames_out > 0,
        )


class VehicleSide:
    """The vehicle's end: ``send`` and ``receive`` like a link, and ``cut`` for the end of both."""

    def __init__(self, wire: _Wire, count: AirCount) -> None:
        self._wire = wire
        self._count = count

    @property
    def max_frame(self) -> int:
        return self._wire.max_frame

    async def send(self, frame: bytes) -> None:
        """One frame to the device. A device that does not read loses the link, and what it had not read."""
        if not 0 < len(frame) <= self.max_frame:
            raise ValueError(f"a frame has 1 to {self.max_frame} bytes here, not {len(frame)}")
        if self._wire.to_device.ended is not None:
            raise LinkError("the device has gone", code="link_lost")
        if not self._wire.to_device.put(bytes(frame)):
            self._wire.cut("too many frames unread", drop=True)
        else:
            self._count.frames_in += 1
            self._count.air_bytes += len(frame) + ATT_AND_L2CAP
        await asyncio.sleep(0)

    async def receive(self) -> bytes:
        """The next frame from the device. ``LinkError`` once it has gone and all is read."""
        frame = await self._wire.to_vehicle.get()
        if frame is None:
            raise LinkError("the device has gone", code="link_lost")
        return frame

    async def cut(self) -> None:
        """As if they had drifted apart; frames that had arrived stay readable."""
        self._wire.cut("cut")
