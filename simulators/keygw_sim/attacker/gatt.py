"""A central that speaks ATT and nothing else, and that badly: every operation, on every handle, of every length.

Seeded: the same seed does the same again, in slow time. The car must answer or send away, keep nothing for it, and
serve its owner afterwards.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import struct
import tracemalloc
from collections.abc import Callable, Iterator

from bleak.exc import BleakError
from bumble import hci
from bumble.att import ATT_CID
from bumble.device import Advertisement, Connection, Device

from keygw.ble.bumble_host import BumbleHost
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.between import Street
from keygw_sim.attacker.scene import Scene
from keygw_sim.attacker.slow_time import in_slow_time
from keygw_sim.vehicle.gatt import MAX_CONNECTIONS

SEED = 20260
CONNECTIONS = 10
OPERATIONS = 30
FLOOD = 700
"""Write commands in one go: more than the car's inbox of 512 holds."""
WARM_UP = 4
"""Connections after which nothing may grow any more: by then every table of Bumble's is filled."""
KIB_GROWN = 256
HANDLES = 40
LENGTHS = (0, 1, 2, 3, 19, 20, 21, 200, 511, 512, 513, 600)


class _Central:
    """One adapter that connects to whoever advertises, and writes ATT packets as they come to its mind."""

    def __init__(self, host: BumbleHost, chance: random.Random) -> None:
        self._host, self._chance = host, chance
        self.sent = 0

    async def connect(self) -> Connection:
        device = await self._host.ready()
        heard: asyncio.Future[hci.Address] = asyncio.get_running_loop().create_future()

        def hear(advertisement: Advertisement) -> None:
            if not heard.done():
                heard.set_result(advertisement.address)

        device.on(Device.EVENT_ADVERTISEMENT, hear)
        await self._host.command(device.start_scanning(active=False))
        address = await asyncio.wait_for(heard, 5)
        device.remove_listener(Device.EVENT_ADVERTISEMENT, hear)
        await self._host.command(device.stop_scanning())
        return await self._host.connect(address, 5)

    async def leave(self, connection: Connection) -> None:
        await self._host.command(connection.disconnect())

    async def misbehave(self, connection: Connection) -> None:
        gone = asyncio.Event()
        connection.on(Connection.EVENT_DISCONNECTION, lambda _: gone.set())
        for _ in range(OPERATIONS):
            for packet in self._operation():
                if gone.is_set():
                    return
                connection.device.send_l2cap_pdu(connection.handle, ATT_CID, packet)
                self.sent += 1
            await asyncio.sleep(self._chance.choice((0, 0.001, 0.1)))

    def _operation(self) -> Iterator[bytes]:
        kinds: tuple[Callable[[], Iterator[bytes]], ...] = (
            self._noise, self._writes, self._prepared, self._subscriptions, self._mtu, self._reads, self._searches,
            self._out_of_turn,
        )  # fmt: skip
        if self._chance.random() < 1 / OPERATIONS:
            return self._flood()
        return self._chance.choice(kinds)()

    def _bytes(self) -> bytes:
        return self._chance.randbytes(self._chance.choice(LENGTHS))

    def _handle(self) -> int:
        return self._chance.choice((self._chance.randrange(HANDLES), 0, 0xFFFF))

    def _noise(self) -> Iterator[bytes]:
        yield bytes((self._chance.randrange(256),)) + self._bytes()

    def _writes(self) -> Iterator[bytes]:
        yield struct.pack("<BH", self._chance.choice((0x12, 0x52, 0xD2)), self._handle()) + self._bytes()

    def _prepared(self) -> Iterator[bytes]:
        handle = self._handle()
        for _ in range(self._chance.randrange(1, 40)):
            offset = self._chance.choice((0, 18, 500, 65535))
            yield struct.pack("<BHH", 0x16, handle, offset) + self._bytes()[:18]
        yield bytes((0x18, self._chance.choice((0, 1, 7))))

    def _subscriptions(self) -> Iterator[bytes]:
        for handle in range(self._chance.randrange(HANDLES)):
            value = self._chance.choice((b"\x01\x00", b"\x00\x00", b"\x02\x00", b"\xff\xff", b"\x01", b""))
            yield struct.pack("<BH", 0x12, handle) + value

    def _mtu(self) -> Iterator[bytes]:
        for _ in range(self._chance.randrange(1, 4)):
            yield struct.pack("<BH", 0x02, self._chance.choice((0, 1, 22, 23, 185, 517, 65535)))

    def _reads(self) -> Iterator[bytes]:
        yield struct.pack("<BH", 0x0A, self._handle())
        yield struct.pack("<BHH", 0x0C, self._handle(), self._chance.choice((0, 1, 512, 65535)))
        yield struct.pack("<BHH", 0x0E, self._handle(), self._handle())

    def _searches(self) -> Iterator[bytes]:
        start, end = self._handle(), self._handle()
        yield struct.pack("<BHH", 0x04, start, end)
        for code in (0x08, 0x10):
            yield struct.pack("<BHH", code, start, end) + self._chance.randbytes(self._chance.choice((0, 2, 3, 16)))

    def _out_of_turn(self) -> Iterator[bytes]:
        """What only a server says, and the confirmation of what was never indicated."""
        yield bytes((self._chance.choice((0x01, 0x03, 0x0B, 0x13, 0x1B, 0x1D, 0x1E)),)) + self._bytes()

    def _flood(self) -> Iterator[bytes]:
        handle, frame = self._handle(), self._bytes()[:20]
        for _ in range(FLOOD):
            yield struct.pack("<BH", 0x52, handle) + frame


