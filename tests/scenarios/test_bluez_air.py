"""``BleAir.system`` with bleak's own BlueZ backend over a private ``org.bluez``, and the trouble that BlueZ makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack

import pytest
from bleak.backends.device import BLEDevice

from keygw.ble import bluez
from keygw.ble.air import BleAir
from keygw.ble.link import BleLink
from keygw.model.errors import LinkError
from keygw_sim.bluez.adapter import Adapter
from keygw_sim.bluez.service import Bluez
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.echo import EchoVehicle

RID = bytes.fromhex("010203040506")
OTHER = bytes.fromhex("0a0b0c0d0e0f")
HELLO = b"\xc0hello"
OPEN_S = 6.0

pytestmark = pytest.mark.usefixtures("dbus")


def mine(rotating_id: bytes) -> bool:
    return rotating_id == RID


async def refused(work: Awaitable[object], *codes: str) -> LinkError:
    with pytest.raises(LinkError) as caught:
        await asyncio.wait_for(work, OPEN_S)
    assert caught.value.code in codes, str(caught.value)
    return caught.value


class Place:
    """A vehicle, an adapter behind BlueZ's D-Bus, and the air over it."""

    def __init__(self, stack: AsyncExitStack, radio: VirtualRadio, bluez: Bluez) -> None:
        self.stack = stack
        self.radio = radio
        self.bluez = bluez
        self.air = BleAir.system()
        stack.push_async_callback(self.air.close)

    @property
    def adapter(self) -> Adapter:
        return self.bluez.adapter

    async def vehicle(self, rotating_id: bytes = RID) -> EchoVehicle:
        port = await self.radio.add_controller(tcp=False)
        return await self.stack.enter_async_context(EchoVehicle(port.open, rotating_id))

    async def works(self) -> BleLink:
        link = await self.air.open(mine, OPEN_S)
        await link.send(HELLO)
        assert await asyncio.wait_for(link.receive(), 2) == HELLO
        return link

    async def works_again(self) -> BleLink:
        """Once the news has come over the bus."""
        async with asyncio.timeout(OPEN_S):
            while True:
                try:
                    return await self.works()
                except LinkError as error:
                    if error.code != "radio_unavailable":
                        raise
                    await asyncio.sleep(0.01)


