"""Tokens that end sooner than their keys: signed anew in silence, within grant and parent; and brought grants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keygw.credentials.ports import CredentialTransaction
from keygw.credentials.renewal import renew
from keygw.credentials.values import Limits
from keygw.crypto.signer import LocalSigner
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import Conflict
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt
from keygw.token.grant import check_grant, verify_grant
from keygw.token.jwt import decode_jwt

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

HOUR, DAY = 3600, 86_400
SHARING = PROFILES["access"] | Entitlement.KEY_SHARE


async def claims(world: World, key_id: str) -> KeyClaims:
    """Of the token that the phone would get now; both forms say the same."""
    token = await world.service.key_token(key_id)
    said = decode_cwt(token.cwt, world.trusted)
    assert decode_jwt(token.jwt, world.trusted) == said
    assert token.expires_at == said.expires_at
    return said


async def test_a_friends_token_ends_after_72_hours_and_renews_in_its_last_third(world: World) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, lifetime=30 * DAY)
    assert friend.expires_at == int(world.now) + 30 * DAY
    first = await claims(world, friend.id)
    assert first.expires_at == int(world.now) + 72 * HOUR
    world.now += 48 * HOUR - 1
    assert await claims(world, friend.id) == first
    world.now += 1
    second = await claims(world, friend.id)
    assert (second.issued_at, second.expires_at) == (int(world.now), int(world.now) + 72 * HOUR)
    assert (second.key_id, second.index, second.not_before) == (first.key_id, first.index, first.not_before)
    stored = await world.service.key(friend.id)
    assert (stored.issued_at, stored.expires_at) == (int(world.now), friend.expires_at)
    (link,) = await world.service.chain(friend.id)
    above = decode_cwt(link.parent_token, world.trusted)
    check_grant(verify_grant(link.grant, above.device_key, owner.vehicle_id), above, second)


async def test_a_phone_that_was_away_longer_gets_a_new_token_until_the_grant_ends(world: World) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, lifetime=10 * DAY)
    world.now += 9 * DAY
    late = await claims(world, friend.id)
    assert late.expires_at == friend.expires_at, "never past the grant"
    assert (await world.service.key_token(friend.id)).renew_from is None
    world.now += DAY
    assert (await world.service.key(friend.id)).state is KeyState.EXPIRED
    assert await claims(world, friend.id) == late


@pytest.mark.parametrize("what", ["suspend", "revoke"])
async def test_a_key_that_may_not_be_used_is_not_renewed(world: World, what: str) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, SHARING, 30 * DAY)
    below = await world.friend(friend, PROFILES["access"], 20 * DAY)
    before = [await claims(world, key.id) for key in (friend, below)]
    await getattr(world.service, what)(friend.id)
    world.now += 60 * HOUR
    assert [await claims(world, key.id) for key in (friend, below)] == before
    for key in (friend, below):
        with pytest.raises(Conflict) as caught:
            await world.service.renew(key.id)
        assert caught.value.code == f"key_{what}d".replace("suspendd", "suspended")


async def test_a_suspension_that_comes_in_between_is_seen(world: World) -> None:
    """The look before the transaction is not the last one."""
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, lifetime=30 * DAY)
    before = await world.service.key_token(friend.id)
    world.now += 60 * HOUR
    await world.service.suspend(friend.id)

    async def work(tx: CredentialTransaction) -> None:
        record = await tx.key(friend.id)
        assert record is not None
        assert await renew(tx, record, world.now, world.issuer, Limits(), [], asked=True) == before

    await world.store.credentials.write(work)


async def test_a_childs_token_never_outlives_its_parents(world: World) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, SHARING, 30 * DAY)
    world.now += 40 * HOUR
    below = await world.friend(friend, PROFILES["access"], 20 * DAY)
    assert (await claims(world, below.id)).expires_at == (await claims(world, friend.id)).expires_at
    for _ in range(6):
        world.now += 30 * HOUR
        child = await claims(world, below.id)
        near, far = [decode_cwt(link.parent_token, world.trusted) for link in await world.service.chain(below.id)]
        assert int(world.now) < child.expires_at <= near.expires_at <= far.expires_at


async def test_who_asks_gets_a_new_one_now_but_not_every_second(world: World) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, lifetime=30 * DAY)
    first = await world.service.key_token(friend.id)
    world.now += 59
    await world.service.renew(friend.id)
    assert await world.service.key_token(friend.id) == first
    world.now += 1
    assert (await world.service.renew(friend.id)).issued_at == int(world.now)
    assert (await world.service.key_token(friend.id)).expires_at == int(world.now) + 72 * HOUR


async def test_an_owner_key_of_the_full_term_goes_on_and_a_shorter_one_ends(world: World) -> None:
    car = await world.car()
    device = await world.service.create_hosted_device("app_test")
    full = await world.service.issue_owner_key(car.id, device)
    short = await world.service.issue_owner_key(car.id, device, lifetime=100 * DAY)
    world.now += 250 * DAY
    assert (await claims(world, full.id)).expires_at == int(world.now) + 365 * DAY
    assert (await world.service.key(full.id)).expires_at == int(world.now) + 365 * DAY
    assert (await world.service.key(short.id)).state is KeyState.EXPIRED
    world.now += 300 * DAY
    assert (await claims(world, full.id)).expires_at == int(world.now) + 365 * DAY


async def test_a_renewal_is_refused_to_nobody_by_a_clock_that_went_back(world: World) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, lifetime=30 * DAY)
    world.now += 50 * HOUR
    renewed = await claims(world, friend.id)
    world.now -= 50 * HOUR
    world.service = world.restarted()
    assert await claims(world, friend.id) == renewed
    await world.service.renew(friend.id)
    assert (await world.service.key_token(friend.id)).expires_at == renewed.expires_at, "iat never goes back"


async def test_a_list_keeps_a_revoked_key_for_as_long_as_any_of_its_tokens_lives(world: World) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, lifetime=30 * DAY)
    world.now += 50 * HOUR
    token = await claims(world, friend.id)
    await world.service.revoke(friend.id)
    world.now = float(token.expires_at - 1)
    other = await world.friend(owner, lifetime=HOUR)
    await world.service.suspend(other.id)
    assert friend.index in (await world.list_of(owner.vehicle_id)).revoked


async def test_a_watermark_renews_what_is_good_and_takes_no_prolongation_away(world: World) -> None:
    world.service = world.restarted(Limits(list_entries=2))
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, SHARING, 30 * DAY)
    below = await world.friend(friend, PROFILES["access"], 20 * DAY)
    term = (await world.service.key_token(owner.id)).expires_at
    for _ in range(4):
        world.now += HOUR
        await world.service.revoke((await world.friend(owner, lifetime=10 * DAY)).id)
    before = (await world.list_of(owner.vehicle_id)).issued_before
    assert before > friend.issued_at
    tokens = {key.id: await claims(world, key.id) for key in (owner, friend, below)}
    assert all(token.issued_at >= before for token in tokens.values())
    assert tokens[owner.id].expires_at == term
    assert tokens[below.id].expires_at <= tokens[friend.id].expires_at
    assert int(world.now) < tokens[friend.id].expires_at <= tokens[friend.id].issued_at + 72 * HOUR
    for link in await world.service.chain(below.id):
        assert link.grant, "one grant serves every renewal"
    world.now += 300 * DAY
    assert (await claims(world, owner.id)).expires_at == int(world.now) + 365 * DAY, "still prolonged, as before"


# --- grants that are brought


async def test_a_grant_makes_one_key_for_ever(world: World) -> None:
    """The attack: a friend who was revoked brings the old grant once more."""
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, SHARING, 30 * DAY)
    phone = LocalSigner.generate().public_key
    signed = world.grant(friend, phone, Entitlement.DOOR_LOCK, int(world.now) + DAY)
    assert signed is not None

    async def bring(grant: bytes) -> DigitalKey:
        return await world.service.share_granted(friend.id, device_public_key=phone, grant=grant)

    key = await bring(signed)
    assert await bring(signed) == key
    await world.service.revoke(key.id)
    again = await bring(signed)
    assert (again.id, again.state) == (key.id, KeyState.REVOKING)
    # The same words under a fresh signature are the same grant.
    resigned = world.grant(friend, phone, Entitlement.DOOR_LOCK, int(world.now) + DAY)
    assert resigned not in (None, signed)
    assert (await bring(resigned or b"")).id == key.id
    world.now += 1
    fresh = world.grant(friend, phone, Entitlement.DOOR_LOCK, int(world.now) + DAY)
    assert (await bring(fresh or b"")).state is KeyState.ACTIVE


async def test_a_grant_may_say_less_than_the_issuer_would(world: World) -> None:
    world.service = world.restarted(Limits(friend_token=HOUR))
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, SHARING, 30 * DAY)
    phone = LocalSigner.generate().public_key
    signed = world.grant(friend, phone, Entitlement.DOOR_LOCK, int(world.now) + DAY)
    key = await world.service.share_granted(friend.id, device_public_key=phone, grant=signed or b"")
    assert (key.expires_at, (await claims(world, key.id)).expires_at) == (int(world.now) + DAY, int(world.now) + HOUR)
