"""The other way round: the kit plays the vehicle, and looks at what a device does with it.

A ``Player`` is the brain of a simulated vehicle, honest in itself; a ``Showroom`` says what becomes of its words on
their way to the device, and keeps a record of everything that the device does. Where they meet, on links in memory or
on a radio, is for ``showroom_memory`` and ``showroom_radio``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keygw.model.errors import ProtocolError
from keygw.session.vehicle import VehicleSession
from keygw.wire.frame import AFTER_AUTHENTICATION, MAX_FRAME, Fragmenter, Reassembler
from keygw.wire.messages import ErrorCode, MessageType, encode_error
from keygw_sim.conformance.probe import Noting
from keygw_sim.conformance.simulated import SimulatedVehicle
from keygw_sim.conformance.tape import TO_DEVICE, TO_VEHICLE, Tape
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Memory

Rewrite = Callable[[bytes], Sequence[bytes]]
STRANGER = b"\x01\x02\x03\x04\x05\x06"
"""The rotating id of a vehicle that the device has no key for."""
SETTLE_S = 1.0
"""A device that is done hangs up; who stays on the link is not waited for any longer."""
REFUSED = encode_error(ErrorCode.REFUSED)


class Watched(Noting, VehicleSession):
    """The vehicle's session; what it seals and unseals is for the tape."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.noted()


class Showroom:
    """``said``: the device's messages, with the number of the link that each came by; ``steps``: what it did on which
    link, in order; ``commands``: the numbers of the commands that came, as often as they came."""

    in_memory = True

    def __init__(self) -> None:
        self.sim: SimulatedVehicle
        self.new(Tape(lambda: 0.0))

    def new(self, tape: Tape) -> None:
        """For the next check: an honest vehicle, and a clean record."""
        self.tape = tape
        self.down: Rewrite = lambda message: [message]
        """What becomes of each message of the vehicle."""
        self.raw: Callable[[bytes], bytes] = lambda frame: frame
        """What becomes of each of its frames."""
        self.told_info: Callable[[bytes], bytes] = lambda info: info
        self.hears_error = True
        """Else the vehicle goes on as if nothing had been said, so that the device itself has to end the link."""
        self.lateness = 0.0
        """Seconds that have passed for the device, and not for the vehicle."""
        self.wants_events = False
        """Whether the device has asked for events."""
        self.newest = 0
        """The number of the newest link."""
        self.linked: set[int] = set()
        """Those that are open."""
        self.moved = asyncio.Event()
        self.forget()

    def forget(self) -> None:
        """Of the record what was so far."""
        self.said: list[tuple[int, bytes]] = []
        self.steps: list[tuple[int, str]] = []
        self.commands: list[int] = []

    @property
    def memory(self) -> Memory:
        """What the vehicle knows."""
        return self.sim.brain.memory

    def kinds(self, link: int | None = None) -> list[int]:
        """The types of what the device has said, on one link or on all."""
        return [message[0] for at, message in self.said if link is None or at == link]

    @property
    def links(self) -> int:
        """How often the device has connected."""
        return sum(what == "connected" for _, what in self.steps)

    @property
    def refused(self) -> bool:
        """Whether the device has called something a breach."""
        return any(message == REFUSED for _, message in self.said)

    async def until(self, holds: Callable[[], bool], seconds: float) -> bool:
        """Wait for something that the device does; whether it did."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not holds():
                    self.moved.clear()
                    await self.moved.wait()
        return holds()

    def hold(self, *kinds: int) -> list[bytes]:
        """The first message of these kinds does not leave, and stands in the list; what comes after it leaves."""
        held: list[bytes] = []

        def down(message: bytes) -> list[bytes]:
            if held or message[0] not in kinds:
                return [message]
            held.append(message)
            self.moved.set()
            return []

        self.down = down
        return held

    async def settle(self) -> None:
        """Until the device has hung up, or stays."""
        await self.until(lambda: not self.linked, SETTLE_S)

    async def say(self, *messages: bytes) -> None:
        """These very bytes go to the device, on the newest link."""
        player = self.sim.brain
        if isinstance(player, Player):
            player.say(self.newest, *messages)
        await self.flush()

    def check(self) -> None:
        """``LinkError`` radio_unavailable once there is no radio to be met on."""

    async def flush(self) -> None:
        """What waits goes out."""
        raise NotImplementedError

    async def pretend(self, rotating_id: bytes) -> None:
        """Advertise as this one, until somebody connects."""
        self.sim.brain.rotating_id = rotating_id

    async def limit_frames(self, size: int) -> None:
        """Frames of this many bytes at most, on links that are yet to be made."""
        raise NotImplementedError

    def affords(self, seconds: float) -> None:
        """``Skip`` if nobody wants to wait that long."""

    async def late(self, seconds: float) -> None:
        """Let time pass for the device alone."""
        self.lateness += seconds

    async def reboot(self) -> None:
        """The vehicle starts anew: links end, and its fast keys are gone."""
        await self.sim.reboot()

    # -- what the player tells ---------------------------------------------------------------------------------

    def step(self, conn: int, what: str) -> None:
        self.steps.append((conn, what))
        self.moved.set()

    def hears(self, conn: int, message: bytes, plaintext: bytes | None, frames: Sequence[bytes]) -> None:
        self.said.append((conn, message))
        self.tape.message(TO_VEHICLE, message, plaintext, tuple(frames))
        self.step(conn, "said")

    def tells(self, message: bytes, plaintext: bytes | None, frames: Sequence[bytes]) -> None:
        self.tape.message(TO_DEVICE, message, plaintext, tuple(frames))


class _Lane:
    """One link: whole messages of both sides, and the frames that really leave."""

    def __init__(self) -> None:
        self.up, self.own, self.given = Reassembler(), Reassembler(), Fragmenter()
        self.up.limit = self.own.limit = AFTER_AUTHENTICATION
        self.waiting: deque[bytes] = deque()
        self.parts: list[bytes] = []
        """Of the device's message that is on its way."""


