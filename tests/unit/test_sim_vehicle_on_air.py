"""The car between its brain and its radio: what one central does not take, no other waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest

from keygw.model.errors import LinkError
from keygw_sim.chance import chance
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash
from keygw_sim.vehicle.outbox import OUTBOX_FRAMES, Outbox
from keygw_sim.vehicle.runner import VehicleOnAir, new_vehicle

HELLO_REQ = b"\xc0\x02"
HELLO_FRAMES = 3
NONSENSE = b"\xc0\xff"


class Air:
    """In the place of the radio. Centrals in ``stalled`` take nothing, those in ``lost`` have gone."""

    def __init__(self) -> None:
        self.stalled: set[int] = set()
        self.lost: set[int] = set()
        self.log: list[tuple[str, int]] = []
        self.frames: dict[int, list[bytes]] = {}
        self.moved = asyncio.Event()

    async def notify(self, conn_id: int, frame: bytes) -> None:
        await asyncio.sleep(0)
        while conn_id in self.stalled:
            self.moved.clear()
            await self.moved.wait()
        if conn_id in self.lost:
            raise LinkError("gone", code="link_lost")
        self.frames.setdefault(conn_id, []).append(frame)
        self.log.append(("frame", conn_id))

    async def disconnect(self, conn_id: int) -> None:
        self.log.append(("disconnect", conn_id))

    async def advertise(self, rotating_id: bytes) -> None: ...

    async def stop(self) -> None: ...

    def max_frame(self, conn_id: int) -> int:
        return 20

    def release(self) -> None:
        self.stalled.clear()
        self.moved.set()

    async def until(self, *event: object) -> None:
        async with asyncio.timeout(2):
            while event not in self.log:  # noqa: ASYNC110 - a list has no event
                await asyncio.sleep(0.001)


async def soon(work: Awaitable[object]) -> None:
    await asyncio.wait_for(work, 2)


@pytest.fixture
def air() -> Air:
    return Air()


@pytest.fixture
async def vehicle(tmp_path: Path, air: Air, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[VehicleOnAir]:
    random = chance("on air", "all")
    memory = new_vehicle("Car", random)
    brain = Brain(memory, Flash(tmp_path), random, time.monotonic)
    made = VehicleOnAir(brain, "none")
    monkeypatch.setattr(made, "_peripheral", air)
    yield made
    await made.stop()


async def test_a_central_that_takes_nothing_delays_no_other(vehicle: VehicleOnAir, air: Air) -> None:
    air.stalled = {1}
    await vehicle.connected(1)
    await vehicle.connected(2)
    stuck = asyncio.create_task(vehicle.subscribed(1))
    await soon(vehicle.subscribed(2))
    await soon(vehicle.frame(2, HELLO_REQ))
    await soon(vehicle.flush())
    assert len(air.frames[2]) == 2 * HELLO_FRAMES
    assert not stuck.done(), "who takes nothing is not listened to either"
    air.release()
    await soon(stuck)
    assert len(air.frames[1]) == HELLO_FRAMES


async def test_the_last_word_is_out_before_the_connection_is_dropped(vehicle: VehicleOnAir, air: Air) -> None:
    await vehicle.connected(1)
    await soon(vehicle.subscribed(1))
    before = len(air.log)
    await soon(vehicle.frame(1, NONSENSE))
    await air.until("disconnect", 1)
    assert air.log[before:] == [("frame", 1), ("disconnect", 1)]


async def test_what_waits_is_forgotten_with_the_connection(vehicle: VehicleOnAir, air: Air) -> None:
    air.stalled = {1}
    await vehicle.connected(1)
    stuck = asyncio.create_task(vehicle.subscribed(1))
    await asyncio.sleep(0.01)
    vehicle.disconnected(1)
    await soon(stuck)
    air.release()
    await asyncio.sleep(0.01)
    assert air.log == []


async def test_a_central_that_cannot_be_told_is_dropped(vehicle: VehicleOnAir, air: Air) -> None:
    air.lost = {1}
    await vehicle.connected(1)
    await soon(vehicle.subscribed(1))
    await air.until("disconnect", 1)
    await soon(vehicle.flush())


async def test_an_outbox_has_an_end(air: Air) -> None:
    air.stalled = {1}
    outbox = Outbox(air, 1)
    outbox.put(bytes([n % 256]) for n in range(OUTBOX_FRAMES))
    await asyncio.sleep(0.01)
    outbox.put([b"one", b"too many"])
    air.release()
    await soon(outbox.sent())
    await air.until("disconnect", 1)
    assert air.frames[1] == [b"\x00"], "the one that was under way"
