"""The status list of the service: places of new keys, what stands there as keys live, and the signed form."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from dataclasses import replace

import pytest
from tests.unit.credentials.conftest import World

from keygw.credentials.ports import CredentialTransaction
from keygw.credentials.status_list import LIFETIME, PAUSE, RENEW_AFTER, TTL, StatusLists
from keygw.credentials.status_places import take_place
from keygw.credentials.values import KeyToken
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import Conflict, NotFound, TokenError
from keygw.model.vehicle import Vehicle
from keygw.token.cwt import decode_cwt
from keygw.token.jwt import decode_jwt
from keygw.token.status_list import StatusList, check_status, verify_status_list

BASE = "https://keys.example/v1/status-lists"


@pytest.fixture
def lists(world: World) -> StatusLists:
    """The world's service publishes status lists; these are they."""
    world.issuer = replace(world.issuer, status_lists=BASE)
    world.service = world.restarted()
    return another(world)


def another(world: World) -> StatusLists:
    """As another gateway process has them."""
    return StatusLists(world.store.credentials, world.issuer, lambda: world.now)


async def read(lists: StatusLists, world: World, number: int = 1) -> StatusList:
    """The list a second later, as a stranger reads it."""
    world.now += PAUSE
    text = (await lists.published(number)).text
    return verify_status_list(text, world.trusted, f"{BASE}/{number}", world.now)


async def answer(world: World, lists: StatusLists, key: DigitalKey) -> str | None:
    """What a reader says of the key's token."""
    claims = decode_jwt((await world.service.key_token(key.id)).jwt, world.trusted)
    try:
        check_status(claims, await read(lists, world))
    except TokenError as error:
        return error.code
    return None


async def family(world: World) -> tuple[Vehicle, DigitalKey, DigitalKey]:
    """A car, its owner key, and a friend key shared from that."""
    car = await world.car()
    owner = await world.owner(car)
    return car, owner, await world.friend(owner)


async def test_a_key_token_names_a_place_in_the_jwt_alone(world: World, lists: StatusLists) -> None:
    owner = await world.owner(await world.car())
    token = await world.service.key_token(owner.id)
    status = decode_jwt(token.jwt, world.trusted).status
    assert status is not None
    assert status.uri == f"{BASE}/1" == (await lists.uris())[0]
    assert decode_cwt(token.cwt, world.trusted).status is None


async def test_without_an_address_there_is_no_status(world: World) -> None:
    owner = await world.owner(await world.car())
    assert decode_jwt((await world.service.key_token(owner.id)).jwt, world.trusted).status is None
    assert await another(world).uris() == []


async def test_a_suspended_parent_suspends_what_was_shared(world: World, lists: StatusLists) -> None:
    _, owner, friend = await family(world)
    assert [await answer(world, lists, key) for key in (owner, friend)] == [None, None]
    await world.service.suspend(owner.id)
    assert [await answer(world, lists, key) for key in (owner, friend)] == ["status_suspended"] * 2
    await world.service.resume(owner.id)
    assert [await answer(world, lists, key) for key in (owner, friend)] == [None, None]
    await world.service.suspend(friend.id)
    assert [await answer(world, lists, key) for key in (owner, friend)] == [None, "status_suspended"]


async def test_revoking_is_invalid_before_the_car_knows_and_stays_so(world: World, lists: StatusLists) -> None:
    car, owner, friend = await family(world)
    await world.service.revoke(owner.id)
    assert (await world.service.key(owner.id)).state is KeyState.REVOKING
    assert [await answer(world, lists, key) for key in (owner, friend)] == ["status_invalid"] * 2
    await world.service.acknowledge_list(car.id, await world.ack(car.id))
    assert (await world.service.key(friend.id)).state is KeyState.REVOKED
    assert [await answer(world, lists, key) for key in (owner, friend)] == ["status_invalid"] * 2


async def test_a_key_that_ran_out_keeps_its_status(world: World, lists: StatusLists) -> None:
    _, owner, friend = await family(world)
    await world.service.suspend(friend.id)
    world.now += 400 * 86_400
    assert (await world.service.key(owner.id)).state is KeyState.EXPIRED
    assert [await answer(world, lists, key) for key in (owner, friend)] == [None, "status_suspended"]


async def test_a_renewed_token_names_the_same_place(world: World, lists: StatusLists) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, lifetime=20 * 86_400)
    first = decode_jwt((await world.service.key_token(friend.id)).jwt, world.trusted)
    world.now += 60 * 3600
    second = decode_jwt((await world.service.key_token(friend.id)).jwt, world.trusted)
    assert second.issued_at > first.issued_at
    assert second.status == first.status
    assert first.status is not None
    await world.service.revoke(friend.id)
    assert await answer(world, lists, friend) == "status_invalid"


async def test_a_key_from_before_there_were_lists_stays_good_and_renews_without(world: World) -> None:
    owner = await world.owner(await world.car())
    world.issuer = replace(world.issuer, status_lists=BASE)
    world.service = world.restarted()
    world.now += 300 * 86_400
    claims = decode_jwt((await world.service.key_token(owner.id)).jwt, world.trusted, now=world.now)
    assert (claims.issued_at, claims.status) == (int(world.now), None)
    await world.service.revoke(owner.id)
    assert await another(world).uris() == []


async def test_every_process_says_the_same_whenever_it_looked_first(world: World, lists: StatusLists) -> None:
    _, owner, friend = await family(world)
    early = another(world)
    await read(early, world)
    await world.service.suspend(owner.id)
    between = another(world)
    await read(between, world)
    await world.service.revoke(friend.id)
    await world.service.resume(owner.id)
    seen = {bytes((await read(each, world)).statuses) for each in (lists, early, between, another(world))}
    assert len(seen) == 1
    (statuses,) = seen
    assert len(statuses) - statuses.count(0) == 1
    assert len({(await each.published(1)).version for each in (lists, early, between)}) == 1


