"""The vehicle's GATT server: several centrals, floods, early words, changing ids, a dying radio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from typing import TypeVar

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError

from keygw.ble.air import BleAir
from keygw.ble.bumble_backend import bumble_backends
from keygw.ble.bumble_host import BumbleHost
from keygw.model.errors import LinkError
from keygw.wire import gatt
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.echo import EchoVehicle
from keygw_sim.vehicle.gatt import INBOX_FRAMES, GattPeripheral

T = TypeVar("T")

RID = bytes.fromhex("010203040506")
LAST = 0xC0


async def soon(work: Awaitable[T], seconds: float = 2.0) -> T:
    return await asyncio.wait_for(work, seconds)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


@pytest.fixture
async def radio(stack: AsyncExitStack) -> VirtualRadio:
    return await stack.enter_async_context(VirtualRadio())


class Silent:
    """A handler that notes what it gets and, on request, is slow or fails."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.changed = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False
        self.friends: set[int] = set()

    def connected(self, conn_id: int) -> None:
        self._note("connected", conn_id)

    def subscribed(self, conn_id: int) -> None:
        self._note("subscribed", conn_id)

    async def frame(self, conn_id: int, data: bytes) -> None:
        await self.gate.wait()
        if self.broken:
            raise RuntimeError("a bug in the vehicle")
        self._note("frame", conn_id)

    async def disconnected(self, conn_id: int) -> None:
        self._note("disconnected", conn_id)

    def info(self, conn_id: int) -> bytes:
        return bytes([1, conn_id]) * 100

    def privileged(self, conn_id: int) -> bool:
        return conn_id in self.friends

    async def until(self, what: str, count: int = 1) -> None:
        async with asyncio.timeout(2.0):
            while [kind for kind, _ in self.seen].count(what) < count:
                self.changed.clear()
                await self.changed.wait()

    def _note(self, what: str, conn_id: int) -> None:
        self.seen.append((what, conn_id))
        self.changed.set()


async def client(radio: VirtualRadio, stack: AsyncExitStack) -> BleakClient:
    """A bare bleak client, connected and not subscribed: what a stranger may do."""
    host = await BumbleHost.open((await radio.add_controller()).transport)
    stack.push_async_callback(host.close)
    scanner, backend = bumble_backends(host)
    device = await BleakScanner.find_device_by_filter(
        lambda _d, ad: gatt.rotating_id(ad.local_name) == RID, timeout=2.0, backend=scanner
    )
    assert device is not None
    connected = BleakClient(device, backend=backend)
    await connected.connect()
    return connected


async def flood(flooder: BleakClient) -> None:
    for _ in range(INBOX_FRAMES * 4):
        await flooder.write_gatt_char(gatt.RX, bytes(20), response=False)
        await asyncio.sleep(0)
    await flooder.write_gatt_char(gatt.RX, bytes(20), response=True)


