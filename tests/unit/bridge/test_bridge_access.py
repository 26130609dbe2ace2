"""Least privilege: an app sees its own keys and what descends from them; everything else is not there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from keygw.bridge.access import ScopeRequired, View
from keygw.bridge.records import App
from keygw.crypto.signer import LocalSigner
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import BadInput, Conflict, Forbidden, KeygwError, NotFound
from keygw.model.ids import new_id
from keygw.model.vehicle import Vehicle

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

OPERATOR_TOKEN = "kgw_operator-for-tests"


async def seen(world: World, app: App) -> set[str]:
    return {view.key.id for view in await world.bridge.keys.list(app)}


async def phone_key(world: World, app: App, parent: DigitalKey) -> DigitalKey:
    view = await world.bridge.keys.share(
        app,
        parent.id,
        device_public_key=LocalSigner.generate().public_key,
        entitlements=PROFILES["access"],
        expires_at=int(world.clock()) + 600,
        label="phone",
    )
    return view.key


async def test_the_owner_sees_all_keys_and_a_friend_its_own_and_below(world: World) -> None:
    owner, _, top = await world.owner()
    friend, _ = await world.app()
    sharing = PROFILES["access"] | Entitlement.KEY_SHARE
    middle = await world.give_friend_key(friend, top, sharing)
    below = await phone_key(world, friend, middle)
    beside = await phone_key(world, owner, top)
    stranger, _ = await world.app()
    operator = await world.bridge.apps.authenticate(OPERATOR_TOKEN)
    assert await seen(world, owner) == {top.id, middle.id, below.id, beside.id}
    assert await seen(world, operator) == {top.id, middle.id, below.id, beside.id}
    assert await seen(world, friend) == {middle.id, below.id}
    assert await seen(world, stranger) == set()


@pytest.mark.parametrize("name", ["get", "token", "suspend", "resume", "revoke"])
async def test_what_an_app_may_not_know_of_is_not_there(world: World, name: str) -> None:
    _, _, top = await world.owner()
    friend, _ = await world.app()
    await world.give_friend_key(friend, top, PROFILES["access"])
    stranger, _ = await world.app()
    for app in (friend, stranger):
        for key_id in (top.id, new_id("key", world.random), "key_x", "nonsense", ""):
            with pytest.raises(NotFound) as refused:
                await getattr(world.bridge.keys, name)(app, key_id)
            assert refused.value.code == "unknown_key"
            assert str(refused.value) == "there is no such key for this app"


async def test_a_vehicle_shows_to_whom_it_concerns(world: World) -> None:
    claimant, _ = await world.app()
    vehicle = Vehicle(new_id("veh", world.random), "Mine", LocalSigner.generate().public_key, bytes(16))
    await world.bridge.vehicles.register(claimant, vehicle)
    await world.bridge.vehicles.register(claimant, vehicle)
    assert [view.vehicle.id for view in await world.bridge.vehicles.list(claimant)] == [vehicle.id]
    other, _ = await world.app()
    assert await world.bridge.vehicles.list(other) == []
    with pytest.raises(NotFound):
        await world.bridge.vehicles.get(other, vehicle.id)
    with pytest.raises(Conflict) as refused:
        await world.bridge.vehicles.register(other, vehicle)
    assert refused.value.code == "vehicle_taken"


async def test_a_registration_that_was_refused_leaves_no_claim(world: World) -> None:
    squatter, _ = await world.app()
    owner, _ = await world.app()
    real = Vehicle(new_id("veh", world.random), "Van", LocalSigner.generate().public_key, bytes(16))
    with pytest.raises(BadInput):
        await world.bridge.vehicles.register(squatter, replace(real, name="\u202e"))
    assert await world.store.bridge.claimant(real.id) is None
    await world.bridge.vehicles.register(owner, real)
    # Known here, but nobody's: other keys under its id are refused, and give no claim either.
    with pytest.raises(Conflict) as refused:
        await world.bridge.vehicles.register(squatter, replace(real, id=world.vehicle.id))
    assert refused.value.code == "vehicle_exists"
    assert await world.store.bridge.claimant(world.vehicle.id) is None


async def test_nobody_becomes_owner_of_a_vehicle_that_is_not_his(world: World) -> None:
    _, _, top = await world.owner()
    friend, _ = await world.app()
    stranger, _ = await world.app()
    await world.give_friend_key(friend, top, PROFILES["driver"])
    with pytest.raises(Forbidden) as refused:
        await world.bridge.keys.issue_owner(friend, world.vehicle.id, "mine now")
    assert refused.value.code == "not_vehicle_owner"
    with pytest.raises(NotFound):
        await world.bridge.keys.issue_owner(stranger, world.vehicle.id, "mine now")


async def test_a_holder_does_not_lift_its_own_suspension(world: World) -> None:
    owner, _, top = await world.owner()
    friend, _ = await world.app()
    key = await world.give_friend_key(friend, top, PROFILES["access"])
    await world.bridge.keys.suspend(owner, key.id)
    with pytest.raises(Forbidden) as refused:
        await world.bridge.keys.resume(friend, key.id)
    assert refused.value.code == "not_key_manager"
    assert (await world.bridge.keys.resume(owner, key.id)).key.state is KeyState.ACTIVE


async def test_an_owner_key_that_was_suspended_is_lifted_by_another_owner_or_the_operator(world: World) -> None:
    owner, _, top = await world.owner()
    second, _ = await world.app()
    await world.give_key(second)
    await world.bridge.keys.suspend(second, top.id)
    with pytest.raises(Forbidden):
        await world.bridge.keys.resume(owner, top.id)
    await world.bridge.keys.resume(second, top.id)
    await world.bridge.keys.suspend(owner, top.id)
    operator = await world.bridge.apps.authenticate(OPERATOR_TOKEN)
    assert (await world.bridge.keys.resume(operator, top.id)).key.state is KeyState.ACTIVE


@pytest.mark.parametrize("ended", ["suspend", "revoke"])
async def test_who_registered_a_vehicle_issues_its_first_owner_key_and_no_other_by_that(
    world: World, ended: str
) -> None:
    app, _ = await world.app()
    await world.store.bridge.claim_vehicle(world.vehicle.id, app.id)
    operator = await world.bridge.apps.authenticate(OPERATOR_TOKEN)
    first, _ = await world.bridge.keys.issue_owner(app, world.vehicle.id, "")
    second, _ = await world.bridge.keys.issue_owner(app, world.vehicle.id, "with the first, which is live")
    for key in (first.key, second.key):
        await getattr(world.bridge.keys, ended)(operator, key.id)
    with pytest.raises(Forbidden) as refused:
        await world.bridge.keys.issue_owner(app, world.vehicle.id, "")
    assert refused.value.code == "not_vehicle_owner"
    assert (await world.bridge.vehicles.get(app, world.vehicle.id)).first is False  # it still sees the vehicle
    await world.bridge.keys.issue_owner(operator, world.vehicle.id, "")


async def test_a_claim_gives_no_owner_key_where_somebody_else_has_one(world: World) -> None:
    await world.give_key((await world.app())[0])
    app, _ = await world.app()
    await world.store.bridge.claim_vehicle(world.vehicle.id, app.id)
    with pytest.raises(Forbidden) as refused:
        await world.bridge.keys.issue_owner(app, world.vehicle.id, "")
    assert refused.value.code == "not_vehicle_owner"


async def test_a_suspension_is_not_lifted_with_another_key_of_the_same_app(world: World) -> None:
    app, _, top = await world.owner()
    await world.give_key(app)
    friend = await world.give_friend_key(app, top, PROFILES["access"])
    operator = await world.bridge.apps.authenticate(OPERATOR_TOKEN)
    for key in (friend, top):
        await world.bridge.keys.suspend(operator, key.id)
    for key in (top, friend):
        with pytest.raises(Forbidden) as refused:
            await world.bridge.keys.resume(app, key.id)
        assert refused.value.code == "not_key_manager"
        assert (await world.bridge.keys.resume(operator, key.id)).key.state is KeyState.ACTIVE


@pytest.mark.parametrize("read", ["get", "list", "revoke"])
async def test_a_key_and_its_list_are_told_as_of_one_moment(
    world: World, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    """The acknowledgement comes after the first statement, after the second, and so on until after the last."""
    app, _, top = await world.owner()
    store, fetch = world.store.credentials, world.store.credentials._fetch
    statements = 1
    while True:
        key = await world.give_friend_key(app, top, PROFILES["access"])
        world.car.present = False
        if read != "revoke":
            await world.bridge.keys.revoke(app, key.id)
        left = statements

        async def interrupted(*asked: Any) -> Any:
            nonlocal left
            found = await fetch(*asked)
            left -= 1
            if left == 0 and await world.credentials.vehicles_behind():
                world.car.present = True
                await world.car.sync_list(world.vehicle.id)
            return found

        monkeypatch.setattr(store, "_fetch", interrupted)
        if read == "list":
            shown = await world.bridge.keys.list(app)
        else:
            shown = [await getattr(world.bridge.keys, read)(app, key.id)]
        monkeypatch.setattr(store, "_fetch", fetch)
        for view in shown:
            assert not (view.key.state is KeyState.REVOKING and view.acknowledged >= view.current), statements
        if left > 0:
            break
        statements += 1
    assert statements > 2


async def test_anybody_may_give_up_a_key_of_its_own(world: World) -> None:
    _, _, top = await world.owner()
    friend, _ = await world.app("key.manage")
    key = await world.give_friend_key(friend, top, PROFILES["access"])
    assert (await world.bridge.keys.revoke(friend, key.id)).key.state is KeyState.REVOKING


async def test_who_shared_a_key_may_end_it_with_the_sharing_scope(world: World) -> None:
    owner, _, top = await world.owner("key.share", "key.read")
    key = await phone_key(world, owner, top)
    assert (await world.bridge.keys.suspend(owner, key.id)).key.state is KeyState.SUSPENDED
    with pytest.raises(ScopeRequired) as refused:
        await world.bridge.keys.suspend(owner, top.id)
    assert refused.value.scope == "key.manage"


async def test_only_the_holder_shares(world: World) -> None:
    owner, _, top = await world.owner()
    friend, _ = await world.app()
    key = await world.give_friend_key(friend, top, PROFILES["access"] | Entitlement.KEY_SHARE)
    with pytest.raises(Forbidden) as refused:
        await phone_key(world, owner, key)
    assert refused.value.code == "not_key_holder"


async def test_a_key_that_ended_gives_no_more_rights_over_others(world: World) -> None:
    owner, _, top = await world.owner()
    second, _ = await world.app()
    await world.give_key(second)
    await world.bridge.keys.revoke(second, top.id)
    others = (await seen(world, second)) - {top.id}
    assert await seen(world, owner) == {top.id}  # its own history, and no longer the vehicle's
    for key_id in others:
        with pytest.raises(NotFound):
            await world.bridge.keys.suspend(owner, key_id)


@pytest.mark.parametrize(
    ("scope", "call"),
    [
        ("vehicle.read", lambda b, a, v, k: b.vehicles.list(a)),
        ("vehicle.read", lambda b, a, v, k: b.vehicles.get(a, v)),
        ("vehicle.read", lambda b, a, v, k: b.vehicles.link(a, v)),
        ("vehicle.read", lambda b, a, v, k: b.vehicles.connect(a, v, None, 1)),
        ("vehicle.read", lambda b, a, v, k: b.vehicles.disconnect(a, v)),
        ("vehicle.read", lambda b, a, v, k: b.vehicles.sync(a, v)),
        ("vehicle.read", lambda b, a, v, k: b.vehicles.discover(a, 1)),
        ("key.read", lambda b, a, v, k: b.vehicles.time_proof(a, v, bytes(8))),
        ("key.read", lambda b, a, v, k: b.keys.list(a)),
        ("key.read", lambda b, a, v, k: b.keys.get(a, k)),
        ("key.read", lambda b, a, v, k: b.keys.token(a, k)),
        ("key.read", lambda b, a, v, k: b.keys.receipts(a, v, 0, 1)),
        ("key.manage", lambda b, a, v, k: b.keys.issue_owner(a, v, "")),
        ("key.manage", lambda b, a, v, k: b.keys.revoke(a, k)),
    ],
)
async def test_every_door_asks_for_its_scope(world: World, scope: str, call: object) -> None:
    app, _, key = await world.owner("status.energy.read")
    with pytest.raises(ScopeRequired) as refused:
        await call(world.bridge, app, world.vehicle.id, key.id)  # type: ignore[operator]
    assert refused.value.scope == scope


async def test_a_link_of_another_app_is_left_alone(world: World) -> None:
    _, _, top = await world.owner()
    friend, _ = await world.app()
    key = await world.give_friend_key(friend, top, PROFILES["access"])
    await world.bridge.vehicles.connect(friend, world.vehicle.id, key.id, 1)
    owner = (await world.bridge.access.view(friend, world.vehicle.id)).app
    assert owner == friend
    other, _ = await world.app()
    await world.give_friend_key(other, top, PROFILES["access"])
    with pytest.raises(Forbidden) as refused:
        await world.bridge.vehicles.disconnect(other, world.vehicle.id)
    assert refused.value.code == "link_of_another"
    await world.bridge.vehicles.disconnect(friend, world.vehicle.id)
    await world.bridge.vehicles.disconnect(other, world.vehicle.id)  # there is none any more: nothing to refuse


@pytest.mark.parametrize("ended", ["suspend", "revoke"])
async def test_a_key_that_ended_connects_nothing(world: World, ended: str) -> None:
    app, _, key = await world.owner()
    await getattr(world.credentials, ended)(key.id)
    for call in (
        world.bridge.vehicles.connect(app, world.vehicle.id, None, 1),
        world.bridge.vehicles.sync(app, world.vehicle.id),
    ):
        with pytest.raises(KeygwError) as refused:
            await call
        assert refused.value.code == "key_not_usable"


async def test_a_clock_set_back_does_not_make_keys_unusable(world: World) -> None:
    app, _, _ = await world.owner()
    world.clock.now -= 86_400
    view: View = await world.bridge.access.view(app, world.vehicle.id)
    assert len(view.usable_keys(world.clock())) == 1
    record, _ = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="k")
    assert (await world.settled(record)).state == "confirmed"