class Player(Brain):
    """Honest; what goes out and comes in passes through the showroom."""

    def __init__(self, room: Showroom, *parts: Any) -> None:
        self._room = room
        self._lanes: dict[int, _Lane] = {}
        super().__init__(*parts)

    def connected(self, conn: int) -> None:
        super().connected(conn)
        self._lanes[conn] = _Lane()
        self._room.newest = max(self._room.newest, conn)
        self._room.linked.add(conn)
        self._room.step(conn, "connected")

    def info(self, conn: int) -> bytes:
        self._room.step(conn, "info")
        return self._room.told_info(super().info(conn))

    def subscribed(self, conn: int) -> None:
        self._room.step(conn, "subscribed")
        super().subscribed(conn)

    def frame(self, conn: int, frame: bytes) -> None:
        lane, guest = self._lanes.get(conn), self._guests.get(conn)
        session = None if guest is None else guest.session
        if isinstance(session, Noting):
            session.last_heard = None
        if self._room.hears_error or frame[1:2] != bytes((MessageType.ERROR,)):
            super().frame(conn, frame)
        if lane is not None:
            with contextlib.suppress(ProtocolError):
                message = lane.up.push(frame, 0.0)
                lane.parts.append(frame)
                if message is not None:
                    heard = session.last_heard if isinstance(session, Noting) else None
                    self._room.hears(conn, message, heard, lane.parts)
                    lane.parts.clear()

    def disconnected(self, conn: int) -> None:
        super().disconnected(conn)
        self._lanes.pop(conn, None)
        self._room.linked.discard(conn)
        self._room.step(conn, "gone")

    def say(self, conn: int, *messages: bytes) -> None:
        """These go out behind what waits."""
        if conn in self._lanes:
            self._lanes[conn].waiting.extend(messages)
            self.dirty.add(conn)

    def outgoing(self, conn: int, max_frame: int) -> Iterator[bytes]:
        lane, guest = self._lanes.get(conn), self._guests.get(conn)
        if lane is None or guest is None:
            return
        sealed = guest.session.said if isinstance(guest.session, Noting) else {}
        for frame in list(super().outgoing(conn, MAX_FRAME)):
            message = lane.own.push(frame, 0.0)
            lane.waiting.extend([] if message is None else self._room.down(message))
        while lane.waiting:
            message = lane.waiting.popleft()
            parts = [self._room.raw(part) for part in lane.given.split(message, max_frame)]
            self._room.tells(message, sealed.get(message), parts)
            yield from parts

    def _execute(self, guest: Any, command: Any) -> Any:
        self._room.commands.append(command.number)
        return super()._execute(guest, command)

    def _on_presented(self, conn: int, guest: Any, presented: Any) -> None:
        self._room.wants_events = presented.subscribe
        super()._on_presented(conn, guest, presented)


def silent_kinds(room: Showroom) -> list[str]:
    """What the device has said besides ERROR, by name."""
    return [MessageType(kind).name for kind in room.kinds() if kind != MessageType.ERROR]