async def visit(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    """Connect and look around; being sent away may take effect anywhere in it."""
    visitor = await client(radio, stack)
    for _ in range(3):
        await visitor.read_gatt_char(gatt.INFO)


async def quiet_vehicle(
    radio: VirtualRadio, stack: AsyncExitStack, *, mtu: int = 517, first_frame_s: float = 10.0
) -> tuple[GattPeripheral, Silent]:
    handler = Silent()
    transport = (await radio.add_controller()).transport
    vehicle = GattPeripheral(transport, handler, interval_ms=20, max_mtu=mtu, first_frame_s=first_frame_s)
    stack.push_async_callback(vehicle.stop)
    await vehicle.advertise(RID)
    return vehicle, handler


async def test_nothing_is_said_before_the_subscription(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    vehicle, handler = await quiet_vehicle(radio, stack)
    stranger = await client(radio, stack)
    await handler.until("connected")
    with pytest.raises(LinkError, match="not subscribed"):
        await vehicle.notify(1, b"\xc0early")
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    await stranger.start_notify(gatt.TX, lambda _c, data: heard.put_nowait(bytes(data)))
    await handler.until("subscribed")
    await vehicle.notify(1, b"\xc0now")
    assert await soon(heard.get()) == b"\xc0now"
    assert heard.empty()
    await stranger.stop_notify(gatt.TX)
    with pytest.raises(LinkError, match="not subscribed"):
        await vehicle.notify(1, b"\xc0late")


@pytest.mark.parametrize("mtu", [23, 517])
async def test_a_long_info_is_read_whole(radio: VirtualRadio, stack: AsyncExitStack, mtu: int) -> None:
    await quiet_vehicle(radio, stack, mtu=mtu)
    stranger = await client(radio, stack)
    assert await stranger.read_gatt_char(gatt.INFO) == bytes([1, 1]) * 100


async def test_a_flood_costs_the_flooder_the_connection_and_nobody_else(
    radio: VirtualRadio, stack: AsyncExitStack
) -> None:
    _, handler = await quiet_vehicle(radio, stack)
    flooder = await client(radio, stack)
    bystander = await client(radio, stack)
    await handler.until("connected", 2)
    handler.gate.clear()
    with pytest.raises(BleakError):
        await flood(flooder)
    handler.gate.set()
    await handler.until("disconnected")
    frames = [conn_id for kind, conn_id in handler.seen if kind == "frame"]
    assert len(frames) <= INBOX_FRAMES + 1
    assert ("disconnected", 1) in handler.seen
    await bystander.write_gatt_char(gatt.RX, b"\xc0", response=True)
    await handler.until("frame", len(frames) + 1)


async def test_an_oversize_write_is_refused(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    _, handler = await quiet_vehicle(radio, stack)
    stranger = await client(radio, stack)
    with pytest.raises(BleakError):
        await stranger.write_gatt_char(gatt.RX, bytes(513), response=True)
    await stranger.write_gatt_char(gatt.RX, bytes(512), response=True)
    await handler.until("frame")
    assert [kind for kind, _ in handler.seen] == ["connected", "frame"]


async def test_a_failing_handler_costs_one_connection(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    vehicle, handler = await quiet_vehicle(radio, stack)
    unlucky, other = await client(radio, stack), await client(radio, stack)
    await handler.until("connected", 2)
    handler.broken = True
    await unlucky.write_gatt_char(gatt.RX, b"\xc0", response=True)
    await handler.until("disconnected")
    handler.broken = False
    assert vehicle.connections == (2,)
    await other.write_gatt_char(gatt.RX, b"\xc0", response=True)
    await handler.until("frame")


async def test_a_newcomer_takes_the_place_of_the_oldest_without_a_privilege(
    radio: VirtualRadio, stack: AsyncExitStack
) -> None:
    vehicle, handler = await quiet_vehicle(radio, stack)
    four = [await client(radio, stack) for _ in range(4)]
    await handler.until("connected", 4)
    handler.friends = {1}
    fifth = await client(radio, stack)
    await handler.until("disconnected")
    assert vehicle.connections == (1, 3, 4, 5)
    with pytest.raises(BleakError):
        await four[1].read_gatt_char(gatt.INFO)
    await fifth.write_gatt_char(gatt.RX, b"\xc0", response=True)
    await handler.until("frame")


async def test_who_says_nothing_is_dropped(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    vehicle, handler = await quiet_vehicle(radio, stack, first_frame_s=1.0)
    _mute, talker = await client(radio, stack), await client(radio, stack)
    await talker.write_gatt_char(gatt.RX, b"\xc0", response=True)
    await handler.until("disconnected")
    assert vehicle.connections == (2,)
    await asyncio.sleep(0.05)
    await talker.write_gatt_char(gatt.RX, b"\xc0", response=True)


async def test_the_fifth_central_is_sent_away_when_all_have_a_privilege(
    radio: VirtualRadio, stack: AsyncExitStack
) -> None:
    vehicle, handler = await quiet_vehicle(radio, stack)
    four = [await client(radio, stack) for _ in range(4)]
    await handler.until("connected", 4)
    handler.friends = {1, 2, 3, 4}
    with pytest.raises(BleakError):
        await visit(radio, stack)
    assert len(vehicle.connections) == 4
    await four[0].disconnect()
    await handler.until("disconnected")
    sixth = await client(radio, stack)
    assert await sixth.read_gatt_char(gatt.INFO)


async def test_the_vehicle_can_end_a_connection(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    port = await radio.add_controller()
    vehicle = await stack.enter_async_context(EchoVehicle(port.transport, RID))
    air = BleAir.bumble((await radio.add_controller()).transport)
    stack.push_async_callback(air.close)
    link = await air.open(lambda r: r == RID, 4.0)
    await vehicle.peripheral.disconnect(vehicle.peripheral.connections[0])
    with pytest.raises(LinkError) as caught:
        await soon(link.receive())
    assert caught.value.code == "link_lost"
    await vehicle.peripheral.disconnect(99)


async def test_conn_ids_are_never_reused(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    _, handler = await quiet_vehicle(radio, stack)
    for _ in range(3):
        await (await client(radio, stack)).disconnect()
        await handler.until("disconnected")
    assert [conn_id for kind, conn_id in handler.seen if kind == "connected"] == [1, 2, 3]


async def test_the_id_and_the_address_rotate_while_connected(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    port = await radio.add_controller()
    vehicle = await stack.enter_async_context(EchoVehicle(port.transport, RID))
    first = BleAir.bumble((await radio.add_controller()).transport)
    second = BleAir.bumble((await radio.add_controller()).transport)
    for air in (first, second):
        stack.push_async_callback(air.close)
    link = await first.open(lambda r: r == RID, 4.0)
    fresh = bytes.fromhex("ffeeddccbbaa")
    assert port.controller is not None
    before = port.controller.random_address
    await vehicle.peripheral.advertise(fresh)
    assert port.controller.random_address != before
    assert {s.rotating_id for s in await second.scan(0.1)} == {fresh}
    other = await second.open(lambda r: r == fresh, 4.0)
    for one in (link, other):
        await one.send(bytes([LAST, 9]))
        assert await soon(one.receive()) == bytes([LAST, 9])


async def test_the_vehicle_notices_that_its_radio_died_and_starts_again(
    radio: VirtualRadio, stack: AsyncExitStack
) -> None:
    vehicle, handler = await quiet_vehicle(radio, stack)
    await client(radio, stack)
    await handler.until("connected")
    tcp = radio.ports[0].port
    await radio.close()
    await soon(vehicle.wait_lost())
    await handler.until("disconnected")
    assert vehicle.connections == ()
    with pytest.raises(LinkError) as caught:
        await vehicle.notify(1, b"\xc0")
    assert caught.value.code == "radio_unavailable"
    with pytest.raises(LinkError) as caught:
        await vehicle.start()
    assert caught.value.code == "radio_unavailable"

    later = await stack.enter_async_context(VirtualRadio())
    await later.add_controller(port=tcp)
    await vehicle.advertise(RID)
    assert await (await client(later, stack)).read_gatt_char(gatt.INFO) == bytes([1, 2]) * 100
    await vehicle.stop()


async def test_a_connection_that_never_comes_is_taken_back(radio: VirtualRadio, stack: AsyncExitStack) -> None:
    """The vehicle drove off between the scan and the connection; the controller must be free for the next one."""
    vehicle, _ = await quiet_vehicle(radio, stack)
    host = await BumbleHost.open((await radio.add_controller()).transport)
    stack.push_async_callback(host.close)
    scanner, backend = bumble_backends(host)
    device = await BleakScanner.find_device_by_filter(lambda _d, _ad: True, timeout=2.0, backend=scanner)
    assert device is not None
    await vehicle.stop()
    with pytest.raises(TimeoutError):
        await BleakClient(device, backend=backend).connect(timeout=0.05)
    assert not host.lost.done()
    await vehicle.advertise(RID)
    device = await BleakScanner.find_device_by_filter(lambda _d, _ad: True, timeout=2.0, backend=scanner)
    assert device is not None
    async with BleakClient(device, backend=backend) as connected:
        assert await connected.read_gatt_char(gatt.INFO)


async def test_in_process_controllers_need_no_socket(stack: AsyncExitStack) -> None:
    radio = await stack.enter_async_context(VirtualRadio())
    car, phone = [await radio.add_controller(tcp=False) for _ in range(2)]
    await stack.enter_async_context(EchoVehicle(car.open, RID))
    air = BleAir.bumble(phone.open)
    link = await air.open(lambda r: r == RID, 4.0)
    await link.send(bytes([LAST, 3]))
    assert await soon(link.receive()) == bytes([LAST, 3])
    await air.close()
    assert phone.controller is None
