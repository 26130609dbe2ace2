"""A key removed in the car: its receipt ends the key here, once, and only where the car may say so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keygw.credentials.audit_ports import AuditFilter
from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import Conflict, TokenError
from keygw.token.receipt import receipt_hash

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

SHARING = PROFILES["access"] | Entitlement.KEY_SHARE


@pytest.fixture
async def family(world: World) -> list[DigitalKey]:
    """An owner's key, a friend's who may share, and that friend's friend's."""
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, SHARING)
    return [owner, friend, await world.friend(friend, Entitlement.DOOR_LOCK, 3600)]


async def states(world: World, keys: list[DigitalKey]) -> list[KeyState]:
    return [(await world.service.key(key.id)).state for key in keys]


async def test_it_is_revoked_and_its_children_go_by_the_list(world: World, family: list[DigitalKey]) -> None:
    owner, friend, child = family
    car = owner.vehicle_id
    world.events.clear()
    await world.service.record_receipt(car, world.removal(car, friend.id))
    assert await states(world, family) == [KeyState.ACTIVE, KeyState.REVOKED, KeyState.REVOKING]
    assert (await world.list_of(car)).revoked == (friend.index, child.index)
    told = [(name, data["key_id"], data["by"], data["reason"], data.get("because_of")) for name, data in world.events]
    assert told == [
        ("key.revoked", friend.id, "vehicle", "remove", None),
        ("key.revoking", child.id, "vehicle", "remove", friend.id),
    ]
    entries = await world.service.trail.entries(AuditFilter())
    said = [(each.entry.actor, each.entry.action, each.entry.key_id) for each in entries[-3:]]
    actor = f"vehicle:{car}"
    assert said == [
        (actor, "receipt.recorded", friend.id),
        (actor, "key.revoked", friend.id),
        (actor, "key.revoking", child.id),
    ]
    assert [key.id for key in await world.service.acknowledge_list(car, await world.ack(car))] == [child.id]


async def test_again_and_after_a_revocation_it_says_nothing_new(world: World, family: list[DigitalKey]) -> None:
    owner, friend, _ = family
    car = owner.vehicle_id
    await world.service.revoke(friend.id)
    receipts = [world.removal(car, friend.id)]
    await world.service.record_receipt(car, receipts[0])
    assert await states(world, family) == [KeyState.ACTIVE, KeyState.REVOKED, KeyState.REVOKING]
    sequence, told = (await world.service.current_list(car)).sequence, len(world.events)
    await world.service.record_receipt(car, receipts[0])
    await world.service.record_receipt(car, world.removal(car, friend.id, 2, receipt_hash(receipts[0])))
    assert ((await world.service.current_list(car)).sequence, len(world.events)) == (sequence, told)


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": Outcome.UNKNOWN_ACTION},
        {"outcome": Outcome.ALREADY_IN_STATE},
        {"number": 7},
        {"session": b"\x00" * 7 + b"\x01"},
        {"action": Action(129)},
        {"action": Action.UNLOCK},
    ],
)
async def test_what_a_device_had_a_part_in_removes_nothing(
    world: World, family: list[DigitalKey], changes: dict[str, Any]
) -> None:
    """A command of that number, refused or not, is none; and an action of a later release is kept, and no more."""
    car = family[0].vehicle_id
    receipt = await world.service.record_receipt(car, world.removal(car, family[1].id, **changes))
    assert not receipt.removes_key
    assert await states(world, family) == [KeyState.ACTIVE] * 3
    assert await world.service.receipts(car) == [receipt]


async def test_a_car_removes_no_key_of_another(world: World, family: list[DigitalKey]) -> None:
    thief = await world.car()
    await world.service.record_receipt(thief.id, world.removal(thief.id, family[0].id))
    assert await states(world, family) == [KeyState.ACTIVE] * 3
    assert world.events[-1] == (
        "security.alert", {"vehicle_id": thief.id, "reason": "removal_foreign", "sequence": 1},
    )  # fmt: skip
    stored = (await world.service.receipts(thief.id))[0]
    nobody = world.removal(thief.id, "key_" + "a" * 16, 2, receipt_hash(stored.signed))
    await world.service.record_receipt(thief.id, nobody)
    assert world.told().count("security.alert") == 1, "of a key that a restored backup has forgotten"


async def test_a_forged_one_and_one_that_does_not_fit_remove_nothing(world: World, family: list[DigitalKey]) -> None:
    car, friend = family[0].vehicle_id, family[1]
    true, world.cars[car] = world.cars[car], LocalSigner.generate()
    with pytest.raises(TokenError):
        await world.service.record_receipt(car, world.removal(car, friend.id))
    world.cars[car] = true
    first = world.receipt(car, friend.id)
    await world.service.record_receipt(car, first)
    for sequence, previous in ((1, bytes(32)), (2, bytes(32))):
        with pytest.raises(Conflict):
            await world.service.record_receipt(car, world.removal(car, friend.id, sequence, previous))
    assert await states(world, family) == [KeyState.ACTIVE] * 3


async def test_an_owners_key_goes_the_same_way_and_everything_with_it(world: World, family: list[DigitalKey]) -> None:
    car = family[0].vehicle_id
    await world.service.record_receipt(car, world.removal(car, family[0].id))
    assert await states(world, family) == [KeyState.REVOKED, KeyState.REVOKING, KeyState.REVOKING]
    device = await world.service.device(family[0].device_id)
    again = await world.service.issue_owner_key(car, device)
    assert again.index not in (await world.list_of(car)).revoked, "another key is another key"
    assert (await world.service.key(again.id)).state is KeyState.ACTIVE


async def test_one_that_is_over_stays_expired(world: World, family: list[DigitalKey]) -> None:
    world.now += 2 * 3600
    car, child = family[0].vehicle_id, family[2]
    await world.service.record_receipt(car, world.removal(car, child.id))
    assert await states(world, [child]) == [KeyState.EXPIRED]
