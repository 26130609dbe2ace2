"""Links without a radio, each in the hands of the adversary: every frame passes through ``Ether.weather``.

A car's end is no task: what reaches it is handed to its brain at once, and what the brain says goes back the same way.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from keygw.model.errors import LinkError
from keygw.vehicle.ports import ATT_AND_L2CAP, AirCount, Sighting
from keygw.wire.frame import SEQUENCE
from keygw_sim.world.weather import CLEAR, Weather

if TYPE_CHECKING:
    from keygw_sim.world.car import SimulatedCar

LOOK_SECONDS = 0.5
"""How often a radio that waits for a car looks again."""
CONNECT = (0.05, 0.3)
FRAMES = (512, 512, 244, 244, 182, 64, 20)
"""What links of different ages carry at once."""
MOST_UNREAD = 512
APART = 1e-6
MOST_TAPED = 8

Taped = tuple[bytes, ...]


class Ether:
    """Everything in reach of everything, but for who is ``away``. ``tapes``: what devices once sent to which car."""

    def __init__(self, seed: str, cars: Sequence[SimulatedCar]) -> None:
        self.seed = seed
        self.cars = cars
        self.weather: Weather = CLEAR
        self.tapes: dict[str, deque[Taped]] = {car.name: deque(maxlen=MOST_TAPED) for car in cars}
        self.frames = 0
        self.on_frame: Callable[[str, bool, bytes], None] = lambda link, to_car, frame: None

    def found(self, wanted: Callable[[bytes], bool], who: str) -> SimulatedCar | None:
        return next((car for car in self.cars if car.hears(who) and wanted(car.brain.rotating_id)), None)


class Radio:
    """``vehicle.ports.Air`` of one device, in its life of that number. ``fair``: the adversary leaves its links alone,
    being its owner."""

    def __init__(self, ether: Ether, who: str, life: int = 0, *, fair: bool = False) -> None:
        self.who = who
        self.fair = fair
        self._ether = ether
        self._chance = random.Random(f"{ether.seed} radio {who} {life}")
        self._wires: dict[int, Wire] = {}
        self._life = life
        self._opened = 0

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        await asyncio.sleep(min(seconds, LOOK_SECONDS))
        return [Sighting(car.brain.rotating_id, -60) for car in self._ether.cars if car.hears(self.who)]

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> Wire:
        until = asyncio.get_running_loop().time() + timeout
        while True:
            await asyncio.sleep(min(self._chance.uniform(*CONNECT), timeout))
            car = self._ether.found(wanted, self.who)
            if car is not None:
                break
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                raise LinkError("nobody there", code="out_of_range")
            await asyncio.sleep(min(left, LOOK_SECONDS))
        self._opened += 1
        wire = Wire(self._ether, car, f"{self.who}.{self._life}.{self._opened}", self._chance, fair=self.fair)
        self._wires[self._opened] = wire
        wire.on_cut = lambda number=self._opened: self._wires.pop(number, None)  # type: ignore[misc]  # binds its value
        wire.connect()
        return wire

    async def close(self) -> None:
        self.die()

    def die(self) -> None:
        """Its power is gone: every link ends."""
        for wire in list(self._wires.values()):
            wire.cut("the device is gone")


class Wire:
    """``vehicle.ports.Link``, and the car's end of it."""

    def __init__(
        self, ether: Ether, car: SimulatedCar, name: str, chance: random.Random, *, fair: bool = False
    ) -> None:
        self.name = name
        self.who = name.partition(".")[0]
        self.car = car
        self.peer = car.name
        self.info = b""
        self.max_frame = chance.choice(FRAMES)
        self.count = AirCount()
        self.ended: str | None = None
        self.on_cut: Callable[[], object] = lambda: None
        self._ether = ether
        self._chance = chance
        self._fair = fair
        self._conn = 0
        self._unread: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._due = [0.0, 0.0]
        """When the latest frame in order arrives: at the device, at the car."""
        self._tape: list[bytes] = []
        self._numbers = chance.random() < 0.5
        """Whether the adversary numbers the frames anew, so that framing does not notice what was done to them."""
        self._numbered = [0, 0]
        self._finishing = False

    def connect(self) -> None:
        self._conn, self.info = self.car.connected(self)

    # The device's end

    async def send(self, frame: bytes) -> None:
        if not 0 < len(frame) <= self.max_frame:
            raise ValueError(f"a frame has 1 to {self.max_frame} bytes here, not {len(frame)}")
        if self.ended is not None:
            raise self._lost()
        self.count.frames_out += 1
        self.count.air_bytes += len(frame) + ATT_AND_L2CAP
        self._tape.append(frame)
        self._carry(frame, to_car=True)

    async def receive(self) -> bytes:
        while not self._unread:
            if self.ended is not None:
                raise self._lost()
            self._arrived.clear()
            await self._arrived.wait()
        return self._unread.popleft()

    async def close(self) -> None:
        self.cut("closed by the device")

    # The car's end

    def answer(self, frame: bytes) -> None:
        self._carry(frame, to_car=False)

    def finish(self) -> None:
        """The car has no more to say: cut, once all that is in order is out."""
        if self._finishing:
            return
        self._finishing = True
        loop = asyncio.get_running_loop()
        loop.call_at(max(self._due[0], loop.time()) + 0.001, self.cut, "the car has ended it")

    # The adversary's middle

    def cut(self, reason: str) -> None:
        """What has arrived stays readable; what is under way is lost."""
        if self.ended is not None:
            return
        self.ended = reason
        self._arrived.set()
        if self._tape:
            self._ether.tapes[self.car.name].append(tuple(self._tape))
        self.car.disconnected(self._conn)
        self.on_cut()

    def _carry(self, frame: bytes, *, to_car: bool) -> None:
        self._ether.frames += 1
        self._ether.on_frame(self.name, to_car, frame)
        weather = CLEAR if self._fair else self._ether.weather
        copies = weather.carry(frame, self._chance)
        if copies is None:
            self.cut("cut")
            return
        loop = asyncio.get_running_loop()
        for seconds, copy, in_order in copies:
            at = loop.time() + seconds
            if in_order:
                at = self._due[to_car] = max(self._due[to_car] + APART, at)  # two timers of one moment have no order
            loop.call_at(at, self._arrives_at_car if to_car else self._arrives, copy)

    def _arrives(self, frame: bytes) -> None:
        if self.ended is not None:
            return
        if len(self._unread) >= MOST_UNREAD:
            self._unread.clear()
            self.cut("too many frames unread")
            return
        self.count.frames_in += 1
        self.count.air_bytes += len(frame) + ATT_AND_L2CAP
        self._unread.append(self._number(frame, 0))
        self._arrived.set()

    def _arrives_at_car(self, frame: bytes) -> None:
        if self.ended is None:
            self.car.hear(self._conn, self._number(frame, 1))

    def _number(self, frame: bytes, to_car: int) -> bytes:
        if not self._numbers or self._fair:
            return frame
        number, self._numbered[to_car] = self._numbered[to_car], self._numbered[to_car] + 1
        return bytes((frame[0] & ~SEQUENCE | number & SEQUENCE,)) + frame[1:]

    def _lost(self) -> LinkError:
        return LinkError(
            f"the link to the vehicle was lost; connect again ({self.ended})",
            code="link_lost",
            may_have_happened=self.count.frames_out > 0,
        )