class _Complaints(logging.Handler):
    """What the car's own code could not cope with; it logs that, and goes on."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextlib.contextmanager
def _listening() -> Iterator[list[str]]:
    """What is complained of. Bumble tells of every bad packet, and whoever keeps its words would seem to grow."""
    ours, handler = logging.getLogger("keygw_sim.vehicle"), _Complaints()
    quiet = [(each, each.level) for each in (logging.getLogger("bumble"), logging.getLogger("asyncio"))]
    for each, _ in quiet:
        each.setLevel(logging.CRITICAL)
    ours.addHandler(handler)
    try:
        yield handler.said
    finally:
        ours.removeHandler(handler)
        for each, level in quiet:
            each.setLevel(level)


@attack(
    "gatt-fuzz",
    f"{CONNECTIONS} connections of {OPERATIONS} ATT operations each, wrong in every way: handles, lengths, prepared "
    "writes, descriptors, MTUs, answers nobody asked for, floods",
    protects="nothing but RX and the subscription takes a write; what is wrong gets an ATT error; frames "
    "wait in a queue of 512, and who overfills it is sent away",
    expected="done",
    recorded=("log: refused protocol_violation x7",),
    remains="each connection costs the car radio time; there are four, and the oldest stranger makes room for a phone",
)
async def fuzz(scene: Scene) -> str:
    chance = random.Random(SEED)  # noqa: S311 - to be repeated, not to be guessed
    grown, central_sent = [0], [0]

    async def story(clock: Callable[[], float]) -> str:
        street = Street(scene, clock)
        async with contextlib.AsyncExitStack() as stack:
            await street.meet(stack, car_mtu=517, box_mtu=517)
            await street.still_serves()
            scene.strike()
            host = BumbleHost(await street.here.opener())
            stack.push_async_callback(host.close)
            central = _Central(host, chance)
            before = 0
            tracemalloc.start()
            try:
                for number in range(CONNECTIONS):
                    if number == WARM_UP:
                        gc.collect()
                        before, _ = tracemalloc.get_traced_memory()
                    await _visit(scene, street, central, chance)
                gc.collect()
                grown[0] = (tracemalloc.get_traced_memory()[0] - before) // 1024
            finally:
                tracemalloc.stop()
            central_sent[0] = central.sent
            scene.record_ends()
            await street.still_serves()
        return "done"

    def tell(now: float) -> None:
        scene.garage.monotonic = now

    with _listening() as complaints:
        came = await in_slow_time(story, tell, scene.garage.monotonic + 60)
    scene.detail = f"{central_sent[0]} packets, seed {SEED}; the process has grown by {grown[0]} KiB"
    scene.must(not complaints, f"the car did not expect it: {complaints[:1]}")
    scene.must(grown[0] < KIB_GROWN, f"the process has grown by {grown[0]} KiB")
    return came


async def _visit(scene: Scene, street: Street, central: _Central, chance: random.Random) -> None:
    try:
        connection = await central.connect()
    except (BleakError, TimeoutError):
        await asyncio.sleep(0.5)
        return
    await central.misbehave(connection)
    scene.must(len(street.car.connections) <= MAX_CONNECTIONS, "more connections than there are places")
    if chance.random() < 0.7:
        with contextlib.suppress(BleakError):  # it may have been sent away
            await central.leave(connection)
    await asyncio.sleep(0.2)
