"""Events reach exactly the apps that could have read the same thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keygw.bridge.gate import EventGate
from keygw.bridge.records import App
from keygw.model.entitlement import PROFILES
from keygw.model.signal import SignalId

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World


class Ear:
    """What one app hears, as a stream would let it through."""

    def __init__(self, world: World, app: App, vehicle_id: str | None = None) -> None:
        self.gate = EventGate(app, world.bridge.access, world.feed, world.clock, vehicle_id)
        self.stream = world.hub.subscribe(self.gate.wanted)

    async def heard(self) -> list[str]:
        found = []
        while (event := await self.stream.next(0)) is not None:
            if await self.gate.allows(event):
                found.append(event.type.removeprefix("keygw."))
        return found


async def test_each_hears_its_own(world: World) -> None:
    owner, _, top = await world.owner()
    friend, _ = await world.app()
    stranger, _ = await world.app()
    operator = await world.bridge.apps.authenticate("kgw_operator-for-tests")
    await world.give_friend_key(friend, top, PROFILES["access"])
    ears = {app.id: Ear(world, app) for app in (owner, friend, stranger, operator)}
    record, _ = await world.bridge.commands.create(owner, world.vehicle.id, action="unlock", idempotency_key="k")
    await world.settled(record)
    commands = ["command.updated"] * 2
    assert await ears[owner.id].heard() == [
        "command.updated", "vehicle.reachable", *commands, "key.met", "key.used", "signal.changed", "command.updated"
    ]  # fmt: skip
    assert await ears[friend.id].heard() == ["vehicle.reachable", "signal.changed"]
    assert await ears[stranger.id].heard() == []
    assert (await ears[operator.id].heard()).count("command.updated") == 4


async def test_invitations_are_heard_by_who_sees_the_key_they_were_made_with(world: World) -> None:
    owner, _, top = await world.owner()
    friend, _ = await world.app()
    sharer, _ = await world.app("key.share")
    quiet, _ = await world.app("vehicle.read")
    stranger, _ = await world.app()
    await world.give_friend_key(friend, top, PROFILES["access"])
    for app in (sharer, quiet):
        await world.give_key(app)
    ears = {app.name + app.id: Ear(world, app) for app in (owner, sharer, friend, quiet, stranger)}
    made = await world.credentials.invitations.create(
        top.id, app_id=owner.id, entitlements=PROFILES["access"], key_lifetime=60
    )
    await world.credentials.invitations.cancel(made.invitation.id)
    heard = [await ear.heard() for ear in ears.values()]
    told = ["invitation.created", "invitation.cancelled"]
    assert heard == [told, told, [], [], []]


async def test_a_friend_hears_of_its_own_key_and_then_no_more_of_the_car(world: World) -> None:
    owner, _, top = await world.owner()
    friend, _ = await world.app()
    key = await world.give_friend_key(friend, top, PROFILES["access"])
    ear = Ear(world, friend)
    world.car.up(top.id)
    world.car.report(SignalId.CENTRAL_LOCK, True)
    assert await ear.heard() == ["vehicle.reachable", "signal.changed"]
    world.car.present = False
    await world.bridge.keys.suspend(owner, key.id)
    world.car.report(SignalId.CENTRAL_LOCK, False)
    assert await ear.heard() == ["key.suspended"]
    await world.bridge.keys.resume(owner, key.id)
    world.car.report(SignalId.CENTRAL_LOCK, True)
    assert await ear.heard() == ["key.resumed", "signal.changed"]
    world.clock.now += 7200
    world.car.report(SignalId.CENTRAL_LOCK, False)
    assert await ear.heard() == ["key.expired"]  # and no signal: its time was up, and nobody had to say so


@pytest.mark.parametrize(
    ("scope", "types"),
    [
        ("command.unlock", {"signal.changed"}),
        ("vehicle.read", {"vehicle.reachable"}),
        ("key.read", {"key.suspended"}),
        ("status.energy.read", set()),
    ],
)
async def test_scopes_hold_for_events_too(world: World, scope: str, types: set[str]) -> None:
    app, _, key = await world.owner(scope)
    ear = Ear(world, app)
    world.car.up(key.id)
    world.car.report(SignalId.CENTRAL_LOCK, True)
    world.hub.publish("keygw.something.new", world.vehicle.id, {})
    heard = set(await ear.heard())
    world.car.present = False
    await world.credentials.suspend(key.id)
    assert heard | set(await ear.heard()) == types


async def test_one_vehicle_only(world: World) -> None:
    app, _, key = await world.owner()
    here, elsewhere = Ear(world, app, world.vehicle.id), Ear(world, app, "veh_mfrggzdfmztwq2lk")
    world.car.up(key.id)
    assert await here.heard() == ["vehicle.reachable"]
    assert await elsewhere.heard() == []


async def test_alerts_are_for_owners(world: World) -> None:
    owner, _, top = await world.owner()
    friend, _ = await world.app()
    await world.give_friend_key(friend, top, PROFILES["driver"])
    ears = Ear(world, owner), Ear(world, friend)
    world.feed.on_event("security.alert", {"vehicle_id": world.vehicle.id, "reason": "receipt_conflict"})
    assert [await ear.heard() for ear in ears] == [["security.alert"], []]
