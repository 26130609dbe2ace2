"""The same trades on the air: bleak over Bumble, real advertisements, real connections, two radios if need be."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Collection, Sequence

from keygw.ble.air import BleAir
from keygw.ble.bumble_host import HciOpener
from keygw.ble.link import BleLink
from keygw.ble.trace.tap import TraceFile, tapped
from keygw.model.command import Action
from keygw.model.errors import KeygwError, LinkError
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import Air, HeldKey, Sighting
from keygw.wire.messages import Cmd, MessageType, decode_info
from keygw_sim.attacker.attack import attack
from keygw_sim.attacker.scene import Scene
from keygw_sim.attacker.tools import UNLINKED
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.gatt import MAX_CONNECTIONS, GattPeripheral
from keygw_sim.vehicle.runner import VehicleOnAir

SOON = 5.0


def _closing(file: TraceFile) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        file.close()

    return close


class Ether:
    """A virtual radio, and who is on it; everything on it ends with the scene."""

    def __init__(self, scene: Scene, radio: VirtualRadio) -> None:
        self._scene, self._radio = scene, radio
        self._numbers = itertools.count(1)
        self._later: Callable[[Callable[[], Awaitable[None]]], object] = scene.finally_

    @classmethod
    async def of(cls, scene: Scene) -> Ether:
        return cls(scene, await scene.enter(VirtualRadio()))

    @classmethod
    async def within(cls, stack: contextlib.AsyncExitStack, scene: Scene, first: int) -> Ether:
        """On a stack of the caller's, for a story in a loop of its own. ``first``: number of its first capture."""
        ether = cls(scene, await stack.enter_async_context(VirtualRadio()))
        ether._numbers = itertools.count(first)
        ether._later = stack.push_async_callback
        return ether

    async def with_car(self) -> Ether:
        """The scene's car comes on the air."""
        vehicle = VehicleOnAir(self._scene.garage.brain, await self.opener())
        await vehicle.start()
        self._scene.finally_(vehicle.stop)
        return self

    async def opener(self) -> HciOpener:
        """One more controller."""
        port = await self._radio.add_controller(tcp=False)
        if self._scene.trace is None:
            return port.open
        path = self._scene.trace.with_name(f"{self._scene.trace.name}.radio-{next(self._numbers)}.btsnoop")
        path.unlink(missing_ok=True)
        file = TraceFile(path)
        self._later(_closing(file))
        return tapped(port.open, file)

    async def air(self) -> BleAir:
        """One more Bluetooth adapter."""
        air = BleAir.bumble(await self.opener())
        self._scene.finally_(air.close)
        return air

    async def link(self, air: BleAir | None = None) -> BleLink:
        """A bare link to whoever advertises, with no session on it."""
        return await (air or await self.air()).open(lambda rotating: True, SOON)


async def unlocks(scene: Scene, air: Air, action: Action = Action.UNLOCK, held: HeldKey | None = None) -> str:
    """The owner's app, on that adapter."""
    garage = scene.garage
    held = held or HeldKey(garage.office.hand(garage.claims("owner")), garage.signers["owner"])
    try:
        talk = await Conversation.open(air, garage.vehicle, held, garage.random, SOON)
    except LinkError as error:
        return error.code
    try:
        return (await talk.authenticate(Cmd(scene.next_conn(), action))).outcome.label
    except KeygwError as error:
        return error.code
    finally:
        await talk.close()


class _Tape:
    """An adapter whose frames somebody writes down (``Air``)."""

    def __init__(self, air: BleAir) -> None:
        self._air = air
        self.frames: list[bytes] = []

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        return await self._air.scan(seconds)

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> BleLink:
        link = await self._air.open(wanted, timeout, avoid)
        send = link.send

        async def taped(frame: bytes) -> None:
            self.frames.append(frame)
            await send(frame)

        link.send = taped  # type: ignore[method-assign]  # as an antenna near by would
        return link

    async def close(self) -> None:
        await self._air.close()


@attack(
    "air-replay",
    "listens to the owner's unlock with an antenna, and sends the same frames on a connection of its own",
    protects="both sides bring a fresh ephemeral key to every handshake",
    expected="refused",
    recorded=("log: refused protocol_violation",),
)
async def replay(scene: Scene) -> str:
    ether = await (await Ether.of(scene)).with_car()
    tape = _Tape(await ether.air())
    scene.must(await unlocks(scene, tape) == "done", "the owner cannot unlock")
    scene.must(await unlocks(scene, tape, Action.LOCK) == "done", "the owner cannot lock")
    goodbye = next(n for n, frame in enumerate(tape.frames) if frame[1] == MessageType.ERROR)
    scene.strike()
    link = await ether.link()
    for frame in tape.frames[:goodbye]:
        await link.send(frame)
    return await _ending(link)


@attack(
    "air-stolen-token",
    "connects with the owner's key token and a device key of its own",
    protects="the token is bound to a device key",
    expected="link_lost",
    recorded=("log: refused protocol_violation",),
)
async def stolen_token(scene: Scene) -> str:
    ether = await (await Ether.of(scene)).with_car()
    garage = scene.garage
    held = HeldKey(garage.office.hand(garage.claims("owner")), garage.signers["stranger"])
    scene.strike()
    return await unlocks(scene, await ether.air(), held=held)


