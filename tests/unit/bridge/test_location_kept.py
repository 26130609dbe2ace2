"""Where a vehicle is, is known for as long as configured, and nowhere for longer."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.bridge.scopes import LOCATION_SIGNALS
from keygw.bridge.signals import LOCATION_KEPT, SignalCache
from keygw.model.signal import Quality, Signal, SignalId

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

LATITUDE, SPEED = SignalId.LATITUDE, SignalId.SPEED
PLACE = 52.516275


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def heard(clock: Clock, signal: SignalId = LATITUDE, value: float = PLACE) -> Signal:
    return Signal(signal, value, clock.now, clock.now)


async def read(world: World, token: str, *paths: str, client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get(
        f"/v1/vehicles/{world.vehicle.id}/signals",
        params={"paths": ",".join(paths)},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.text
    told: list[dict[str, Any]] = answer.json()["signals"]
    return told


def test_what_has_the_scope_of_places_is_kept_for_a_short_time() -> None:
    assert {SignalId.LATITUDE, SignalId.LONGITUDE, SignalId.HEADING} == LOCATION_SIGNALS
    assert 0 < LOCATION_KEPT <= 3600


async def test_readers_hear_when_the_place_was_dropped(world: World, client: httpx.AsyncClient) -> None:
    _, token, key = await world.owner()
    world.car.up(key.id)
    world.car.report(LATITUDE, PLACE)
    world.car.report(SPEED, 3.0)
    world.car.down()
    world.clock.now += LOCATION_KEPT - 1
    told = await read(world, token, LATITUDE.path, client=client)
    assert (told[0]["value"], told[0]["quality"]) == (PLACE, "stale")
    world.clock.now += 1
    gone = {"path": LATITUDE.path, "quality": "unknown", "dropped_at": "2027-01-15T08:15:00.000Z"}
    told = await read(world, token, LATITUDE.path, SPEED.path, client=client)
    assert told[0] == gone, "nobody has cleared up yet, and it is known no longer"
    assert (told[1]["value"], told[1]["quality"]) == (3.0, "stale"), "other signals stay"
    await world.feed.drop_old()
    world.clock.now += 3600
    assert (await read(world, token, LATITUDE.path, client=client))[0] == gone
    world.car.up(key.id)
    world.car.report(LATITUDE, PLACE)
    assert (await read(world, token, LATITUDE.path, client=client))[0]["value"] == PLACE


async def test_no_place_is_written_down(world: World) -> None:
    """Neither in the database nor in any file beside it, whatever else is recorded."""
    _, _, key = await world.owner()
    world.car.up(key.id)
    world.car.report(LATITUDE, PLACE)
    await world.store.bridge.announce("something is written after it")
    written = b"".join(path.read_bytes() for path in world.store.directory.rglob("*") if path.is_file())
    assert key.id.encode() in written, "the search finds what is there"
    assert str(PLACE).encode() not in written
    assert struct.pack(">d", PLACE) not in written


async def test_streams_hear_of_it_and_their_memory_forgets_it(world: World) -> None:
    _, _, key = await world.owner()
    world.car.up(key.id)
    before = world.hub.here
    world.car.report(LATITUDE, PLACE)
    world.car.report(SPEED, 3.0)
    world.clock.now += LOCATION_KEPT
    await world.feed.drop_old()
    await world.feed.drop_old()
    told = world.hub.missed(lambda event: event.type.startswith("keygw.signal."), before)
    with told:
        events = [await told.next(1) for _ in range(2)]
    assert [(event.type, event.data.get("path")) for event in events if event is not None] == [
        ("keygw.signal.changed", SPEED.path),
        ("keygw.signal.dropped", LATITUDE.path),
    ]
    assert str(PLACE) not in json.dumps([event.json for event in events if event is not None])


@pytest.mark.parametrize(("step", "quality"), [(-59.0, Quality.STALE), (-61.0, Quality.UNKNOWN)])
def test_a_clock_that_is_set_back_prolongs_nothing(step: float, quality: Quality) -> None:
    clock = Clock()
    signals = SignalCache(clock, location_kept=900)
    place = heard(clock)
    signals.update("veh_a", [place])
    clock.now += step
    assert signals.quality("veh_a", place) is quality
    assert len(signals.drop_old()) == (quality is Quality.UNKNOWN)


def test_a_deployment_may_keep_no_place_at_all() -> None:
    clock = Clock()
    signals = SignalCache(clock, location_kept=0)
    signals.set_link("veh_a", up=True)
    assert [each.id for each in signals.update("veh_a", [heard(clock), heard(clock, SPEED)])] == [SPEED]
    assert [each.id for each in signals.heard("veh_a")] == [SPEED]
    assert signals.drop_old() == []


def test_what_another_gateway_tells_late_is_not_taken_in() -> None:
    clock = Clock()
    signals = SignalCache(clock, location_kept=60)
    late = heard(clock)
    clock.now += 60
    assert signals.mirror("veh_a", True, [late]) == (True, [])
    assert not signals.knows("veh_a", LATITUDE)
