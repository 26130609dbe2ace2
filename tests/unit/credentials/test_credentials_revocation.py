"""Suspend, resume, revoke; the signed list; and the car's word that alone makes a key ``revoked``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keygw.credentials.listing import entries
from keygw.credentials.ports import KeyRecord
from keygw.crypto.kdf import sha256
from keygw.crypto.signer import LocalSigner
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import Conflict, KeygwError, NotFound, TokenError
from keygw.token.revocation import list_hash, verify_list
from keygw_sim.rehearsal import twin

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

HOUR = 3600
SHARING = PROFILES["access"] | Entitlement.KEY_SHARE


async def test_there_is_no_list_before_the_first_change(world: World) -> None:
    vehicle = await world.car()
    await world.owner(vehicle)
    current = await world.service.current_list(vehicle.id)
    assert (current.sequence, current.signed, current.acknowledged) == (0, b"", True)
    assert await world.service.vehicles_behind() == []
    with pytest.raises(NotFound):
        await world.service.current_list("veh_nowhere")


async def test_suspend_and_resume_reach_the_list(world: World) -> None:
    vehicle = await world.car()
    friend = await world.friend(await world.owner(vehicle))
    assert (await world.service.standing(friend.id)).acknowledged
    suspended = await world.service.suspend(friend.id)
    found = await world.list_of(vehicle.id)
    assert (found.sequence, found.suspended, found.revoked) == (1, (friend.index,), ())
    assert (found.issued_at, found.next_update) == (int(world.now), int(world.now) + 3 * 24 * HOUR)
    assert suspended.state is KeyState.SUSPENDED
    assert not (await world.service.standing(friend.id)).acknowledged
    assert await world.service.vehicles_behind() == [vehicle.id]
    assert await world.service.acknowledge_list(vehicle.id, await world.ack(vehicle.id)) == []
    assert (await world.service.standing(friend.id)).acknowledged
    assert await world.service.vehicles_behind() == []
    assert (await world.service.resume(friend.id)).state is KeyState.ACTIVE
    assert ((await world.list_of(vehicle.id)).sequence, (await world.list_of(vehicle.id)).suspended) == (2, ())
    assert world.told()[2:] == ["key.suspended", "key.resumed"]


async def test_a_standing_tells_key_and_lists_together(world: World) -> None:
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    friend = await world.friend(owner)
    other = await world.owner(await world.car())
    await world.service.revoke(friend.id)
    ack = await world.ack(vehicle.id)
    await world.service.suspend(owner.id)
    await world.service.acknowledge_list(vehicle.id, ack)
    told = {each.key.id: each for each in await world.service.standings(vehicle.id)}
    assert told.keys() == {owner.id, friend.id}
    assert told == {key_id: await world.service.standing(key_id) for key_id in told}
    mine, theirs = told[owner.id], told[friend.id]
    assert (mine.key.state, mine.list_sequence, mine.acknowledged_sequence, mine.newest_sequence) == (
        "suspended",
        2,
        1,
        2,
    )
    assert (theirs.key.state, theirs.acknowledged_sequence, theirs.newest_sequence) == ("revoked", 1, 2)
    assert (await world.service.standing(other.id)).newest_sequence == 0
    with pytest.raises(NotFound):
        await world.service.standing("key_nowhere")


async def test_again_changes_nothing_and_tells_nobody(world: World) -> None:
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    assert (await world.service.resume(owner.id)) == owner
    await world.service.suspend(owner.id)
    before = await world.service.suspend(owner.id)
    await world.service.revoke(owner.id)
    assert (await world.service.revoke(owner.id)).state is KeyState.REVOKING
    await world.service.acknowledge_list(vehicle.id, await world.ack(vehicle.id))
    assert (await world.service.revoke(owner.id)).state is KeyState.REVOKED
    assert before.state is KeyState.SUSPENDED
    assert (await world.service.current_list(vehicle.id)).sequence == 2
    assert world.told() == ["key.issued", "key.suspended", "key.revoking", "key.revoked"]
    for refused in (world.service.resume, world.service.suspend):
        with pytest.raises(Conflict) as caught:
            await refused(owner.id)
        assert caught.value.code == "key_revoked"


async def test_a_parent_suspends_its_children_and_gives_back_what_was(world: World) -> None:
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    friend = await world.friend(owner, SHARING)
    child = await world.friend(friend, Entitlement.DOOR_LOCK, HOUR)
    paused = await world.friend(owner)
    await world.service.suspend(paused.id)
    world.events.clear()
    await world.service.suspend(owner.id)
    assert [key.state for key in await world.service.keys(vehicle.id)] == [KeyState.SUSPENDED] * 4
    assert (await world.list_of(vehicle.id)).suspended == (0, 1, 2, 3)
    assert not (await world.service.standing(child.id)).acknowledged
    with pytest.raises(Conflict) as caught:
        await world.service.resume(paused.id)
    assert caught.value.code == "parent_suspended"
    await world.service.resume(owner.id)
    assert (await world.list_of(vehicle.id)).suspended == (paused.index,)
    states = {key.id: key.state for key in await world.service.keys(vehicle.id)}
    assert states == {
        owner.id: KeyState.ACTIVE,
        friend.id: KeyState.ACTIVE,
        child.id: KeyState.ACTIVE,
        paused.id: KeyState.SUSPENDED,
    }
    told = [(name, data["key_id"], data.get("because_of")) for name, data in world.events]
    assert told == [
        (name, key_id, None if key_id == owner.id else owner.id)
        for name in ("key.suspended", "key.resumed")
        for key_id in (owner.id, friend.id, child.id)
    ]


async def test_children_end_with_their_parent(world: World) -> None:
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    friend = await world.friend(owner, SHARING)
    child = await world.friend(friend, Entitlement.DOOR_LOCK, HOUR)
    other = await world.friend(owner)
    await world.service.suspend(child.id)
    assert (await world.service.revoke(friend.id)).state is KeyState.REVOKING
    found = await world.list_of(vehicle.id)
    assert (found.revoked, found.suspended) == ((friend.index, child.index), ())
    ended = await world.service.acknowledge_list(vehicle.id, await world.ack(vehicle.id))
    assert [(key.id, key.state) for key in ended] == [(friend.id, KeyState.REVOKED), (child.id, KeyState.REVOKED)]
    assert [key.state for key in await world.service.keys(vehicle.id)] == [
        KeyState.ACTIVE,
        KeyState.REVOKED,
        KeyState.REVOKED,
        KeyState.ACTIVE,
    ]
    assert (await world.list_of(vehicle.id)).revoked == (friend.index, child.index)
    assert (await world.service.key(other.id)).state is KeyState.ACTIVE


async def test_an_acknowledgement_ends_only_what_its_list_told(world: World) -> None:
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    first, second = await world.friend(owner), await world.friend(owner)
    await world.service.revoke(first.id)
    early = await world.ack(vehicle.id)
    await world.service.revoke(second.id)
    assert [key.id for key in await world.service.acknowledge_list(vehicle.id, early)] == [first.id]
    assert (await world.service.key(second.id)).state is KeyState.REVOKING
    assert await world.service.acknowledge_list(vehicle.id, early) == []
    assert await world.service.vehicles_behind() == [vehicle.id]
    assert [key.id for key in await world.service.acknowledge_list(vehicle.id, await world.ack(vehicle.id))] == [
        second.id
    ]
    with pytest.raises(Conflict) as caught:
        await world.service.acknowledge_list(vehicle.id, early)
    assert caught.value.code == "ack_older"
    current = await world.service.current_list(vehicle.id)
    assert current.acknowledged
    stored = await world.store.credentials.revocation_list(vehicle.id, 1)
    assert stored is not None
    assert stored.ack == early


async def test_acknowledgements_that_are_not_believed(world: World) -> None:
    vehicle, other = await world.car(), await world.car()
    owner = await world.owner(vehicle)
    await world.service.revoke(owner.id)
    current = await world.service.current_list(vehicle.id)
    digest = list_hash(current.signed)
    own, foreign = world.cars[vehicle.id], world.cars[other.id]
    cases: list[tuple[bytes, type[KeygwError], str]] = [
        (world.forged_ack(vehicle.id, 1, digest, foreign), TokenError, "token_signature"),
        (world.forged_ack(vehicle.id, 1, digest, LocalSigner.generate()), TokenError, "token_signature"),
        (world.forged_ack(other.id, 1, digest, own), TokenError, "ack_foreign"),
        (world.forged_ack(vehicle.id, 1, sha256(b"another list"), own), TokenError, "ack_mismatch"),
        (world.forged_ack(vehicle.id, 2, digest, own), Conflict, "ack_unknown_list"),
        (b"noise", TokenError, "token_malformed"),
        (current.signed, TokenError, "wrong_type"),
    ]
    for ack, kind, code in cases:
        with pytest.raises(kind) as caught:
            await world.service.acknowledge_list(vehicle.id, ack)
        assert caught.value.code == code
    assert (await world.service.key(owner.id)).state is KeyState.REVOKING
    alerts = [data for name, data in world.events if name == "security.alert"]
    assert alerts == [{"vehicle_id": vehicle.id, "reason": "ack_mismatch", "sequence": 1}]


async def test_a_courier_cannot_spoil_the_acknowledgement_by_turning_the_lists_signature(world: World) -> None:
    friend = await world.friend(await world.owner(await world.car()))
    await world.service.revoke(friend.id)
    carried = twin((await world.service.current_list(friend.vehicle_id)).signed)
    assert verify_list(carried, world.trusted, friend.vehicle_id).revoked == (friend.index,)
    ack = twin(world.forged_ack(friend.vehicle_id, 1, list_hash(carried)))
    (ended,) = await world.service.acknowledge_list(friend.vehicle_id, ack)
    assert (ended.id, ended.state) == (friend.id, KeyState.REVOKED)
    assert "security.alert" not in world.told()


async def test_an_entry_stays_until_the_list_is_past_its_token(world: World) -> None:
    vehicle = await world.car()
    owner = await world.owner(vehicle)
    short, long = await world.friend(owner, lifetime=HOUR), await world.friend(owner, lifetime=3 * HOUR)
    await world.service.revoke(short.id)
    world.now += HOUR - 1
    await world.service.suspend(long.id)
    assert (await world.list_of(vehicle.id)).revoked == (short.index,)
    world.now += 1
    await world.service.resume(long.id)
    found = await world.list_of(vehicle.id)
    assert (found.revoked, found.issued_at >= short.expires_at) == ((), True)
    # The car never said so before; the list that it confirms now moved its time past the token's end.
    assert (await world.service.key(short.id)).state is KeyState.REVOKING
    ended = await world.service.acknowledge_list(vehicle.id, await world.ack(vehicle.id))
    assert [key.id for key in ended] == [short.id]


async def test_an_expired_key_needs_no_revocation(world: World) -> None:
    friend = await world.friend(await world.owner(await world.car()), lifetime=HOUR)
    world.now += HOUR
    assert (await world.service.revoke(friend.id)).state is KeyState.EXPIRED
    assert (await world.service.current_list(friend.vehicle_id)).sequence == 0
    for refused in (world.service.suspend, world.service.resume):
        with pytest.raises(Conflict) as caught:
            await refused(friend.id)
        assert caught.value.code == "key_expired"


async def test_a_child_cannot_be_used_when_a_rule_was_missed() -> None:
    """Fail closed: a child whose parent has ended is on the list even if its own state says otherwise."""

    def record(index: int, state: KeyState, *above: KeyState) -> KeyRecord:
        key = DigitalKey(
            f"key_{index}", "veh_a", "dev_a", Role.FRIEND, Entitlement.DOOR_LOCK, index, 1, 100, 1, state=state
        )
        return KeyRecord(key, above=above)

    records = [
        record(4, KeyState.ACTIVE, KeyState.REVOKED),
        record(3, KeyState.ACTIVE, KeyState.ACTIVE, KeyState.SUSPENDED),
        record(2, KeyState.REVOKED),
        record(1, KeyState.REVOKING, KeyState.SUSPENDED),
        record(0, KeyState.ACTIVE, KeyState.ACTIVE),
    ]
    assert entries(records, 99) == ((1, 2), (3, 4))
    assert entries(records, 100) == ((), ())
