"""The list that is full and the list that grows old: watermark, renewed tokens, a fresh signature in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keygw.credentials.listing import watermark
from keygw.credentials.values import DAY, Limits
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt
from keygw.token.jwt import decode_jwt
from keygw.token.revocation import MAX_ENTRIES

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

HOUR = 3600
SHARING = PROFILES["access"] | Entitlement.KEY_SHARE


async def claims(world: World, key: DigitalKey) -> KeyClaims:
    """What the token says that is given out now, the same in both forms."""
    token = await world.service.key_token(key.id)
    found = decode_cwt(token.cwt, world.trusted)
    assert decode_jwt(token.jwt, world.trusted, vehicle_id=key.vehicle_id, now=world.now) == found
    return found


def test_the_watermark_frees_half_of_the_room() -> None:
    assert watermark([5, 1, 3], 0, 3) == 0
    assert watermark([5, 1, 3, 2], 0, 3) == 4
    assert watermark([7, 7, 7, 7], 0, 3) == 8  # entries of one second go together
    assert watermark([5, 1, 3, 2], 3, 3) == 3  # those below it are covered already
    assert watermark([1], 0, 0) == 2
    with pytest.raises(ValueError, match="list_entries"):
        Limits(list_entries=MAX_ENTRIES + 1)


async def test_a_full_list_raises_the_watermark_and_renews_the_good_keys(world: World) -> None:
    world.service = world.restarted(Limits(list_entries=4))
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    friends = []
    for _ in range(6):
        world.now += 10
        friends.append(await world.friend(owner))
    old = {key.id: await claims(world, key) for key in (owner, *friends)}
    for friend in friends[:4]:
        await world.service.revoke(friend.id)
    assert (await world.list_of(vehicle.id)).revoked == tuple(friend.index for friend in friends[:4])
    world.events.clear()
    world.now += 10
    await world.service.suspend(friends[4].id)
    found = await world.list_of(vehicle.id)
    assert found.issued_before == friends[2].issued_at + 1
    assert (found.revoked, found.suspended) == ((friends[3].index,), (friends[4].index,))
    assert [(name, data["key_id"]) for name, data in world.events] == [
        ("key.suspended", friends[4].id),
        ("key.renewed", owner.id),
    ]
    fresh = await claims(world, owner)
    assert fresh.issued_at == int(world.now) == (await world.service.key(owner.id)).issued_at
    assert (fresh.key_id, fresh.index, fresh.expires_at) == (owner.id, owner.index, owner.expires_at)
    for friend in friends[:3]:
        assert (await claims(world, friend)) == old[friend.id], "a revoked key got a new token"
    assert (await claims(world, friends[5])) == old[friends[5].id], "above the watermark nobody needs a new token"


async def test_the_watermark_stays_when_there_is_room_again(world: World) -> None:
    world.service = world.restarted(Limits(list_entries=1))
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    first, second = await world.friend(owner), await world.friend(owner)
    await world.service.suspend(first.id)
    await world.service.suspend(second.id)
    before = (await world.list_of(vehicle.id)).issued_before
    assert before == int(world.now) + 1
    # What is issued in this very second is not born dead.
    assert (await world.friend(owner)).issued_at == before
    world.service = world.restarted(Limits(list_entries=1))
    resumed = await world.service.resume(first.id)
    found = await world.list_of(vehicle.id)
    assert (found.issued_before, found.revoked, found.suspended) == (before, (), ())
    assert (await claims(world, resumed)).issued_at == before
    assert (await claims(world, second)).issued_at < before


async def test_a_parents_resumption_renews_its_children(world: World) -> None:
    world.service = world.restarted(Limits(list_entries=1))
    vehicle = await world.car()
    friend = await world.friend(await world.owner(vehicle), SHARING)
    child = await world.friend(friend, Entitlement.DOOR_LOCK, HOUR)
    await world.service.suspend(friend.id)
    found = await world.list_of(vehicle.id)
    assert (await claims(world, child)).issued_at < found.issued_before
    await world.service.resume(friend.id)
    for key in (friend, child):
        assert (await world.service.key(key.id)).state is KeyState.ACTIVE
        assert (await claims(world, key)).issued_at >= found.issued_before


async def test_what_the_watermark_covers_is_revoked_by_its_acknowledgement(world: World) -> None:
    world.service = world.restarted(Limits(list_entries=0))
    friend = await world.friend(await world.owner(await world.car()))
    await world.service.revoke(friend.id)
    assert (await world.list_of(friend.vehicle_id)).revoked == ()
    (ended,) = await world.service.acknowledge_list(friend.vehicle_id, await world.ack(friend.vehicle_id))
    assert (ended.id, ended.state) == (friend.id, KeyState.REVOKED)


async def test_a_list_is_due_with_the_first_friend_key_and_then_at_next_update(world: World) -> None:
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    assert await world.service.vehicles_due() == []
    assert not await world.service.refresh_list(vehicle.id)
    friend = await world.friend(owner, lifetime=72 * HOUR)
    assert await world.service.vehicles_due() == [vehicle.id]
    assert await world.service.refresh_list(vehicle.id)
    assert not await world.service.refresh_list(vehicle.id)
    first = await world.list_of(vehicle.id)
    assert (first.sequence, first.revoked, first.next_update) == (1, (), int(world.now) + 3 * DAY)
    assert await world.service.vehicles_behind() == [vehicle.id]
    world.now = first.next_update - 1
    assert await world.service.vehicles_due() == []
    late = await world.friend(owner, lifetime=72 * HOUR)
    world.now += 1
    assert await world.service.vehicles_due() == [vehicle.id]
    assert await world.service.refresh_list(vehicle.id)
    assert (await world.list_of(vehicle.id)).issued_at == first.next_update
    assert (await world.service.key(friend.id)).state is KeyState.EXPIRED
    world.now += 3 * DAY
    assert (await world.service.key(late.id)).state is KeyState.EXPIRED
    assert await world.service.vehicles_due() == [], "nobody is left who would drive by it"


async def test_a_suspended_friend_needs_no_fresh_list(world: World) -> None:
    friend = await world.friend(await world.owner(await world.car()), lifetime=72 * HOUR)
    await world.service.suspend(friend.id)
    world.now += 3 * DAY - 1
    fresh = await world.friend(await world.owner(await world.car()))
    assert await world.service.vehicles_due() == [fresh.vehicle_id]
