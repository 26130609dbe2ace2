"""How often a connection meets: brisk while something goes, calm while it rests, and nobody waits for the change."""

from __future__ import annotations

import asyncio

import pytest

from keygw.ble import pace as module
from keygw.ble.air import BleAir
from keygw.ble.pace import BRISK, CALM, Pace, Parameters
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.echo import EchoVehicle
from until import until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REST_AFTER_S", 0.02)


async def test_it_calms_down_and_wakes_up() -> None:
    asked: list[Parameters] = []

    async def ask(wish: Parameters) -> None:
        asked.append(wish)

    pace = Pace(ask)
    await until(lambda: asked == [CALM])
    pace.touch()
    pace.touch()
    await until(lambda: asked == [CALM, BRISK, CALM])
    pace.stop()
    pace.touch()
    await asyncio.sleep(0.03)
    assert asked == [CALM, BRISK, CALM]


async def test_what_is_wanted_while_one_is_asked_for_follows() -> None:
    asked: list[Parameters] = []
    answer = asyncio.Event()

    async def ask(wish: Parameters) -> None:
        asked.append(wish)
        await answer.wait()

    pace = Pace(ask)
    await until(lambda: asked == [CALM])
    pace.touch()
    assert asked == [CALM], "one at a time"
    answer.set()
    await until(lambda: asked == [CALM, BRISK, CALM])
    pace.stop()


async def test_a_controller_that_refuses_does_no_harm() -> None:
    asked: list[Parameters] = []

    async def ask(wish: Parameters) -> None:
        asked.append(wish)
        raise ValueError("not today")

    pace = Pace(ask)
    await until(lambda: asked == [CALM])
    pace.touch()
    await until(lambda: asked[:2] == [CALM, BRISK])
    pace.stop()


async def test_on_the_air() -> None:
    """The link layer of both ends is told, and frames go on through the changes."""
    rotating_id = bytes(6)
    async with VirtualRadio() as radio, EchoVehicle((await radio.add_controller()).open, rotating_id):
        air = BleAir.bumble((await radio.add_controller()).open)
        link = await air.open(lambda heard: heard == rotating_id, 5.0)
        client = link._client
        assert client is not None
        connection = client._backend._connection  # type: ignore[attr-defined]  # bleak hides what only a test wants
        assert connection.parameters.connection_interval <= BRISK.most_ms
        await until(lambda: connection.parameters.connection_interval == CALM.most_ms)
        for number in range(20):
            frame = bytes([0xC0, number])
            await link.send(frame)
            assert await link.receive() == frame
        await until(lambda: connection.parameters.connection_interval == CALM.most_ms)
        await link.close()
        await air.close()
