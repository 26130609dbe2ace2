"""A simulated vehicle under test, with its clock and hands, met over links in memory or over the virtual radio."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from keygw.model.errors import LinkError
from keygw.model.ids import Random
from keygw.model.vehicle import Vehicle
from keygw.wire import gatt
from keygw_sim.chance import chance
from keygw_sim.conformance.ports import Advertised, Layout
from keygw_sim.rehearsal import ISSUED_AT
from keygw_sim.vehicle import brain as brains
from keygw_sim.vehicle.flash import Flash, Issuer, MemoryFlash
from keygw_sim.vehicle.runner import new_vehicle

Make = Callable[..., brains.Brain]
TICK_S = 0.5
ANSWER_S, QUIET_S = 4.0, 0.12
"""On the virtual radio: a round trip takes 2 ms."""


class SimulatedVehicle:
    """``Hands`` as well. ``trust`` is what the factory does: which issuer, whose device is an owner's.

    ``clock`` gives the seconds that the vehicle counts; ``warped`` of them have not really passed. ``make``: which
    brain it has. ``flash``: where it keeps what it knows; ``random``: its chance, else the seed's.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        seed: str = "conformance",
        *,
        make: Make | None = None,
        flash: Flash | None = None,
        random: Random | None = None,
    ) -> None:
        self.warped = 0.0
        self._clock = clock
        self._make: Make = make or brains.Brain
        chances: Random = chance(seed, "vehicle")
        self._flash = flash or MemoryFlash()
        self.codes: list[str] = []
        made = new_vehicle("Vehicle under test", chances)
        self._random = random or chances
        self._memory = self._flash.load() or made
        self.on_reboot: Callable[[], None] = lambda: None
        self.on_change: Callable[[], None] = lambda: None
        self.brain: brains.Brain

    @property
    def vehicle(self) -> Vehicle:
        memory = self._memory
        return Vehicle(memory.vehicle_id, memory.name, memory.signer.public_key, memory.advertising_key)

    def now(self) -> float:
        """The seconds that the vehicle counts."""
        return self._clock() + self.warped

    def unix(self) -> float:
        """What the issuer's clock shows."""
        return ISSUED_AT + self.now()

    def trust(self, issuer: Issuer, *owners: bytes) -> None:
        """Leave the factory, and start. ``owners``: thumbprints of their devices."""
        memory = self._memory
        memory.issuers += [] if issuer in memory.issuers else [issuer]
        memory.owners += [owner for owner in owners if owner not in memory.owners]
        self.brain = self._make(memory, self._flash, self._random, self.now, self._log)

    def warp(self, seconds: float) -> None:
        """Let time pass in steps, as a clock does: what is due in between falls due in between."""
        left = seconds
        while left > 0:
            step = min(left, max(TICK_S, seconds / 50))
            self.warped += step
            left -= step
            self.brain.tick()
            self.on_change()

    async def set_body(self, **changes: object) -> None:
        self.brain.set_body(changes)
        self.on_change()

    async def open_pairing(self) -> str:
        self.brain.open_pairing()
        self.on_change()
        return self.codes[-1]

    async def remove_key(self, key_id: str) -> None:
        self.brain.remove_key(key_id)
        self.on_change()

    async def reboot(self) -> None:
        """All that is left is what was on the flash; every link is gone."""
        self.on_reboot()
        stored = self._flash.load()
        if stored is not None:
            self.brain = self._make(stored, self._flash, self._random, self.now, self._log)

    def _log(self, what: str, data: dict[str, object]) -> None:
        if what == "pairing_code":
            self.codes.append(str(data["code"]))


class MemoryGround:
    """Links in memory: what is sent arrives at once, so what has not come will not come, and nobody waits."""

    answer_s, quiet_s, in_memory = 0.0, 0.0, True

    def __init__(self, max_frame: int = gatt.MAX_FRAME, seed: str = "conformance") -> None:
        self.sim = SimulatedVehicle(lambda: 100.0, seed)
        self.sim.on_change, self.sim.on_reboot = self._pump, self._cut
        self.max_frame = max_frame
        self.breakdowns: list[str] = []
        """What the vehicle raised and should not have: a board would have started anew."""
        self._wires: dict[int, MemoryWire] = {}
        self._opened = 0

    def clock(self) -> float:
        return self.sim.now()

    async def pass_time(self, seconds: float) -> None:
        self.sim.warp(seconds)

    async def hear(self, seconds: float) -> list[Advertised]:
        """What the brain would advertise; how it is put into the air is the radio's part."""
        name = gatt.advertised_name(self.sim.brain.rotating_id)
        return [Advertised("memory", name, (gatt.SERVICE,))]

    async def connect(self) -> MemoryWire:
        self._opened += 1
        wire = MemoryWire(self, self._opened)
        self._wires[self._opened] = wire
        self.sim.brain.connected(self._opened)
        self._pump()
        return wire

    async def close(self) -> None:
        self._cut()

    def gone(self, conn: int) -> None:
        if self._wires.pop(conn, None) is not None:
            self.sim.brain.disconnected(conn)

    def _pump(self) -> None:
        """Carry to everybody what waits for them; who is finished is dropped behind it."""
        brain = self.sim.brain
        for conn, wire in list(self._wires.items()):
            if wire.subscribed:
                wire.frames.extend(brain.outgoing(conn, self.max_frame))
        for conn in brain.finished:
            self.gone(conn)

    def _cut(self) -> None:
        for conn in list(self._wires):
            self.gone(conn)

    def on(self, conn: int, act: Callable[[], Any]) -> None:
        """The vehicle does something; one that breaks down in it loses the link, as a board that reboots would."""
        if conn not in self._wires:
            raise LinkError("the link has ended", code="link_lost")
        try:
            act()
        except Exception as error:  # a defect under test may be anything
            self.breakdowns.append(repr(error))
            self.gone(conn)
            raise LinkError("the vehicle broke down", code="link_lost") from error
        self._pump()

    def alive(self, conn: int) -> bool:
        return conn in self._wires


class MemoryWire:
    """One connection in memory."""

    def __init__(self, ground: MemoryGround, conn: int) -> None:
        self.frames: deque[bytes] = deque()
        self.subscribed = False
        self._ground, self._conn = ground, conn

    @property
    def max_frame(self) -> int:
        return self._ground.max_frame

    async def layout(self) -> Layout | None:
        return None

    async def read_info(self) -> bytes:
        return self._ground.sim.brain.info(self._conn)

    async def subscribe(self) -> None:
        self.subscribed = True
        self._ground.on(self._conn, lambda: self._ground.sim.brain.subscribed(self._conn))

    async def send(self, frame: bytes) -> None:
        self._ground.on(self._conn, lambda: self._ground.sim.brain.frame(self._conn, frame))

    async def receive(self, seconds: float) -> bytes | None:
        if self.frames:
            return self.frames.popleft()
        if not self._ground.alive(self._conn):
            raise LinkError("the link has ended", code="link_lost")
        return None

    async def close(self) -> None:
        self._ground.gone(self._conn)
        await asyncio.sleep(0)