async def test_a_change_is_seen_within_a_second_and_not_asked_for_more_often(world: World, lists: StatusLists) -> None:
    owner = await world.owner(await world.car())
    first = await lists.published(1)
    await world.service.suspend(owner.id)
    world.now += PAUSE - 0.001
    assert await lists.published(1) is first
    world.now += 0.001
    assert (await lists.published(1)).etag != first.etag


async def test_a_list_is_kept_until_it_grows_old(world: World, lists: StatusLists) -> None:
    await world.owner(await world.car())
    first = await lists.published(1)
    found = verify_status_list(first.text, world.trusted, f"{BASE}/1", world.now)
    assert (found.ttl, found.expires_at - found.issued_at, found.aggregation_uri) == (TTL, LIFETIME, BASE)
    world.now += RENEW_AFTER - 1
    assert await lists.published(1) is first
    world.now += 1
    second = await lists.published(1)
    assert second.etag != first.etag
    assert verify_status_list(second.text, world.trusted, f"{BASE}/1", world.now).issued_at == int(world.now)


async def test_a_clock_that_went_back_does_not_freeze_the_list(world: World, lists: StatusLists) -> None:
    owner = await world.owner(await world.car())
    await lists.published(1)
    world.now -= 5000
    await world.service.suspend(owner.id)
    assert await answer(world, lists, owner) == "status_suspended"


@pytest.mark.parametrize("number", [0, 2, -1, 2**40])
async def test_a_list_that_is_not_there_is_not_made_up(world: World, lists: StatusLists, number: int) -> None:
    await world.owner(await world.car())
    with pytest.raises(NotFound) as refusal:
        await lists.published(number)
    assert refusal.value.code == "unknown_status_list"


async def test_a_new_address_opens_a_new_list_and_the_old_one_keeps_its_name(world: World, lists: StatusLists) -> None:
    old = await world.owner(await world.car())
    world.issuer = replace(world.issuer, status_lists="https://new.example/v1/status-lists")
    world.service = world.restarted()
    await world.owner(await world.car())
    assert await lists.uris() == [f"{BASE}/1", "https://new.example/v1/status-lists/2"]
    await world.service.revoke(old.id)
    assert await answer(world, lists, old) == "status_invalid"


async def fill(world: World, count: int, size: int) -> list[tuple[int, str]]:
    """So many keys with places in pages of that size; ``(index, uri)`` of each. The token stands for itself."""
    sample = await world.owner(await world.car())
    draw = random.Random(5).randbytes

    async def work(tx: CredentialTransaction) -> list[tuple[int, str]]:
        made = []
        for number in range(count):
            key = replace(sample, id=f"key_{number}", index=10 + number)
            place = await take_place(tx, key.id, BASE, draw, size)
            assert place is not None
            made.append((place.index, place.uri))
            await tx.add_key(key, KeyToken("", b""))
        return made

    return await world.store.credentials.write(work)


async def test_places_are_spread_over_the_whole_page_and_a_page_closes_in_time(world: World) -> None:
    places = await fill(world, 300, 256)
    assert len(set(places)) == 300
    by_page = Counter(uri for _, uri in places)
    assert by_page == {f"{BASE}/1": 192, f"{BASE}/2": 108}
    first = [index for index, uri in places if uri.endswith("/1")]
    assert first != sorted(first)
    assert sum(index < 128 for index in first) in range(76, 117)  # 96, and three standard deviations


async def test_even_a_random_source_that_repeats_itself_finds_a_place(world: World) -> None:
    """It is a walk then, but it ends."""
    sample = await world.owner(await world.car())

    async def work(tx: CredentialTransaction) -> list[int]:
        found = []
        for number in range(5):
            key = replace(sample, id=f"key_{number}", index=10 + number)
            place = await take_place(tx, key.id, BASE, bytes, 8)
            assert place is not None
            found.append(place.index)
            await tx.add_key(key, KeyToken("", b""))
        return found

    assert await world.store.credentials.write(work) == [0, 1, 2, 3, 4]


WANTED = {
    KeyState.ACTIVE: None,
    KeyState.SUSPENDED: "status_suspended",
    KeyState.REVOKING: "status_invalid",
    KeyState.REVOKED: "status_invalid",
}


async def test_whatever_happens_the_list_says_what_the_service_shows(world: World, lists: StatusLists) -> None:
    """Two families, three generations, and an owner, a car and a clock that do what they like."""
    chance = random.Random(11)
    keys = []
    for _ in range(2):
        _, owner, friend = await family(world)
        rights = PROFILES["access"] | Entitlement.KEY_SHARE
        sharer = await world.friend(owner, rights)
        keys += [owner, friend, sharer, await world.friend(sharer)]
    seen: Counter[str | None] = Counter()
    for _ in range(40):
        key = chance.choice(keys)
        act = chance.choice((world.service.suspend, world.service.suspend, world.service.resume, world.service.revoke))
        if act == world.service.revoke and (key.parent_id is None or chance.random() < 0.7):
            act = world.service.resume
        with contextlib.suppress(Conflict):
            await act(key.id)
        if chance.random() < 0.2:
            with contextlib.suppress(Conflict):
                await world.service.acknowledge_list(key.vehicle_id, await world.ack(key.vehicle_id))
        listed = await read(lists, world)
        for each in keys:
            claims = decode_jwt((await world.service.key_token(each.id)).jwt, world.trusted)
            said = None
            try:
                check_status(claims, listed)
            except TokenError as error:
                said = error.code
            assert said == WANTED[(await world.service.key(each.id)).state], each.id
            seen[said] += 1
    assert len(seen) == 3