@pytest.fixture
async def place(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        radio = await stack.enter_async_context(VirtualRadio())
        port = await radio.add_controller(tcp=False)
        bluez = await stack.enter_async_context(Bluez(port.open))
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
        made = Place(stack, radio, bluez)
        await made.vehicle()
        yield made


async def test_a_scan_finds_every_vehicle_once(place: Place) -> None:
    await place.vehicle(OTHER)
    for _ in range(2):  # The second time BlueZ knows them already, and only a new RSSI tells that they are there.
        seen = await place.air.scan(0.15)
        assert sorted(s.rotating_id for s in seen) == [RID, OTHER]
    assert not place.adapter.properties["Discovering"].value


async def test_two_links_at_a_time(place: Place) -> None:
    await place.vehicle(OTHER)
    first = await place.works()
    second = await place.air.open(lambda rotating_id: rotating_id == OTHER, OPEN_S)
    for link in (second, first):
        await link.send(HELLO)
        assert await asyncio.wait_for(link.receive(), 2) == HELLO


@pytest.mark.parametrize("member", ["SetDiscoveryFilter", "StartDiscovery", "Connect", "StartNotify", "ReadValue"])
async def test_in_progress_passes(place: Place, member: str) -> None:
    place.bluez.faults.order(member, "InProgress", times=1)
    await place.works()


async def test_a_scan_that_is_put_off_for_long_begins_all_the_same(place: Place) -> None:
    """As behind a link that ends: real BlueZ takes two seconds for that."""
    place.bluez.faults.order("StartDiscovery", "InProgress", times=10)
    await place.works()


async def test_a_scan_that_begins_when_nobody_waits_any_more_is_ended(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BlueZ is slow to answer, and begins all the same: left alone it would put off every scan that follows."""
    begin, late = place.adapter._sync, asyncio.Event()

    async def slow() -> None:
        await late.wait()
        await begin()

    monkeypatch.setattr(place.adapter, "_sync", slow)
    await refused(place.air.open(mine, 0.3), "out_of_range")
    late.set()
    await place.works()


async def test_a_connection_that_fails_is_tried_again(place: Place) -> None:
    place.bluez.faults.order("Connect", "Failed", times=1)
    await place.works()


async def test_a_device_that_bluez_has_removed_meanwhile(place: Place) -> None:
    place.bluez.faults.order("Connect", "org.freedesktop.DBus.Error.UnknownObject", times=1)
    await place.works()


async def test_a_device_that_bluez_remembers_wrongly_is_cleared(place: Place) -> None:
    """Each retry would fail alike, whatever the vehicle does, and whoever it was that BlueZ remembers it from."""
    await place.air.scan(0.15)
    (known,) = place.adapter.devices.values()
    known.spoilt = True
    await place.works()
    assert place.adapter.devices[known.path] is not known


async def test_a_device_that_went_wrong_after_a_good_link_is_cleared(place: Place) -> None:
    link = await place.works()
    await link.close()
    (known,) = place.adapter.devices.values()
    known.spoilt = True
    await place.works()


async def test_a_device_with_a_link_is_not_cleared(place: Place) -> None:
    link = await place.works()
    (known,) = place.adapter.devices.values()
    await bluez.clear(BLEDevice(link.peer, "", {"path": known.path}))
    await link.send(HELLO)
    assert await asyncio.wait_for(link.receive(), 2) == HELLO
    await link.close()
    await bluez.clear(BLEDevice(link.peer, "", {"path": known.path}))
    assert not place.adapter.devices


async def test_the_mtu_that_bluez_does_not_tell_costs_nothing(place: Place) -> None:
    """bleak's ``mtu_size`` is 23 over BlueZ, whatever was negotiated."""
    link = await place.works()
    client = link._client
    assert client is not None
    with pytest.warns(UserWarning, match="default MTU"):
        assert client.mtu_size == 23
    assert link.max_frame > 200
    frame = b"\xc0" + bytes(link.max_frame - 1)
    await link.send(frame)
    assert await asyncio.wait_for(link.receive(), 2) == frame


async def test_a_socket_for_notifications_is_not_taken(place: Place) -> None:
    """BlueZ offers one, and bleak has changed its mind twice about taking it: we say which way."""
    place.bluez.faults.order("AcquireNotify", "Failed", times=100)
    link = await place.works()
    (device,) = place.adapter.devices.values()
    offered = [each.properties["NotifyAcquired"].value for each in device.characteristics if each.notifies]
    assert offered
    assert not any(offered), "it is offered, and nobody took it"
    await link.close()


async def test_a_connection_that_never_comes_ends_in_time(place: Place) -> None:
    place.bluez.faults.order("Connect", "", times=100)
    await refused(place.air.open(mine, 0.5), "link_timeout")
    place.bluez.faults.order("Connect", times=0)
    await place.works()


async def test_an_adapter_that_is_off(place: Place) -> None:
    await place.adapter.power(False)
    error = await refused(place.air.open(mine, OPEN_S), "radio_unavailable")
    assert error.retryable
    await place.adapter.power(True)
    await place.works_again()


async def test_an_adapter_that_is_switched_off_under_a_link(place: Place) -> None:
    link = await place.works()
    waiting = asyncio.ensure_future(link.receive())
    await asyncio.sleep(0)
    await place.adapter.power(False)
    await refused(waiting, "link_lost")
    await refused(place.air.open(mine, OPEN_S), "radio_unavailable")


async def test_an_adapter_that_is_pulled_out_and_put_back(place: Place) -> None:
    link = await place.works()
    await place.adapter.unplug()
    await refused(link.receive(), "link_lost")
    await refused(place.air.open(mine, OPEN_S), "radio_unavailable")
    await place.adapter.plug()
    await place.works_again()


async def test_a_device_that_is_removed_under_a_link(place: Place) -> None:
    link = await place.works()
    for device in list(place.adapter.devices.values()):
        await place.adapter.forget(device)
    await refused(link.receive(), "link_lost")
    await place.works()


async def test_a_link_that_is_cut(place: Place) -> None:
    link = await place.works()
    assert place.radio.cut() == 1
    assert (await refused(link.receive(), "link_lost")).may_have_happened
    await place.works()


async def test_a_bus_that_ends_under_a_link(place: Place) -> None:
    link = await place.works()
    await place.bluez.stop()
    await refused(link.receive(), "link_lost")
    await refused(place.air.open(mine, OPEN_S), "radio_unavailable")


async def test_a_write_that_bluez_refuses_fails_the_link(place: Place) -> None:
    link = await place.works()
    place.bluez.faults.order("WriteValue", "Failed", text="Operation failed with ATT error: 0x11")
    error = await refused(link.send(HELLO), "link_lost")
    assert not error.may_have_happened, "the vehicle's own refusal is proof that it was not taken"


async def test_closing_lets_the_vehicle_go(place: Place) -> None:
    link = await place.works()
    device = next(each for each in place.adapter.devices.values() if each.connected)
    await link.close()
    assert not device.connected
