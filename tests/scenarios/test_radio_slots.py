"""An adapter with fewer connections than there are vehicles, over the virtual radio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from keygw.ble import air as air_module
from keygw.ble.air import BleAir
from keygw.ble.link import BleLink
from keygw.ble.scanner import Found
from keygw.ble.states import Stage
from keygw.model.errors import LinkError
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.echo import EchoVehicle
from until import until

IDS = [bytes([number] * 6) for number in range(1, 5)]
LAST = 0xC0


class Place:
    """Two connections, four vehicles. ``stages``: of every link, in the order of time."""

    def __init__(self, air: BleAir, stages: list[Stage], vehicles: list[EchoVehicle]) -> None:
        self.air, self.stages, self.vehicles = air, stages, vehicles

    async def open(self, number: int, seconds: float = 15.0) -> BleLink:
        return await self.air.open(lambda rotating_id: rotating_id == IDS[number], seconds)

    @property
    def left(self) -> tuple[object, ...]:
        """Slots taken, waiters, tasks, whether it scans, and the connections of the first vehicle."""
        air = self.air
        scans = bool(air._scanner._listeners) or air._scanner._scanner is not None
        return air.slots.taken, air.slots.waiting, len(air._work), scans, self.vehicles[0].peripheral.connections


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        radio = await stack.enter_async_context(VirtualRadio())
        vehicles: list[EchoVehicle] = []
        for rotating_id in IDS:
            port = await radio.add_controller()
            vehicles.append(await stack.enter_async_context(EchoVehicle(port.open, rotating_id)))
        stages: list[Stage] = []
        air = BleAir.bumble((await radio.add_controller()).open, slots=2, watcher=stages.append)
        stack.push_async_callback(air.close)
        yield Place(air, stages, vehicles)


async def test_who_gets_none_in_time_is_told_so(place: Place) -> None:
    await place.open(0)
    await place.open(1)
    with pytest.raises(LinkError) as refused:
        await place.open(2, 0.1)
    assert (refused.value.code, refused.value.retryable) == ("radio_busy", True)
    await until(lambda: (place.air.slots.taken, place.air.slots.waiting) == (2, 0))


async def test_the_end_of_a_link_is_the_next_ones_turn(place: Place) -> None:
    first = await place.open(0)
    await place.open(1)
    waiting = asyncio.create_task(place.open(2))
    await until(lambda: place.air.slots.waiting == 1)
    last = asyncio.create_task(place.open(3))
    await until(lambda: place.air.slots.waiting == 2)
    await first.close()
    third = await waiting
    assert not last.done()
    await third.close()
    await last
    assert (place.air.slots.taken, place.air.slots.waiting) == (2, 0)


async def test_an_idle_link_gives_way_and_a_busy_one_does_not(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(air_module, "IDLE_S", 0.05)
    monkeypatch.setattr(air_module, "LOOK_S", 0.02)
    idle, busy = await place.open(0), await place.open(1)
    await busy.send(bytes([0x80]) + b"a question that nobody answers: ")
    await busy.send(bytes([0x40 | 1]) + b"its end")
    await place.open(2)
    assert (idle.closed, busy.closed) == (True, False)


async def test_of_two_who_are_heard_at_once_the_second_gets_an_idle_links_place(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(air_module, "IDLE_S", 0.05)
    monkeypatch.setattr(air_module, "LOOK_S", 0.02)
    idle, find, heard = await place.open(0), place.air._scanner.find, asyncio.Barrier(2)

    async def together(*asked: Any) -> Found:
        found = await find(*asked)
        await heard.wait()
        return found

    monkeypatch.setattr(place.air._scanner, "find", together)
    links = await asyncio.gather(place.open(1), place.open(2))
    assert (idle.closed, [link.closed for link in links]) == (True, [False, False])


async def test_who_waits_ends_one_idle_link_and_no_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(air_module, "IDLE_S", 0.02)
    monkeypatch.setattr(air_module, "LOOK_S", 0.01)
    links = [await place.open(0), await place.open(1)]
    for link in links:
        client = link._client
        assert client is not None
        gone, end = asyncio.Event(), client.disconnect
        asyncio.get_running_loop().call_later(0.2, gone.set)

        async def slowly(gone: asyncio.Event = gone, end: Any = end) -> None:
            await gone.wait()
            await end()

        monkeypatch.setattr(client, "disconnect", slowly)
    await place.open(2)
    assert sorted(link.closed for link in links) == [False, True]


async def test_who_only_searches_takes_nothing_from_anybody(place: Place) -> None:
    searches = [asyncio.create_task(place.air.open(lambda rotating_id: False, 3.0)) for _ in range(5)]
    await asyncio.sleep(0.01)
    await place.open(0)
    await place.open(1)
    assert (place.air.slots.taken, place.air.slots.waiting) == (2, 0)
    for search in searches:
        search.cancel()
    await asyncio.gather(*searches, return_exceptions=True)


async def test_who_waited_long_looks_where_it_is_now(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(air_module, "STALE_S", 0.02)
    first = await place.open(0)
    await place.open(1)
    place.stages.clear()
    waiting = asyncio.create_task(place.open(2))
    await until(lambda: place.air.slots.waiting)
    await asyncio.sleep(0.03)
    await first.close()
    await waiting
    own = [stage.value for stage in place.stages if stage not in (Stage.CLOSING, Stage.CLOSED)]
    assert own == ["waiting", "searching", "waiting", "connecting", "subscribing", "open"]


async def test_a_connection_that_fails_gives_its_slot_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        assert place.air.slots.taken == 1
        raise LinkError("not today", code="link_lost")

    monkeypatch.setattr(place.air, "_establish", fail)
    with pytest.raises(LinkError):
        await place.open(0)
    await until(lambda: place.air.slots.taken == 0)
    monkeypatch.undo()
    await place.open(0)
    await place.open(1)
    assert place.air.slots.taken == 2


async def test_the_stages_of_a_link(place: Place) -> None:
    link = await place.open(0)
    await link.close()
    await until(lambda: place.stages[-1] is Stage.CLOSED)
    assert [stage.value for stage in place.stages] == [
        "waiting", "connecting", "subscribing", "open", "closing", "closed",
    ]  # fmt: skip
    assert place.air.slots.taken == 0


CUT = [(stage, steps) for stage in (Stage.WAITING, Stage.CONNECTING, Stage.SUBSCRIBING) for steps in range(8)]


async def test_whoever_is_cancelled_at_whatever_step_leaves_nothing_behind(place: Place) -> None:
    """No slot, no scan, no task and no connection: the vehicle's side of it is the witness."""
    for stage, steps in [*CUT, (Stage.OPEN, 0), (Stage.OPEN, 1)]:
        place.stages.clear()
        opening = asyncio.create_task(place.open(0))
        async with asyncio.timeout(10):
            while stage not in place.stages:  # noqa: ASYNC110 - to the step
                await asyncio.sleep(0)
        for _ in range(steps):
            await asyncio.sleep(0)
        opening.cancel()
        [link] = await asyncio.gather(opening, return_exceptions=True)
        if isinstance(link, BleLink):
            await link.close()
        await until(lambda: place.left == (0, 0, 0, False, ()))
    assert not (await place.open(0)).closed
