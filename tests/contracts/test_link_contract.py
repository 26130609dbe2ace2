"""What every ``Link`` promises: the one in memory, bleak over Bumble over the TCP radio, bleak's own way to BlueZ, and
the one that a gateway lends, over a WebSocket to a memory link behind its whole API.

For the last a private bus has ``org.bluez`` on it; ``make test-bluez`` runs that part of the file on the real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bluez_place import PATIENCE, REAL, bluez_place
from keygw.ble.air import BleAir
from keygw.client.relay import RelayAir
from keygw.model.errors import LinkError
from keygw.vehicle.ports import Link
from keygw.wire.messages import encode_info
from keygw_sim.memory_link import memory_link
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.echo import EchoVehicle
from listening import listening
from town import GatewayAir, Town

RID = bytes.fromhex("a1b2c3d4e5f6")
INFO = encode_info(RID)
QUEUE = 8
LAST = 0xC0
SOON = 2.0 * PATIENCE


@dataclass
class Ends:
    """A link, and the vehicle's side of it."""

    link: Link
    max_frame: int
    send: Callable[[bytes], Awaitable[None]]
    receive: Callable[[], Awaitable[bytes]]
    cut: Callable[[], Awaitable[None]]


HERE = ["memory-512", "memory-20", "relay-512", "relay-20", "ble-517", "ble-23"]
"""Left out where BlueZ is the real one: there they have nothing to show."""


@pytest.fixture(params=[*([] if REAL else HERE), "dbus-517", "dbus-23"])
async def ends(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Ends]:
    kind, _, size = str(request.param).partition("-")
    if kind == "memory":
        link, vehicle = memory_link(int(size), info=INFO, queue=QUEUE)
        yield Ends(link, int(size), vehicle.send, vehicle.receive, vehicle.cut)
        await link.close()
        return
    if kind == "relay":
        async with relayed(tmp_path, int(size)) as made:
            yield made
        return
    async with AsyncExitStack() as stack:
        radio = await stack.enter_async_context(VirtualRadio())
        car = await radio.add_controller()
        vehicle_ = await stack.enter_async_context(
            EchoVehicle(car.transport, RID, info=INFO, echo=False, max_mtu=int(size))
        )
        if kind == "dbus":
            request.getfixturevalue("dbus")
            await stack.enter_async_context(bluez_place(radio, monkeypatch))
            air = BleAir(queue=QUEUE)
        else:
            air = BleAir.bumble((await radio.add_controller()).transport, queue=QUEUE)
        stack.push_async_callback(air.close)
        real = await air.open(lambda rotating_id: rotating_id == RID, 4.0 * PATIENCE)
        conn_id = vehicle_.peripheral.connections[0]

        async def send(frame: bytes) -> None:
            await vehicle_.peripheral.notify(conn_id, frame)

        async def cut() -> None:
            radio.cut()

        yield Ends(real, min(512, int(size) - 3), send, vehicle_.frames.get, cut)


class Lent(GatewayAir):
    """The gateway's radio, on which every link is the one that the test has in hand."""

    link: Link | None = None

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> Link:
        return self.link or await super().open(wanted, timeout, avoid)


@asynccontextmanager
async def relayed(folder: Path, size: int) -> AsyncIterator[Ends]:
    town = Town(folder)
    town.air = air = Lent(town.road)
    await town.start()
    async with listening(town.services) as url:
        friend = await town.friend(await town.owner(), "Ann", "vehicle.read")
        air.link, vehicle = memory_link(size, info=INFO)
        real = await RelayAir(url, friend.token, town.vehicle.id, queue=QUEUE).open(lambda found: found == RID, 4.0)
        yield Ends(real, size, vehicle.send, vehicle.receive, vehicle.cut)
        await real.close()
    await town.aclose()
    await town.road.close()


def frame(size: int, fill: int = 0x55, header: int = LAST) -> bytes:
    return bytes([header]) + bytes([fill]) * (size - 1)


async def lost(work: Awaitable[object]) -> LinkError:
    with pytest.raises(LinkError) as caught:
        await asyncio.wait_for(work, SOON)
    assert caught.value.code == "link_lost"
    return caught.value


async def send_for_ever(ends: Ends) -> None:
    """From the vehicle, until it learns that nobody takes it."""
    async with asyncio.timeout(SOON):
        while True:
            await ends.send(frame(5))
            await asyncio.sleep(0.001)


