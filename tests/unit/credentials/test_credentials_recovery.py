"""A service that was restored from a backup, and the vehicle's list that knows better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keygw.credentials.values import Issuer
from keygw.crypto.signer import LocalSigner
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import TokenError
from keygw.model.revocation import RevocationList
from keygw.token.revocation import sign_list
from keygw.token.trust import kid_of

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

HOUR = 3600
SHARING = PROFILES["access"] | Entitlement.KEY_SHARE


def cars_list(world: World, vehicle_id: str, sequence: int, issuer: Issuer | None = None, **fields: object) -> bytes:
    """What the vehicle has, and we do not remember to have signed."""
    signer = issuer or world.issuer
    at = int(world.now)
    made = RevocationList(vehicle_id, sequence, at, at + HOUR, **fields)  # type: ignore[arg-type]  # the test names the field
    return sign_list(made, signer.signer, signer.kid)


async def states(world: World, *keys: DigitalKey) -> list[KeyState]:
    return [(await world.service.key(key.id)).state for key in keys]


async def test_what_the_vehicle_bars_stays_barred(world: World) -> None:
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    good, paused, ended = await world.friend(owner, SHARING), await world.friend(owner), await world.friend(owner)
    child = await world.friend(good, Entitlement.DOOR_LOCK, HOUR)
    await world.service.suspend(child.id)
    before = await world.service.key_token(good.id)
    signed = cars_list(world, vehicle.id, 9, revoked=(ended.index, 40), suspended=(paused.index, 41))
    world.events.clear()
    await world.service.recover_list(vehicle.id, signed)

    found = await world.list_of(vehicle.id)
    assert (found.sequence, found.issued_before) == (10, int(world.now) + 1)
    assert await states(world, owner, good, paused, ended, child) == [
        KeyState.ACTIVE,
        KeyState.ACTIVE,
        KeyState.SUSPENDED,
        KeyState.REVOKING,
        KeyState.SUSPENDED,
    ]
    # Everything issued before is barred by the watermark; the good ones have new tokens.
    assert (found.revoked, found.suspended) == ((), ())
    assert await world.service.key_token(good.id) != before
    assert [(name, data.get("key_id", data.get("reason"))) for name, data in world.events] == [
        ("security.alert", "list_forgotten"),
        ("key.revoking", ended.id),
        ("key.suspended", paused.id),
        ("key.renewed", owner.id),
        ("key.renewed", good.id),
    ]
    for key in (owner, good):
        assert (await world.service.key(key.id)).issued_at >= found.issued_before
    assert (await world.friend(owner)).index == 42, "no index of the vehicle's list is given again"
    ended_now = await world.service.acknowledge_list(vehicle.id, await world.ack(vehicle.id))
    assert [key.id for key in ended_now] == [ended.id]


async def test_below_the_vehicles_watermark_a_key_waits_for_somebody_to_look(world: World) -> None:
    """It may have been revoked, or renewed: the list does not say."""
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    world.now += HOUR
    friend = await world.friend(owner)
    await world.service.recover_list(vehicle.id, cars_list(world, vehicle.id, 3, issued_before=friend.issued_at))
    assert (await world.service.standing(owner.id)).key.state is KeyState.SUSPENDED
    assert (await world.service.resume(owner.id)).state is KeyState.ACTIVE
    assert await states(world, owner, friend) == [KeyState.ACTIVE, KeyState.ACTIVE]
    found = await world.list_of(vehicle.id)
    assert (await world.service.key(owner.id)).issued_at >= found.issued_before


@pytest.mark.parametrize("own_lists", [1, 2])
async def test_lists_that_we_have_signed_since_the_backup_do_not_undo_the_vehicles(
    world: World, own_lists: int
) -> None:
    """The vehicle's list 1 says more than our list 1; our next one would have brought the key back to life."""
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    ended, others = await world.friend(owner), [await world.friend(owner) for _ in range(own_lists)]
    signed = cars_list(world, vehicle.id, 1, revoked=(ended.index,))
    for other in others:
        await world.service.suspend(other.id)
    await world.service.recover_list(vehicle.id, signed)
    assert await states(world, owner, ended, *others) == [
        KeyState.ACTIVE,
        KeyState.REVOKING,
        *([KeyState.SUSPENDED] * own_lists),
    ]
    found = await world.list_of(vehicle.id)
    assert (found.sequence, found.issued_before) == (own_lists + 1, int(world.now) + 1)
    assert await world.service.acknowledge_list(vehicle.id, await world.ack(vehicle.id)) != []


async def test_only_a_newer_list_of_ours_for_this_vehicle_counts(world: World) -> None:
    vehicle, other = await world.car(), await world.car()
    friend = await world.friend(await world.owner(vehicle))
    await world.service.suspend(friend.id)
    current = await world.service.current_list(vehicle.id)
    await world.service.recover_list(vehicle.id, current.signed)
    assert await world.service.current_list(vehicle.id) == current
    signer = LocalSigner.generate()
    stranger = Issuer("stranger", kid_of(signer.public_key), signer)
    for signed, code in (
        (cars_list(world, vehicle.id, 9, stranger), "unknown_issuer"),
        (cars_list(world, vehicle.id, 9, Issuer("keygw-test", world.issuer.kid, signer)), "token_signature"),
        (cars_list(world, other.id, 9), "wrong_audience"),
        (b"", "token_malformed"),
    ):
        with pytest.raises(TokenError) as caught:
            await world.service.recover_list(vehicle.id, signed)
        assert caught.value.code == code
    assert await world.service.current_list(vehicle.id) == current
