"""A vehicle's link, lent for a while: its frames are between the device that holds the key and the vehicle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from keygw.model.errors import LinkError, ProtocolError
from keygw.vehicle.ports import Link

WAIT_S = 4.0
"""For the vehicle to be free: nobody at its door waits longer."""
REACH_S = 5.0
"""For the vehicle to be found and connected to."""
LONGEST_S = 30.0
IDLE_S = 10.0
"""Without a frame in either direction. A phone may fetch a time proof in between."""
QUIET_S = 0.5
"""The same, while a command waits for the vehicle."""
PRESSED_S = 2.0
"""From when a command waits: it lives four seconds, and shall have the rest."""
MOST_WAITING = 4
"""Who would borrow one vehicle's link, the one who has it included."""
FRAMES_PER_SECOND = 256.0
BURST = 512.0
"""Two of the largest messages in the smallest frames. What comes faster waits."""


class Turn(asyncio.Lock):
    """The right to be in touch with one vehicle: first come, first served. ``pressed``: a command waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.pressed = asyncio.Event()
        self.borrowers = 0
        self._pressing = 0

    @contextmanager
    def pressing(self) -> Iterator[None]:
        """Whoever has only borrowed the link shall not keep it long."""
        self._pressing += 1
        self.pressed.set()
        try:
            yield
        finally:
            self._pressing -= 1
            if not self._pressing:
                self.pressed.clear()


class RelayOver(LinkError):
    """The time for which the link was lent is over. ``code``: relay_over, relay_idle, gave_way."""

    code = "relay_over"


class Relay:
    """One lent link. It reads nothing of a frame but its length. ``ticks``: seconds that only grow."""

    def __init__(self, link: Link, turn: Turn, ticks: Callable[[], float]) -> None:
        self._link = link
        self._turn = turn
        self._ticks = ticks
        self._began = self._last = self._filled = ticks()
        self._room = BURST
        self.frames = 0
        """Carried so far, both ways."""

    @property
    def info(self) -> bytes:
        return self._link.info

    @property
    def peer(self) -> str:
        return self._link.peer

    @property
    def max_frame(self) -> int:
        return self._link.max_frame

    @property
    def sent(self) -> bool:
        """Whether anything has left for the vehicle, so that it may have acted."""
        return self._link.count.frames_out > 0

    async def send(self, frame: bytes) -> None:
        """To the vehicle, in time with what it takes. ``ProtocolError`` bad_frame; ``LinkError``."""
        if not 0 < len(frame) <= self.max_frame:
            raise ProtocolError(f"a frame has 1 to {self.max_frame} bytes here", code="bad_frame")
        await self._pace()
        self._carried()
        await self._link.send(frame)
        self._last = self._ticks()

    async def receive(self) -> bytes:
        """The next frame of the vehicle. ``LinkError``."""
        frame = await self._link.receive()
        self._carried()
        return frame

    async def over(self) -> RelayOver:
        """Return when the link must be given back, with why."""
        pressed_at: float | None = None
        while True:
            now, pressed = self._ticks(), self._turn.pressed.is_set()
            pressed_at = (now if pressed_at is None else pressed_at) if pressed else None
            ends = [(self._began + LONGEST_S, "relay_over"), (self._last + IDLE_S, "relay_idle")]
            if pressed_at is not None:
                ends.append((min(self._last + QUIET_S, pressed_at + PRESSED_S), "gave_way"))
            at, why = min(ends)
            if now >= at:
                return self._end(why)
            try:
                async with asyncio.timeout(at - now):
                    if pressed:
                        await asyncio.Event().wait()
                    await self._turn.pressed.wait()
            except TimeoutError:
                continue

    def _end(self, why: str) -> RelayOver:
        sent = self.sent
        if why == "gave_way":
            text = "a command waited for the vehicle; ask for the link again"
            return RelayOver(text, code="gave_way", may_have_happened=sent)
        if why == "relay_idle":
            text = f"no frame came for {IDLE_S:.0f} seconds; ask for the link when there is something to say"
            return RelayOver(text, code="relay_idle", may_have_happened=sent)
        return RelayOver(f"a link is lent for {LONGEST_S:.0f} seconds at most; ask again", may_have_happened=sent)

    def _carried(self) -> None:
        self.frames += 1
        self._last = self._ticks()

    async def _pace(self) -> None:
        now = self._ticks()
        self._room = min(BURST, self._room + (now - self._filled) * FRAMES_PER_SECOND)
        self._filled = now
        self._room -= 1
        if self._room < 0:
            await asyncio.sleep(-self._room / FRAMES_PER_SECOND)