async def test_it_says_what_it_carries(ends: Ends) -> None:
    assert ends.link.info == INFO
    assert ends.link.max_frame == ends.max_frame


async def test_it_names_its_peer_also_when_it_is_over(ends: Ends) -> None:
    peer = ends.link.peer
    assert peer
    await ends.link.close()
    assert ends.link.peer == peer


async def test_frames_of_every_size_arrive_whole_both_ways(ends: Ends) -> None:
    for size in (1, 2, 19, 20, ends.max_frame - 1, ends.max_frame):
        await ends.link.send(frame(size))
        assert await asyncio.wait_for(ends.receive(), SOON) == frame(size)
        await ends.send(frame(size, 0xAA))
        assert await asyncio.wait_for(ends.link.receive(), SOON) == frame(size, 0xAA)


async def test_order_is_kept_with_and_without_acknowledgement(ends: Ends) -> None:
    sent = [frame(20, n, LAST if n % 3 == 2 else 0x80) for n in range(60)]
    for one in sent:
        await ends.link.send(one)
    assert [await asyncio.wait_for(ends.receive(), SOON) for _ in sent] == sent


async def test_answers_keep_their_order(ends: Ends) -> None:
    sent = [frame(10, n) for n in range(QUEUE)]
    for one in sent:
        await ends.send(one)
    assert [await asyncio.wait_for(ends.link.receive(), SOON) for _ in sent] == sent


async def test_it_counts_what_it_carried(ends: Ends) -> None:
    await ends.link.send(frame(20))
    await ends.send(frame(10))
    await asyncio.wait_for(ends.link.receive(), SOON)
    count = ends.link.count
    assert (count.frames_out, count.frames_in, count.air_bytes) == (1, 1, 20 + 7 + 10 + 7)


@pytest.mark.parametrize("too", ["empty", "long"])
async def test_a_frame_that_does_not_fit_is_the_callers_mistake(ends: Ends, too: str) -> None:
    with pytest.raises(ValueError, match="a frame has"):
        await ends.link.send(b"" if too == "empty" else frame(ends.max_frame + 1))
    await ends.link.send(frame(1))
    assert await asyncio.wait_for(ends.receive(), SOON) == frame(1)


async def test_a_cut_fails_a_waiting_receive_at_once(ends: Ends) -> None:
    waiting = asyncio.ensure_future(ends.link.receive())
    await asyncio.sleep(0.01)
    await ends.cut()
    error = await lost(waiting)
    assert not error.may_have_happened
    assert error.retryable


async def test_after_a_cut_what_was_sent_may_have_happened(ends: Ends) -> None:
    await ends.link.send(frame(5))
    await ends.cut()
    assert (await lost(ends.link.receive())).may_have_happened
    assert (await lost(ends.link.send(frame(5)))).may_have_happened


async def test_what_arrived_before_the_cut_stays_readable(ends: Ends) -> None:
    await ends.send(frame(5))
    async with asyncio.timeout(SOON):
        while ends.link.count.frames_in == 0:  # noqa: ASYNC110 - a link has no event for it, and needs none
            await asyncio.sleep(0.002)
    await ends.cut()
    assert await asyncio.wait_for(ends.link.receive(), SOON) == frame(5)
    await lost(ends.link.receive())


async def test_an_unread_queue_ends_the_link_and_gives_no_part_of_it(ends: Ends) -> None:
    with pytest.raises(LinkError):
        await send_for_ever(ends)
    await lost(ends.link.receive())


async def test_close_ends_both_sides_and_may_be_called_twice(ends: Ends) -> None:
    waiting = asyncio.ensure_future(ends.link.receive())
    await asyncio.sleep(0)
    await asyncio.wait_for(ends.link.close(), SOON)
    await ends.link.close()
    await lost(waiting)
    await lost(ends.link.send(frame(5)))
    with pytest.raises(LinkError):
        await send_for_ever(ends)


async def test_a_cancelled_receive_loses_nothing(ends: Ends) -> None:
    waiting = asyncio.ensure_future(ends.link.receive())
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await ends.send(frame(5))
    assert await asyncio.wait_for(ends.link.receive(), SOON) == frame(5)
