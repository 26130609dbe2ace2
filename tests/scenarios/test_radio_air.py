"""``BleAir`` over the virtual radio: real bleak, real Bumble host stacks on both sides, HCI over TCP."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from bumble.device import Device

from keygw.ble.air import BleAir
from keygw.ble.bumble_host import BumbleHost
from keygw.ble.link import BleLink
from keygw.ble.scanner import Found
from keygw.ble.states import Life
from keygw.model.errors import LinkError
from keygw.vehicle.ports import Link
from keygw_sim.radio.link import Carried
from keygw_sim.radio.virtual import RadioPort, VirtualRadio
from keygw_sim.vehicle.echo import EchoVehicle

T = TypeVar("T")

RID = bytes.fromhex("010203040506")
OTHER = bytes.fromhex("0a0b0c0d0e0f")
LAST = 0xC0


def mine(rotating_id: bytes) -> bool:
    return rotating_id == RID


async def soon(work: Awaitable[T], seconds: float = 2.0) -> T:
    return await asyncio.wait_for(work, seconds)


async def refused(work: Awaitable[object], code: str, seconds: float = 4.0) -> LinkError:
    with pytest.raises(LinkError) as caught:
        await asyncio.wait_for(work, seconds)
    assert caught.value.code == code, str(caught.value)
    return caught.value


async def ask(link: Link, frame: bytes) -> bytes:
    """A cut shows in the send or in the receive, whichever is looking when it comes."""
    await link.send(frame)
    return await link.receive()


class Street:
    """A radio, and what tests put on it."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self.stack = stack
        self.radio = VirtualRadio()

    async def port(self) -> RadioPort:
        return await self.radio.add_controller()

    async def vehicle(self, rotating_id: bytes = RID, *, mtu: int = 517, echo: bool = True) -> EchoVehicle:
        vehicle = EchoVehicle((await self.port()).transport, rotating_id, max_mtu=mtu, echo=echo)
        return await self.stack.enter_async_context(vehicle)

    async def air(self) -> BleAir:
        air = BleAir.bumble((await self.port()).transport)
        self.stack.push_async_callback(air.close)
        return air


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        made = Street(stack)
        await stack.enter_async_context(made.radio)
        yield made


async def test_a_scan_finds_every_vehicle_once(street: Street) -> None:
    await street.vehicle(RID)
    await street.vehicle(OTHER)
    air = await street.air()
    seen = await air.scan(0.15)
    assert sorted(s.rotating_id for s in seen) == [RID, OTHER]
    assert all(s.link == "ble" for s in seen)


async def test_open_takes_the_wanted_one(street: Street) -> None:
    await street.vehicle(OTHER)
    vehicle = await street.vehicle(RID)
    link = await (await street.air()).open(mine, 4.0)
    assert await soon(vehicle.events.get()) == ("connected", 1)
    assert await soon(vehicle.events.get()) == ("subscribed", 1)
    await link.send(bytes([LAST]) + b"hello")
    assert await soon(link.receive()) == bytes([LAST]) + b"hello"


@pytest.mark.parametrize(("mtu", "frame"), [(23, 20), (517, 512)])
async def test_frames_echo_at_the_smallest_and_the_largest_mtu(street: Street, mtu: int, frame: int) -> None:
    await street.vehicle(mtu=mtu)
    link = await (await street.air()).open(mine, 4.0)
    assert link.max_frame == frame
    for header in (0x80, 0x00, LAST):
        data = bytes([header]) + bytes(range(256)) * 2
        await link.send(data[:frame])
        assert await soon(link.receive()) == data[:frame]


async def test_one_to_avoid_is_taken_only_if_there_is_no_other(street: Street) -> None:
    await street.vehicle()
    air = await street.air()
    first = await air.open(mine, 4.0)
    await first.close()
    again = await air.open(mine, 4.0, {first.peer})
    assert again.peer == first.peer
    await street.vehicle()
    other = await air.open(mine, 4.0, {first.peer})
    assert other.peer != first.peer


