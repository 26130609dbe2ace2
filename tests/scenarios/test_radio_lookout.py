"""The lookout over the virtual radio: a real scan that never ends, and a vehicle that comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import pytest

from keygw.ble.air import BleAir
from keygw.crypto.signer import LocalSigner
from keygw.model.errors import StoreError
from keygw.model.vehicle import Vehicle
from keygw.session.identity import rotating_id
from keygw.vehicle import lookout as module
from keygw.vehicle.lookout import COMPARISONS, Lookout
from keygw.vehicle.ports import Sighting
from keygw.vehicle.presence import GONE_S, Nearness
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.echo import EchoVehicle
from until import until

ADVERTISING_KEY = bytes(range(16))
OURS = Vehicle("veh_ours", "Car", LocalSigner.generate().public_key, ADVERTISING_KEY)
OUR_ID = rotating_id(ADVERTISING_KEY, b"abc")
Told = list[tuple[str, Nearness]]


class Books:
    def __init__(self, *vehicles: Vehicle) -> None:
        self.known = list(vehicles)
        self.broken = False

    async def vehicles(self) -> Sequence[Vehicle]:
        if self.broken:
            raise StoreError("locked", code="store_busy", retryable=True)
        return self.known


class Scene:
    def __init__(self, stack: AsyncExitStack, radio: VirtualRadio) -> None:
        self.stack, self.radio, self.books = stack, radio, Books(OURS)
        self.told: Told = []
        self.now = 0.0

    async def look_out(self) -> Lookout:
        air = BleAir.bumble((await self.radio.add_controller()).open)
        self.stack.push_async_callback(air.close)
        made = Lookout(air, self.books, lambda *told: self.told.append(told), ticks=lambda: self.now)
        await made.start()
        self.stack.push_async_callback(made.stop)
        return made

    async def vehicle(self, heard_as: bytes) -> EchoVehicle:
        port = await self.radio.add_controller()
        return await self.stack.enter_async_context(EchoVehicle(port.open, heard_as))


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(module, "ROUND_S", 0.01)
    monkeypatch.setattr(module, "AGAIN_S", (0.01, 0.04))
    async with AsyncExitStack() as stack:
        yield Scene(stack, await stack.enter_async_context(VirtualRadio()))


async def test_a_vehicle_of_ours_comes_and_goes(scene: Scene) -> None:
    lookout = await scene.look_out()
    await until(lambda: lookout._vehicles)
    await scene.vehicle(bytes(6))  # a stranger
    async with AsyncExitStack() as stay:
        port = await scene.radio.add_controller()
        await stay.enter_async_context(EchoVehicle(port.open, OUR_ID))
        await until(lambda: scene.told)
    assert scene.told == [("veh_ours", Nearness.NEAR)]
    scene.now += GONE_S
    await until(lambda: len(scene.told) > 1)
    assert scene.told[1:] == [("veh_ours", Nearness.GONE)]


async def test_it_listens_while_others_connect(scene: Scene) -> None:
    await scene.vehicle(OUR_ID)
    other = bytes.fromhex("0a0b0c0d0e0f")
    await scene.vehicle(other)
    lookout = await scene.look_out()
    air = lookout._ear
    assert isinstance(air, BleAir)
    link = await air.open(lambda heard: heard == other, 4.0)
    await until(lambda: ("veh_ours", Nearness.NEAR) in scene.told)
    assert not link.closed


async def test_a_radio_that_fails_is_listened_to_again(scene: Scene) -> None:
    lookout = await scene.look_out()
    await until(lambda: lookout._vehicles)
    air = lookout._ear
    assert isinstance(air, BleAir)
    for _ in range(3):
        await until(lambda: air._scanner._scanner is not None)
        air.radio_lost("pulled out")
    await scene.vehicle(OUR_ID)
    await until(lambda: scene.told == [("veh_ours", Nearness.NEAR)])


async def test_strangers_cost_no_more_than_a_budget(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    lookout = Lookout(BleAir.system(), scene.books, lambda *told: scene.told.append(told), ticks=lambda: 0.0)
    lookout._vehicles = [OURS] * 1000
    compared = [0]

    def count(key: bytes, heard: bytes) -> bool:
        compared[0] += 1
        return False

    monkeypatch.setattr(module, "recognises", count)
    for number in range(5000):
        lookout.hear(Sighting(number.to_bytes(6, "big"), -40))
    assert compared[0] <= COMPARISONS
    assert len(lookout._owners) <= module.MOST_IDS


async def test_books_that_cannot_be_read_are_asked_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_S", 0.0)
    scene.books.broken = True
    await scene.vehicle(OUR_ID)
    await scene.look_out()
    await asyncio.sleep(0.04)
    assert scene.told == []
    scene.books.broken = False
    await until(lambda: scene.told == [("veh_ours", Nearness.NEAR)])
