"""Signals: never stale shown as fact, and three different ways of not having a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from keygw.bridge.records import App
from keygw.bridge.scopes import SIGNAL_SCOPES
from keygw.bridge.signals import MAX_AGE
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.signal import SignalId

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

LOCK = SignalId.CENTRAL_LOCK.path
SPEED = SignalId.SPEED.path


async def read(world: World, app: App, *paths: str) -> list[dict[str, Any]]:
    view = await world.bridge.access.view(app, world.vehicle.id)
    return world.bridge.signals.answers(view, paths or None, world.clock())


async def quality(world: World, app: App, path: str = LOCK) -> str:
    return str((await read(world, app, path))[0]["quality"])


def test_every_signal_has_a_scope() -> None:
    assert set(SIGNAL_SCOPES) == set(SignalId)


async def test_absent_unsupported_and_forbidden_are_three_answers(world: World) -> None:
    app, _, _ = await world.owner("command.unlock")
    assert await read(world, app, LOCK, "Vehicle.Flux", SPEED) == [
        {"path": LOCK, "quality": "unknown"},
        {"path": "Vehicle.Flux", "error": "unsupported"},
        {"path": SPEED, "error": "forbidden", "required_scope": "status.energy.read"},
    ]


async def test_who_may_unlock_may_see_the_lock_and_nothing_else(world: World) -> None:
    app, _, _ = await world.owner("command.unlock")
    paths = {answer["path"] for answer in await read(world, app)}
    assert LOCK in paths
    doors = {path for path in paths if re.fullmatch(r"Vehicle.Cabin.Door.Row[12].(Driver|Passenger)Side.Is\w+", path)}
    assert (len(doors), paths - doors) == (8, {LOCK})


async def test_where_a_car_is_needs_a_scope_of_its_own(world: World) -> None:
    app, _, _ = await world.owner("status.security.read", "status.energy.read")
    path = SignalId.LATITUDE.path
    assert await read(world, app, path) == [
        {"path": path, "error": "forbidden", "required_scope": "status.location.read"}
    ]
    app, _, key = await world.owner("status.location.read")
    world.car.up(key.id)
    world.car.report(SignalId.LATITUDE, 52.5)
    assert (await read(world, app, path))[0]["value"] == 52.5


async def test_a_value_says_where_it_comes_from_and_how_old_it_is(world: World) -> None:
    app, _, key = await world.owner()
    world.car.up(key.id)
    world.car.report(SignalId.SPEED, 12.5)
    assert await read(world, app, SPEED) == [
        {
            "path": SPEED,
            "value": 12.5,
            "unit": "km/h",
            "ts": "2027-01-15T08:00:00.000Z",
            "received_at": "2027-01-15T08:00:00.000Z",
            "source": "ble",
            "quality": "live",
            "max_age": MAX_AGE,
        }
    ]


async def test_a_value_is_live_only_while_it_can_be(world: World) -> None:
    app, _, key = await world.owner()
    world.car.up(key.id)
    world.car.report(SignalId.CENTRAL_LOCK, True)
    assert await quality(world, app) == "live"
    world.clock.now += MAX_AGE - 1
    assert await quality(world, app) == "live"
    world.clock.now += 1
    assert await quality(world, app) == "stale"
    world.car.report(SignalId.CENTRAL_LOCK, True)
    assert await quality(world, app) == "live"
    world.car.down()
    assert await quality(world, app) == "stale"
    world.car.up(key.id)
    assert await quality(world, app) == "stale"  # who knows what happened in between
    world.car.report(SignalId.CENTRAL_LOCK, True)
    assert await quality(world, app) == "live"
    world.clock.now -= 10
    assert await quality(world, app) == "stale"  # from the future: the clock is wrong, so nothing is claimed


async def test_a_key_without_status_rights_reads_nothing(world: World) -> None:
    _, _, top = await world.owner()
    app, _ = await world.app()
    await world.give_friend_key(app, top, Entitlement.DOOR_UNLOCK)
    assert (await read(world, app, LOCK))[0]["error"] == "forbidden"
    await world.give_friend_key(app, top, PROFILES["access"])
    assert await quality(world, app) == "unknown"


async def test_a_key_that_ended_reads_nothing(world: World) -> None:
    app, _, key = await world.owner()
    assert await quality(world, app) == "unknown"
    await world.credentials.suspend(key.id)
    assert (await read(world, app, LOCK))[0]["error"] == "forbidden"


async def test_only_news_is_told(world: World) -> None:
    _, _, key = await world.owner()
    stream = world.hub.subscribe(lambda event: event.type == "keygw.signal.changed")
    world.car.up(key.id)
    told: list[Any] = []
    for value in (True, True, False, False):
        world.car.report(SignalId.CENTRAL_LOCK, value)
        event = await stream.next(0)
        told.append(event and event.data["value"])
    assert told == [True, None, False, None]
    world.car.down()
    world.car.up(key.id)
    world.car.report(SignalId.CENTRAL_LOCK, False)  # the same as before, but now it is known again
    event = await stream.next(0)
    assert event is not None


async def test_a_report_that_was_overtaken_changes_nothing(world: World) -> None:
    app, _, key = await world.owner()
    world.car.up(key.id)
    world.car.report(SignalId.CENTRAL_LOCK, False)
    world.car.report(SignalId.CENTRAL_LOCK, True, at=world.clock() - 5)
    assert (await read(world, app, LOCK))[0]["value"] is False


async def test_reachability_is_told_once_a_change(world: World) -> None:
    _, _, key = await world.owner()
    stream = world.hub.subscribe(lambda event: event.type.startswith("keygw.vehicle"))
    told: list[str] = []
    for change in (world.car.up, world.car.up, None, None, world.car.up):
        if change is None:
            world.car.down()
        else:
            change(key.id)
        event = await stream.next(0)
        if event is not None:
            told.append(event.type.rsplit(".", 1)[1])
    assert told == ["reachable", "unreachable", "reachable"]