@attack(
    "air-flood",
    f"takes all {MAX_CONNECTIONS} connections of the car, begins a handshake on each, and sits there",
    protects="nobody sits on a connection: the oldest without a proven key makes room for who comes next",
    expected="done",
    recorded=("receipt: done x2",),
    remains="who connects faster than the owner's phone can finish still keeps it out, and so does who jams the air",
)
async def flood(scene: Scene) -> str:
    ether = await (await Ether.of(scene)).with_car()
    sitting = [await ether.link() for _ in range(MAX_CONNECTIONS)]
    for link in sitting:
        await link.send(b"\xc0\x10\x00\x06\x58\x20" + bytes(31) + b"\x09\x00")
    scene.strike()
    air = await ether.air()
    came = await unlocks(scene, air)
    scene.must(await unlocks(scene, air, Action.LOCK) == "done", "the owner cannot lock")
    return came


class _Liar:
    """A false car on the air: it says HELLO nonsense to whoever subscribes (``PeripheralHandler``)."""

    def __init__(self) -> None:
        self.met = 0
        self.peripheral: GattPeripheral | None = None

    def connected(self, conn_id: int) -> None:
        self.met += 1

    async def subscribed(self, conn_id: int) -> None:
        if self.peripheral is not None:
            await self.peripheral.notify(conn_id, b"\xc0\x01not a HELLO")

    def frame(self, conn_id: int, data: bytes) -> None:
        return

    def disconnected(self, conn_id: int) -> None:
        return

    def info(self, conn_id: int) -> bytes:
        return b"\x82\x81\x01\x46\x00\x00\x00\x00\x00\x00"

    def privileged(self, conn_id: int) -> bool:
        return False


@attack(
    "air-false-car",
    "advertises the id that the real car was heard with, and answers in its place",
    protects="whoever cannot go on is left for the next one that answers to the id; nothing is told to it",
    expected="done",
    recorded=("receipt: done x2",),
    remains="each false car costs the owner a moment, at worst a second",
)
async def false_car(scene: Scene) -> str:
    ether = await Ether.of(scene)
    liar = _Liar()
    liar.peripheral = GattPeripheral(await ether.opener(), liar, interval_ms=20.0)
    await liar.peripheral.start()
    scene.finally_(liar.peripheral.stop)
    await liar.peripheral.advertise(scene.garage.brain.rotating_id)
    air = await ether.air()
    scene.must(bool(await air.scan(0.05)), "the false car is not heard")
    await ether.with_car()
    scene.strike()
    came = await unlocks(scene, air)
    scene.must(liar.met == 1, f"the false car was met {liar.met} times")
    scene.must(await unlocks(scene, air, Action.LOCK) == "done", "the owner cannot lock")
    return came


class _RelayBox:
    """Stands beside the owner, advertises as the car, and carries every frame to its twin beside the car."""

    def __init__(self, there: BleLink) -> None:
        self._there = there
        self.peripheral: GattPeripheral | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def connected(self, conn_id: int) -> None:
        return

    def subscribed(self, conn_id: int) -> None:
        task = asyncio.create_task(self._back(conn_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def frame(self, conn_id: int, data: bytes) -> None:
        await self._there.send(data)

    def disconnected(self, conn_id: int) -> None:
        for task in self._tasks:
            task.cancel()

    def info(self, conn_id: int) -> bytes:
        return self._there.info

    def privileged(self, conn_id: int) -> bool:
        return True

    async def _back(self, conn_id: int) -> None:
        try:
            while self.peripheral is not None:
                await self.peripheral.notify(conn_id, await self._there.receive())
        except LinkError:
            return


@attack(
    "air-relay",
    "two boxes with radios of their own: one beside the owner, who is far away and taps, one beside the car",
    protects="nothing in plain BLE: there is no distance evidence yet",
    expected="done",
    recorded=("receipt: done",),
    remains="the car unlocks, as in relay-fast: what a relay adds is lost in what a handshake takes anyway",
    stopped=False,
)
async def relay(scene: Scene) -> str:
    at_the_car = await (await Ether.of(scene)).with_car()
    straight = await at_the_car.air()
    await unlocks(scene, straight, Action.LOCK)
    started = time.perf_counter()
    scene.must(await unlocks(scene, straight, Action.LOCK) == "already_in_state", "the owner cannot lock")
    direct = time.perf_counter() - started
    far_away = await Ether.of(scene)
    scene.strike()
    box = _RelayBox(await at_the_car.link())
    box.peripheral = GattPeripheral(await far_away.opener(), box)
    await box.peripheral.start()
    scene.finally_(box.peripheral.stop)
    await box.peripheral.advertise(decode_info(box.info(0))[1])
    started = time.perf_counter()
    came = await unlocks(scene, await far_away.air())
    relayed = time.perf_counter() - started
    scene.detail = f"{1000 * direct:.0f} ms straight, {1000 * relayed:.0f} ms through the relay, connecting included"
    return came


@attack(
    "air-track-car",
    "connects to the car again and again and notes its Bluetooth address and its id",
    protects="a fresh non-resolvable address with every fresh id",
    expected=UNLINKED,
)
async def track_car(scene: Scene) -> str:
    ether = await (await Ether.of(scene)).with_car()
    air, seen = await ether.air(), []
    scene.strike()
    for _ in range(3):
        link = await ether.link(air)
        seen.append((link.peer, link.info))
        await link.close()
    marks = [mark for pair in seen for mark in pair]
    return UNLINKED if len(set(marks)) == len(marks) else "in common: an address or an id"


async def _ending(link: BleLink) -> str:
    """The ERROR that comes, or that the link ends without one."""
    async with asyncio.timeout(SOON):
        while True:
            try:
                frame = await link.receive()
            except LinkError as error:
                return error.code
            if frame[0] & 0x80 and frame[1] == MessageType.ERROR:
                return {1: "refused", 2: "session_over"}.get(frame[2], "error")