async def test_who_never_answers_leaves_time_for_another(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    await street.vehicle()
    air = await street.air()
    connect, tried = air._connect, []

    async def deaf_at_first(found: Found, life: Life) -> BleLink:
        tried.append(found.device.address)
        if len(tried) == 1:
            await street.vehicle()
            await asyncio.Event().wait()
        return await connect(found, life)

    monkeypatch.setattr(air, "_connect", deaf_at_first)
    link = await air.open(mine, 3.0)
    assert [link.peer] == tried[1:]
    assert tried[0] != tried[1]


async def test_no_vehicle_is_out_of_range_in_the_time_given(street: Street) -> None:
    await street.vehicle(OTHER)
    air = await street.air()
    begun = time.monotonic()
    error = await refused(air.open(mine, 0.5), "out_of_range")
    assert 0.45 < time.monotonic() - begun < 0.75
    assert error.retryable
    assert not error.may_have_happened


async def test_a_vehicle_that_comes_later_is_still_found(street: Street) -> None:
    air = await street.air()
    opening = asyncio.ensure_future(air.open(mine, 4.0))
    await asyncio.sleep(0.05)
    await street.vehicle()
    assert (await soon(opening)).info == b"\x01"


async def test_one_seeker_does_not_keep_another_waiting(street: Street) -> None:
    await street.vehicle(RID)
    air = await street.air()
    absent = asyncio.ensure_future(air.open(lambda r: r == OTHER, 1.0))
    await asyncio.sleep(0.02)
    begun = time.monotonic()
    await air.open(mine, 1.0)
    assert time.monotonic() - begun < 0.5
    assert not absent.done()
    await street.vehicle(OTHER)
    await soon(absent)


async def test_a_cut_fails_what_is_pending_at_once(street: Street) -> None:
    vehicle = await street.vehicle(echo=False)
    link = await (await street.air()).open(mine, 4.0)
    await link.send(bytes([LAST, 1]))
    waiting = asyncio.ensure_future(link.receive())
    await soon(vehicle.frames.get())
    begun = time.monotonic()
    assert street.radio.cut() == 1
    error = await refused(waiting, "link_lost")
    assert time.monotonic() - begun < 0.2
    assert error.may_have_happened
    assert error.retryable


async def test_the_answer_lost_in_the_middle(street: Street) -> None:
    """The vehicle got the command and answered; the answer was dropped with the link."""
    vehicle = await street.vehicle()
    link = await (await street.air()).open(mine, 4.0)
    sprung = asyncio.Event()
    street.radio.cut_after(1, of=Carried.NOTIFICATIONS, sprung=sprung.set)
    await link.send(bytes([LAST, 1]))
    assert await soon(link.receive()) == bytes([LAST, 1])
    assert (await refused(ask(link, bytes([LAST, 2])), "link_lost")).may_have_happened
    assert sprung.is_set()
    events = [await soon(vehicle.events.get()) for _ in range(3)]
    assert events[-1] == ("disconnected", 1)


async def test_the_acknowledgement_lost_in_the_middle_of_a_write(street: Street) -> None:
    vehicle = await street.vehicle(echo=False)
    link = await (await street.air()).open(mine, 4.0)
    street.radio.cut_after(2, of=Carried.WRITES)
    await link.send(bytes([0x80, 1]))
    await link.send(bytes([0x00, 2]))
    begun = time.monotonic()
    error = await refused(link.send(bytes([0x41, 3])), "link_lost")
    assert time.monotonic() - begun < 0.5
    assert error.may_have_happened
    assert [await soon(vehicle.frames.get()) for _ in range(2)] == [bytes([0x80, 1]), bytes([0x00, 2])]
    assert vehicle.frames.empty()


async def test_a_trap_waits_for_the_host_it_is_meant_for(street: Street) -> None:
    await street.vehicle()
    other = await street.air()
    later = await street.port()
    street.radio.cut_after(0, of=Carried.NOTIFICATIONS, port=later)
    link = await other.open(mine, 4.0)
    assert await soon(ask(link, bytes([LAST, 1]))) == bytes([LAST, 1])
    air = BleAir.bumble(later.transport)
    street.stack.push_async_callback(air.close)
    await refused(ask(await air.open(mine, 4.0), bytes([LAST, 2])), "link_lost")
    assert await soon(ask(link, bytes([LAST, 3]))) == bytes([LAST, 3])


async def test_after_a_cut_the_next_open_works(street: Street) -> None:
    await street.vehicle()
    air = await street.air()
    for _ in range(5):
        link = await air.open(mine, 4.0)
        await link.send(bytes([LAST]))
        assert await soon(link.receive()) == bytes([LAST])
        street.radio.cut()
        await refused(link.receive(), "link_lost")
        await link.close()


async def test_a_link_cut_while_it_is_being_made_is_made_again(street: Street) -> None:
    await street.vehicle()
    street.radio.cut_after(0, of=Carried.WRITES)  # The first write is the subscription.
    link = await (await street.air()).open(mine, 4.0)
    await link.send(bytes([LAST, 7]))
    assert await soon(link.receive()) == bytes([LAST, 7])


async def test_an_open_that_is_cancelled_leaves_nothing_behind(street: Street) -> None:
    vehicle = await street.vehicle()
    air = await street.air()
    for delay in (0.0, 0.01, 0.02, 0.025, 0.03, 0.035, 0.04):
        opening = asyncio.ensure_future(air.open(mine, 4.0))
        await asyncio.sleep(delay)
        if not opening.cancel():
            await opening.result().close()  # It was quicker than the cancellation.
        await asyncio.wait({opening})
    link = await air.open(mine, 4.0)
    async with asyncio.timeout(2.0):
        while len(vehicle.peripheral.connections) != 1:  # noqa: ASYNC110 - the last leaver's event is on its way
            await asyncio.sleep(0.005)
    await link.send(bytes([LAST]))
    assert await soon(link.receive()) == bytes([LAST])


async def test_the_callers_own_mistake_reaches_the_caller(street: Street) -> None:
    await street.vehicle()

    def broken(_rotating_id: bytes) -> bool:
        raise KeyError("no such vehicle")

    with pytest.raises(KeyError):
        await soon((await street.air()).open(broken, 2.0))


async def test_a_radio_that_dies_ends_everything_and_comes_back(street: Street) -> None:
    await street.vehicle()
    port = await street.port()
    tcp = port.port
    air = BleAir.bumble(port.transport)
    street.stack.push_async_callback(air.close)
    link = await air.open(mine, 4.0)
    waiting = asyncio.ensure_future(link.receive())
    seeking = asyncio.ensure_future(air.open(lambda r: r == OTHER, 3.0))
    await asyncio.sleep(0.03)
    begun = time.monotonic()
    await street.radio.close()
    await refused(waiting, "link_lost")
    await refused(seeking, "radio_unavailable")
    await refused(air.open(mine, 1.0), "radio_unavailable")
    await refused(air.scan(0.1), "radio_unavailable")
    assert time.monotonic() - begun < 1.0

    async with VirtualRadio() as next_radio:
        await next_radio.add_controller(port=tcp)
        other_port = await next_radio.add_controller()
        async with EchoVehicle(other_port.transport, RID):
            again = await air.open(mine, 4.0)
            await again.send(bytes([LAST]))
            assert await soon(again.receive()) == bytes([LAST])
            await air.close()


@pytest.mark.parametrize("transport", ["tcp-client:127.0.0.1:1", "nonsense:0", "serial:/nonexistent/tty"])
async def test_no_such_radio(transport: str) -> None:
    air = BleAir.bumble(transport)
    await refused(air.open(mine, 2.0), "radio_unavailable")
    await refused(air.scan(0.1), "radio_unavailable")
    await air.close()


async def test_a_silent_controller_is_a_radio_that_cannot_be_used(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something listens on the port, and it is no HCI controller."""
    monkeypatch.setattr("keygw.ble.bumble_host.OPEN_S", 0.1)
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    air = BleAir.bumble(f"tcp-client:127.0.0.1:{port}")
    await refused(air.open(mine, 2.0), "radio_unavailable")
    await air.close()
    server.close()


async def test_closing_ends_links_scans_and_attempts(street: Street) -> None:
    vehicle = await street.vehicle()
    air = await street.air()
    link = await air.open(mine, 4.0)
    receiving = asyncio.ensure_future(link.receive())
    seeking = asyncio.ensure_future(air.open(lambda _r: False, 4.0))
    await asyncio.sleep(0.02)
    await soon(air.close())
    await air.close()
    await refused(receiving, "link_lost")
    await refused(seeking, "radio_unavailable")
    assert not (await refused(air.open(mine, 1.0), "radio_unavailable")).retryable
    assert [(await soon(vehicle.events.get()))[0] for _ in range(3)] == ["connected", "subscribed", "disconnected"]


async def test_two_gateways_and_one_vehicle(street: Street) -> None:
    """The owner's gateway and the friend's phone, each on its own controller, at the same time."""
    vehicle = await street.vehicle()
    first, second = await street.air(), await street.air()
    links = await asyncio.gather(first.open(mine, 4.0), second.open(mine, 4.0))
    assert len(vehicle.peripheral.connections) == 2

    async def chat(number: int) -> list[bytes]:
        answers = []
        for n in range(20):
            await links[number].send(bytes([LAST, number, n]))
            answers.append(await soon(links[number].receive()))
        return answers

    for number, answers in enumerate(await asyncio.gather(chat(0), chat(1))):
        assert answers == [bytes([LAST, number, n]) for n in range(20)]


async def test_many_at_once_connect_though_they_race(street: Street) -> None:
    await street.vehicle()
    airs = [await street.air() for _ in range(4)]
    links = await asyncio.gather(*(air.open(mine, 4.0) for air in airs))
    for link in links:
        await link.send(bytes([LAST]))
        assert await soon(link.receive()) == bytes([LAST])


@pytest.mark.skipif(sys.platform != "linux", reason="takes away D-Bus, which only Linux has")
async def test_a_machine_without_bluetooth_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'no-bus'}")
    air = BleAir.system()
    await refused(air.open(mine, 2.0), "radio_unavailable")
    await refused(air.scan(0.1), "radio_unavailable")
    await air.close()


@pytest.mark.parametrize("once", [True, False])
async def test_a_host_that_wants_no_duplicates_hears_each_advertisement_once(street: Street, once: bool) -> None:
    await street.vehicle(RID)
    host = await BumbleHost.open((await street.port()).transport)
    street.stack.push_async_callback(host.close)
    device = await host.ready()
    heard: list[bytes] = []
    device.on(Device.EVENT_ADVERTISEMENT, lambda one: heard.append(bytes(one.data)))
    for scans in (1, 2):
        await device.start_scanning(active=False, filter_duplicates=once)
        for _ in range(4):
            await asyncio.sleep(0.05)  # more than two of its intervals
        await device.stop_scanning()
        # Bumble's controller tells of each as an advertisement and as a scan response.
        assert (len(heard) == 2 * scans) is once
