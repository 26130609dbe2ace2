"""A link that an app wants to stay is made again: patiently, with chance in it, and only as long as it is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from keygw.bridge import reconnect as module
from keygw.bridge.leases import HeldElsewhere
from keygw.bridge.reconnect import TRIES, Reconnect
from keygw.model.errors import Forbidden, KeygwError, LinkError
from keygw.vehicle.values import LinkStatus
from until import until

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

CAR = "veh_a"
UP, DOWN = LinkStatus(CAR, "connected", "key_a"), LinkStatus(CAR, "disconnected")
AWAY = LinkError("away", code="out_of_range")


class Air:
    """Answers each connection with the next of ``answers``, then with the last for ever. ``pauses``: asked for."""

    def __init__(self, rng: Random) -> None:
        self.answers: list[LinkStatus | KeygwError] = [UP]
        self.asked: list[tuple[str, str]] = []
        self.reconnect = Reconnect(self._connect, rng.randbytes)

    async def _connect(self, vehicle_id: str, key_id: str, seconds: float) -> LinkStatus:
        self.asked.append((vehicle_id, key_id))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, KeygwError):
            raise answer
        return answer

    @property
    def tasks(self) -> list[Any]:
        return [held.task for held in self.reconnect._held.values() if held.task is not None]

    async def ended(self) -> None:
        async with asyncio.timeout(5):
            while self.tasks:
                await asyncio.wait(self.tasks)
                await asyncio.sleep(0)


@pytest.fixture
async def air(rng: Random, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Air]:
    monkeypatch.setattr(module, "FIRST_S", 0.0001)
    monkeypatch.setattr(module, "LONGEST_S", 0.001)
    made = Air(rng)
    yield made
    await made.reconnect.stop()


async def test_a_lost_link_is_made_again_with_the_same_key(air: Air) -> None:
    air.answers = [AWAY, AWAY, UP]
    air.reconnect.hold(CAR, "key_a")
    air.reconnect.on_link(CAR, DOWN)
    air.reconnect.on_link(CAR, DOWN)
    await air.ended()
    assert air.asked == [(CAR, "key_a")] * 3
    air.reconnect.on_link(CAR, UP)
    air.reconnect.on_link(CAR, DOWN)
    await air.ended()
    assert len(air.asked) == 4, "and each time that it is lost"


async def test_nobody_asked_for_it(air: Air) -> None:
    air.reconnect.on_link(CAR, DOWN)
    assert (air.tasks, air.asked) == ([], [])


async def test_who_ends_it_is_heard_at_once(air: Air) -> None:
    air.reconnect.hold(CAR, "key_a")
    air.reconnect.release(CAR)
    air.reconnect.on_link(CAR, DOWN)
    assert air.tasks == []
    air.answers = [AWAY]
    air.reconnect.hold(CAR, "key_a")
    air.reconnect.on_link(CAR, DOWN)
    [task] = air.tasks
    air.reconnect.release(CAR)
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("final", [HeldElsewhere(), Forbidden("revoked", code="key_revoked")])
async def test_what_cannot_be_is_not_tried_again(air: Air, final: KeygwError) -> None:
    air.answers = [AWAY, final]
    air.reconnect.hold(CAR, "key_a")
    air.reconnect.on_link(CAR, DOWN)
    await air.ended()
    assert len(air.asked) == 2
    assert not air.reconnect._held


async def test_it_rests_after_some_tries_until_the_vehicle_is_near(air: Air) -> None:
    air.answers = [AWAY]
    air.reconnect.hold(CAR, "key_a")
    air.reconnect.on_link(CAR, DOWN)
    await until(lambda: len(air.asked) >= TRIES)
    await asyncio.sleep(0.02)
    assert len(air.asked) == TRIES
    air.answers = [UP]
    air.reconnect.near(CAR)
    await air.ended()
    assert len(air.asked) == TRIES + 1


async def test_the_pauses_grow_and_have_chance_in_them(monkeypatch: pytest.MonkeyPatch, rng: Random) -> None:
    air, pauses = Air(rng), list[float | None]()
    real = asyncio.timeout

    def timeout(seconds: float | None) -> asyncio.Timeout:
        pauses.append(seconds)
        return real(0)

    air.answers = [*[AWAY] * 9, UP]
    air.reconnect.hold(CAR, "key_a")
    monkeypatch.setattr(asyncio, "timeout", timeout)
    air.reconnect.on_link(CAR, DOWN)
    [task] = air.tasks
    await asyncio.wait([task])
    given = [seconds for seconds in pauses if seconds is not None]
    assert len(given) == 10
    longest = [min(60.0, 0.5 * 2**number) for number in range(10)]
    assert all(most / 2 <= seconds <= most for seconds, most in zip(given, longest, strict=True))
    assert len({round(seconds / most, 6) for seconds, most in zip(given, longest, strict=True)}) > 5


async def test_through_the_bridge(world: World) -> None:
    """Asked for by an app, lost, made again; ended by the app, and it stays so."""
    app, _, key = await world.owner()
    world.bridge.reconnect._random = bytes
    await world.bridge.vehicles.connect(app, world.vehicle.id, key.id, 2.0)
    up = world.hub.subscribe(lambda event: event.type == "keygw.vehicle.reachable")
    world.car.down()
    again = await up.next(5.0)
    assert again is not None
    await world.bridge.vehicles.disconnect(app, world.vehicle.id)
    assert world.bridge.reconnect._held == {}
    assert world.car.status is not None
    assert not world.car.status.up
