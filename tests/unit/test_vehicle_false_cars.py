"""Who answers to a vehicle's id without being it, and how a conversation with the real one begins all the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from pathlib import Path

import pytest

from keygw.ble.air import BleAir
from keygw.ble.link import BleLink
from keygw.model.errors import LinkError, ProtocolError
from keygw.model.vehicle import Vehicle
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import HeldKey
from keygw.wire import cbor
from keygw.wire.messages import MessageType
from keygw_sim.chance import chance, new_signer
from keygw_sim.memory_link import MemoryLink, VehicleSide, memory_link
from keygw_sim.rehearsal import Office
from keygw_sim.road import PEER, Road
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash
from keygw_sim.vehicle.runner import new_vehicle

OTHER_VERSION = cbor.encode([[2], bytes(6)])
Falsehood = Callable[[VehicleSide], Coroutine[None, None, None]]


class Crowd(Road):
    """A road on which ``false`` others answer to the car's id before it does, and then do ``falsehood``."""

    def __init__(self, brain: Brain) -> None:
        super().__init__(brain)
        self.false = 1
        self.falsehood: Falsehood = silent
        self.links: list[MemoryLink] = []
        self.then: LinkError | None = None
        """How every attempt after the false ones fails."""

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> MemoryLink:
        for n in range(self.false):
            if f"false {n}" not in avoid:
                link, side = memory_link(info=OTHER_VERSION, peer=f"false {n}")
                self.links.append(link)
                task = asyncio.create_task(self.falsehood(side))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return link
        if self.then is not None:
            raise self.then
        return await super().open(wanted, timeout, avoid)


class World:
    def __init__(self, folder: Path) -> None:
        self.random = random = chance("false cars", "all")
        memory = new_vehicle("Car", random)
        self.car = Vehicle(memory.vehicle_id, "Car", memory.signer.public_key, memory.advertising_key)
        self.road = Crowd(Brain(memory, Flash(folder), random, time.monotonic))
        office, signer = Office(random), new_signer(random)
        self.key = HeldKey(office.hand(office.claims(self.car, signer.public_key)), signer)

    async def open(self, seconds: float) -> Conversation:
        return await Conversation.open(self.road, self.car, self.key, self.random, seconds)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path)
    yield made
    await made.road.close()


async def silent(side: VehicleSide) -> None:
    await asyncio.Event().wait()


async def gone_at_once(side: VehicleSide) -> None:
    await side.cut()


async def babbling(side: VehicleSide) -> None:
    await side.send(b"\xc0\x7fnot a HELLO")


async def of_another_version(side: VehicleSide) -> None:
    await side.send(bytes((0xC0, MessageType.HELLO)) + b"in words of that version")


@pytest.mark.parametrize("falsehood", [silent, gone_at_once, babbling])
async def test_the_next_one_is_tried_in_the_same_time(world: World, falsehood: Falsehood) -> None:
    world.road.falsehood = falsehood
    conversation = await world.open(1.0)
    assert conversation.alive
    assert conversation.link.peer == PEER
    with pytest.raises(LinkError):
        await world.road.links[0].send(b"\xc0")
    await conversation.close()


async def test_of_many_who_leave_at_once_none_costs_much(world: World) -> None:
    world.road.false, world.road.falsehood = 20, gone_at_once
    conversation = await world.open(2.0)
    assert len(world.road.links) == 20
    await conversation.close()


async def test_seen_but_silent_is_not_out_of_range(world: World) -> None:
    world.road.present = False
    with pytest.raises(LinkError) as caught:
        await world.open(0.3)
    assert caught.value.code == "link_timeout"
    assert not caught.value.may_have_happened
    world.road.false = 0
    with pytest.raises(LinkError) as caught:
        await world.open(0.3)
    assert caught.value.code == "out_of_range"


async def test_all_silent_ends_in_the_time_given(world: World) -> None:
    world.road.false = 1000
    started = time.monotonic()
    with pytest.raises(LinkError) as caught:
        await world.open(0.4)
    assert caught.value.code == "link_timeout"
    assert 0.3 < time.monotonic() - started < 1.0


async def test_which_side_to_update_is_told_rather_than_the_silence_after_it(world: World) -> None:
    said = iter([of_another_version])

    async def one_speaks(side: VehicleSide) -> None:
        await next(said, silent)(side)

    world.road.false, world.road.falsehood = 1000, one_speaks
    with pytest.raises(ProtocolError) as caught:
        await world.open(0.2)
    assert caught.value.code == "version_unsupported"
    assert len(world.road.links) > 1


@pytest.mark.parametrize("code", ["out_of_range", "link_timeout", "link_lost", "radio_busy"])
async def test_which_side_to_update_is_told_rather_than_that_no_link_comes(world: World, code: str) -> None:
    world.road.falsehood, world.road.then = of_another_version, LinkError("as the radio says", code=code)
    with pytest.raises(ProtocolError) as caught:
        await world.open(0.2)
    assert caught.value.code == "version_unsupported"


@pytest.mark.parametrize("falsehood", [gone_at_once, babbling])
async def test_no_stranger_hides_what_became_of_the_next_link(world: World, falsehood: Falsehood) -> None:
    """That one can be tried again; what a stranger breaks says nothing of the car."""
    world.road.falsehood, world.road.then = falsehood, LinkError("as the radio says", code="radio_unavailable")
    with pytest.raises(LinkError) as caught:
        await world.open(0.2)
    assert caught.value.code == "radio_unavailable"


async def test_an_open_that_is_cancelled_leaves_no_link(world: World) -> None:
    opening = asyncio.create_task(world.open(5.0))
    await asyncio.sleep(0.02)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    with pytest.raises(LinkError):
        await world.road.links[0].send(b"\xc0")


async def test_a_link_that_is_ready_in_the_turn_of_the_cancellation_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    air, link = BleAir(), BleLink("car")

    async def ready(*_: object) -> BleLink:
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(lambda _: opening.cancel())
        return link

    monkeypatch.setattr(air, "_try", ready)
    opening = asyncio.create_task(air.open(lambda _: True, 1.0))
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.sleep(0.01)
    assert link.closed
    await air.close()
