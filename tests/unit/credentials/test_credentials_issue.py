"""Issuing and sharing: what a token says, what a friend key may not be, and a clock that goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keygw.credentials.values import Limits
from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.command import Action, Command
from keygw.model.device import DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import BadInput, Conflict, Forbidden, KeygwError, NotFound
from keygw.model.vehicle import Vehicle
from keygw.token.cwt import decode_cwt
from keygw.token.grant import verify_grant
from keygw.token.jwt import decode_jwt

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

HOUR = 3600


async def test_an_owner_key_and_its_token(world: World) -> None:
    vehicle = await world.car()
    device = await world.service.create_hosted_device("app_test", "Phone")
    key = await world.service.issue_owner_key(vehicle.id, device, "mine")
    token = await world.service.key_token(key.id)
    claims = decode_cwt(token.cwt, world.trusted, vehicle_id=vehicle.id)
    assert claims == decode_jwt(token.jwt, world.trusted, now=world.now, vehicle_id=vehicle.id)
    assert (claims.key_id, claims.device_id, claims.index) == (key.id, device.id, key.index)
    assert claims.vehicle_thumbprint == thumbprint(vehicle.public_key)[:16]
    assert (claims.role, claims.entitlements, claims.depth, claims.max_depth) == (Role.OWNER, PROFILES["owner"], 0, 2)
    assert (await world.service.key_token(key.id)).cwt == token.cwt
    assert (device.kind, device.app_id) == (DeviceKind.HOSTED, "app_test")
    assert (await world.service.device_signer(device.id)).public_key == claims.device_key
    assert world.events == [
        (
            "key.issued",
            {
                "key_id": key.id,
                "vehicle_id": vehicle.id,
                "device_id": device.id,
                "parent_id": None,
                "state": "active",
                "by": "system",
            },
        )
    ]


async def test_a_friend_key_and_its_token(world: World) -> None:
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    phone = LocalSigner.generate()
    key = await world.service.share(
        owner.id, device_public_key=phone.public_key, entitlements=PROFILES["access"], expires_at=int(world.now) + HOUR
    )
    claims = decode_cwt((await world.service.key_token(key.id)).cwt, world.trusted)
    assert (claims.role, claims.parent_id, claims.depth) == (Role.FRIEND, owner.id, 1)
    assert (claims.device_key, claims.expires_at) == (phone.public_key, int(world.now) + HOUR)
    assert (key.index, (await world.service.device(key.device_id)).kind) == (owner.index + 1, DeviceKind.PHONE)
    assert world.told() == ["key.issued", "key.shared"]
    assert await world.service.keys(device_id=key.device_id) == [key]
    assert await world.service.keys(vehicle_id=vehicle.id) == [owner, key]


async def test_a_shared_key_stands_on_the_word_of_each_device_above(world: World) -> None:
    """A hosted device signs here, a phone's grant is taken; both come back with the parents' tokens, nearest first."""
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    rights = PROFILES["access"] | Entitlement.KEY_SHARE
    friend = await world.friend(owner, rights)
    below = await world.friend(friend, Entitlement.DOOR_LOCK, HOUR)
    near, far = await world.service.chain(below.id)
    assert await world.service.chain(friend.id) == [far]
    assert await world.service.chain(owner.id) == []
    keys = {key.id: decode_cwt((await world.service.key_token(key.id)).cwt, world.trusted) for key in (owner, friend)}
    assert decode_cwt(near.parent_token, world.trusted) == keys[friend.id]
    assert decode_cwt(far.parent_token, world.trusted) == keys[owner.id]
    said = verify_grant(near.grant, keys[friend.id].device_key, vehicle.id)
    assert (said.parent_id, said.entitlements, said.depth) == (friend.id, Entitlement.DOOR_LOCK, 2)
    said = verify_grant(far.grant, keys[owner.id].device_key, vehicle.id)
    assert (said.parent_id, said.entitlements, said.expires_at) == (owner.id, rights, friend.expires_at)
    assert (said.depth, said.max_depth, said.issued_at) == (1, 2, int(world.now))


async def test_nobody_but_the_device_of_the_parent_can_share(world: World) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, PROFILES["access"] | Entitlement.KEY_SHARE)
    phone, rights, ends = LocalSigner.generate().public_key, Entitlement.DOOR_LOCK, int(world.now) + HOUR

    async def share(grant: bytes | None) -> DigitalKey:
        assert grant is not None
        return await world.service.share_granted(friend.id, device_public_key=phone, grant=grant)

    def signed(**changes: object) -> bytes | None:
        return world.grant(friend, phone, rights, ends, changes)

    with pytest.raises(Conflict) as missing:
        await world.service.share(friend.id, device_public_key=phone, entitlements=rights, expires_at=ends)
    assert missing.value.code == "grant_required"
    stranger = LocalSigner.generate()
    world.phones[friend.device_id], real = stranger, world.phones[friend.device_id]
    forged = signed()
    world.phones[friend.device_id] = real
    for grant, kind, code in [
        (b"", BadInput, "token_malformed"),
        ((await world.service.key_token(friend.id)).cwt, BadInput, "wrong_type"),
        (forged, Forbidden, "token_signature"),
        (signed(vehicle_id="veh_aaaaaaaaaaaaaaaa"), Forbidden, "wrong_audience"),
        (signed(device=bytes(32)), Forbidden, "grant_foreign"),
        (signed(parent_id=owner.id), Forbidden, "grant_foreign"),
        (signed(entitlements=Entitlement.TRUNK_OPEN | rights), Forbidden, "wider_than_parent"),
        (signed(expires_at=friend.expires_at + 1), Forbidden, "outlives_parent"),
        (signed(depth=1), Forbidden, "grant_depth"),
        (signed(not_before=int(world.now) + 1), Forbidden, "grant_outlived"),
    ]:
        with pytest.raises(kind) as caught:
            await share(grant)
        assert caught.value.code == code
    assert len(await world.service.keys(owner.vehicle_id)) == 2, "a refused grant leaves no key"
    made = await share(signed(max_depth=2))
    assert (made.entitlements, made.expires_at, made.depth, made.max_depth) == (rights, ends, 2, 2)


async def test_what_a_friend_key_may_not_be(world: World) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, PROFILES["access"] | Entitlement.KEY_SHARE, 2 * HOUR)
    deep = await world.friend(friend, Entitlement.DOOR_LOCK | Entitlement.KEY_SHARE, HOUR)
    plain = await world.friend(owner)
    rights, at = Entitlement.DOOR_LOCK, int(world.now)
    cases: list[tuple[str, Entitlement, int, type[KeygwError], str]] = [
        (plain.id, rights, at + 60, Forbidden, "not_entitled"),
        (deep.id, rights, at + 60, Forbidden, "share_depth"),
        (friend.id, Entitlement.TRUNK_OPEN, at + 60, Forbidden, "wider_than_parent"),
        (friend.id, rights | Entitlement(1 << 20), at + 60, Forbidden, "wider_than_parent"),
        (friend.id, rights, at + 2 * HOUR + 1, Forbidden, "outlives_parent"),
        (owner.id, Entitlement(0), at + 60, BadInput, "no_entitlements"),
        (owner.id, rights, at, BadInput, "bad_lifetime"),
        ("key_nowhere", rights, at + 60, NotFound, "unknown_key"),
    ]
    for parent, entitlements, expires_at, kind, code in cases:
        with pytest.raises(kind) as caught:
            await world.service.share(
                parent,
                device_public_key=LocalSigner.generate().public_key,
                entitlements=entitlements,
                expires_at=expires_at,
            )
        assert caught.value.code == code
    edge = await world.friend(owner, lifetime=365 * 24 * HOUR)
    assert edge.expires_at == owner.expires_at
    assert [key.index for key in await world.service.keys(owner.vehicle_id)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("state", "code"), [("suspend", "key_suspended"), ("revoke", "key_revoked")])
async def test_an_ended_parent_does_not_share(world: World, state: str, code: str) -> None:
    owner = await world.owner(await world.car())
    await getattr(world.service, state)(owner.id)
    with pytest.raises(Conflict) as caught:
        await world.friend(owner)
    assert caught.value.code == code


async def test_bad_keys_labels_and_lifetimes(world: World) -> None:
    vehicle = await world.car()
    good = LocalSigner.generate().public_key
    cases: list[tuple[bytes, str, int | None, str]] = [
        (bytes(33), "", None, "bad_public_key"),
        (b"\x02", "", None, "bad_public_key"),
        (good, "a\nb", None, "bad_label"),
        (good, "a" * 81, None, "bad_label"),
        (good, "", 0, "bad_lifetime"),
        (good, "", 365 * 24 * HOUR + 1, "bad_lifetime"),
    ]
    for public_key, label, lifetime, code in cases:
        with pytest.raises(BadInput) as caught:
            await world.service.issue_owner_key(vehicle.id, public_key, label, lifetime)
        assert caught.value.code == code
    with pytest.raises(NotFound):
        await world.service.issue_owner_key("veh_nowhere", good)


async def test_vehicles_are_registered_once(world: World) -> None:
    vehicle = await world.car()
    assert await world.service.register_vehicle(vehicle) == vehicle
    other = Vehicle(vehicle.id, vehicle.name, LocalSigner.generate().public_key, vehicle.advertising_key)
    with pytest.raises(Conflict) as caught:
        await world.service.register_vehicle(other)
    assert caught.value.code == "vehicle_exists"
    assert await world.service.vehicles() == [vehicle]
    for broken in (
        Vehicle("veh_short", "x", vehicle.public_key, bytes(16)),
        Vehicle(vehicle.id, "x", bytes(33), bytes(16)),
        Vehicle(vehicle.id, "x", vehicle.public_key, bytes(15)),
    ):
        with pytest.raises(BadInput):
            await world.service.register_vehicle(broken)


async def test_an_index_is_never_given_again_and_runs_out(world: World) -> None:
    vehicle = await world.car()
    await world.store.database.write(lambda tx: tx.fetch("UPDATE vehicles SET next_index = 65535"))
    assert (await world.owner(vehicle)).index == 65535
    for _ in range(2):
        with pytest.raises(Conflict) as caught:
            await world.owner(vehicle)
        assert caught.value.code == "vehicle_full"
    assert (await world.owner(await world.car())).index == 0


async def test_a_vehicle_has_only_so_many_keys_that_are_not_revoked(world: World) -> None:
    vehicle = await world.car()
    world.service = world.restarted(Limits(unexpired_keys=2))
    owner = await world.owner(vehicle)
    friend = await world.friend(owner, lifetime=HOUR)
    await world.service.suspend(friend.id)
    for _ in range(2):
        with pytest.raises(Conflict) as caught:
            await world.friend(owner)
        assert caught.value.code == "vehicle_full"
    await world.service.revoke(friend.id)
    assert (await world.friend(owner, lifetime=HOUR)).index == 2
    world.now += HOUR
    assert (await world.friend(owner)).index == 3


async def test_a_refused_operation_leaves_nothing_behind(world: World) -> None:
    owner = await world.owner(await world.car())
    draw = world.random
    repeated = draw(10)
    world.random = lambda size: repeated[:size]
    world.service = world.restarted()
    await world.friend(owner)
    with pytest.raises(Conflict) as caught:
        await world.friend(owner)
    assert (caught.value.code, caught.value.retryable) == ("key_exists", False)
    world.random = draw
    world.service = world.restarted()
    assert (await world.friend(owner)).index == 2
    assert world.told() == ["key.issued", "key.shared", "key.shared"]


async def test_a_clock_that_goes_back_signs_nothing_earlier(world: World) -> None:
    owner = await world.owner(await world.car())
    world.now -= 1000
    world.service = world.restarted()
    later = await world.friend(owner, lifetime=HOUR + 1000)
    assert later.issued_at == later.not_before == owner.issued_at
    await world.service.suspend(later.id)
    assert (await world.list_of(owner.vehicle_id)).issued_at == owner.issued_at
    await world.service.resume(later.id)
    command = Command("cmd_a", 1, owner.vehicle_id, later.id, Action.UNLOCK, world.now, world.now + 4)
    assert (await world.service.authorize(command)).device_id == later.device_id


async def test_a_key_seen_expired_never_returns(world: World) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, lifetime=HOUR)
    world.now += HOUR
    assert (await world.service.key(friend.id)).state is KeyState.EXPIRED
    world.now -= HOUR
    world.service = world.restarted()
    assert (await world.service.key(friend.id)).state is KeyState.EXPIRED
    assert (await world.service.key(owner.id)).state is KeyState.ACTIVE
    command = Command("cmd_a", 1, owner.vehicle_id, friend.id, Action.UNLOCK, world.now, world.now + 4)
    with pytest.raises(Forbidden) as caught:
        await world.service.authorize(command)
    assert caught.value.code == "key_expired"
    # The token itself still has time left, so the car is told as well.
    await world.service.suspend(owner.id)
    await world.service.resume(owner.id)
    assert (await world.list_of(owner.vehicle_id)).suspended == (friend.index,)


async def test_children_of_a_key_seen_expired_have_ended_too(world: World) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, PROFILES["access"] | Entitlement.KEY_SHARE, HOUR)
    child = await world.friend(friend, Entitlement.DOOR_LOCK, HOUR)
    world.now += HOUR
    await world.service.key(friend.id)
    world.now -= HOUR
    assert (await world.service.key(child.id)).state is KeyState.EXPIRED
    with pytest.raises(Conflict) as caught:
        await world.friend(friend, Entitlement.DOOR_LOCK, HOUR // 2)
    assert caught.value.code == "key_expired"


async def test_nothing_shows_a_secret(world: World) -> None:
    key = await world.owner(await world.car())
    token = await world.service.key_token(key.id)
    shown = repr((token, world.issuer, world.store.vault, await world.service.device_signer(key.device_id)))
    assert token.jwt not in shown
    assert "PRIVATE" not in shown
