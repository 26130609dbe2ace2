"""Lost devices: everything that a device holds pauses, until the device itself says that it is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keygw.crypto.signer import LocalSigner
from keygw.model.digital_key import KeyState
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import BadInput, Conflict, Forbidden, NotFound
from keygw.token.statement import StatementAct, sign_statement

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

SHARING = PROFILES["access"] | Entitlement.KEY_SHARE
HOUR = 3600
APP = "app:app_test"


async def state(world: World, key_id: str) -> KeyState:
    return (await world.service.key(key_id)).state


async def test_a_lost_phone_pauses_on_every_vehicle_and_comes_back(world: World) -> None:
    cars = [await world.car(), await world.car()]
    phone = LocalSigner.generate()
    keys = []
    for car in cars:
        owner = await world.owner(car)
        keys.append(
            await world.service.share(
                owner.id,
                device_public_key=phone.public_key,
                entitlements=SHARING,
                expires_at=int(world.now) + 48 * HOUR,
            )
        )
    world.phones[keys[0].device_id] = phone
    below = await world.friend(keys[0])
    device = keys[0].device_id

    lost = await world.service.lose(device, actor=APP)
    assert (lost.loss.number, lost.loss.lost) == (1, True)
    assert {key.id for key in lost.keys} == {keys[0].id, keys[1].id, below.id}
    assert [await state(world, key.id) for key in (*keys, below)] == [KeyState.SUSPENDED] * 3
    for car, key in zip(cars, keys, strict=True):
        assert key.index in (await world.list_of(car.id)).suspended
    assert world.told().count("device.lost") == 2, "each vehicle's people hear of it"
    assert (await world.service.lose(device, actor=APP)).keys == (), "again: nothing changes"
    with pytest.raises(Conflict) as caught:
        await world.service.renew(keys[0].id)
    assert caught.value.code == "key_suspended"

    proof = sign_statement(StatementAct.FOUND, device, 1, phone)
    found = await world.service.find(device, proof, actor=APP)
    assert (found.loss.lost, {key.id for key in found.keys}) == (False, {keys[0].id, keys[1].id, below.id})
    assert [await state(world, key.id) for key in (*keys, below)] == [KeyState.ACTIVE] * 3
    assert (await world.service.find(device, proof, actor=APP)).keys == ()


async def test_what_was_suspended_for_another_reason_stays_so(world: World) -> None:
    owner = await world.owner(await world.car())
    asked, free = await world.friend(owner), await world.friend(owner)
    await world.service.suspend(asked.id)
    for key in (asked, free):
        await world.service.lose(key.device_id, actor=APP)
        with pytest.raises(Conflict) as caught:
            await world.service.resume(key.id)
        assert caught.value.code == "device_lost", "a token alone brings a lost phone's key back"
    for key in (asked, free):
        phone = world.phones[key.device_id]
        await world.service.find(key.device_id, sign_statement(StatementAct.FOUND, key.device_id, 1, phone), actor=APP)
    assert (await state(world, asked.id), await state(world, free.id)) == (KeyState.SUSPENDED, KeyState.ACTIVE)
    assert (await world.service.resume(asked.id)).state is KeyState.ACTIVE


async def test_a_key_that_somebody_suspends_while_its_phone_is_lost_stays_suspended(world: World) -> None:
    owner = await world.owner(await world.car())
    key = await world.friend(owner)
    await world.service.lose(key.device_id, actor=APP)
    sequence = (await world.service.current_list(key.vehicle_id)).sequence
    await world.service.suspend(key.id)
    assert (await world.service.current_list(key.vehicle_id)).sequence == sequence, "the car sees no difference"
    proof = sign_statement(StatementAct.FOUND, key.device_id, 1, world.phones[key.device_id])
    assert (await world.service.find(key.device_id, proof, actor=APP)).keys == ()
    assert await state(world, key.id) is KeyState.SUSPENDED


async def test_only_the_devices_own_word_about_this_very_loss_counts(world: World) -> None:
    key = await world.friend(await world.owner(await world.car()))
    phone = world.phones[key.device_id]
    first = sign_statement(StatementAct.FOUND, key.device_id, 1, phone)
    await world.service.lose(key.device_id, actor=APP)
    await world.service.find(key.device_id, first, actor=APP)
    world.now += 1
    assert (await world.service.lose(key.device_id, actor=APP)).loss.number == 2
    stranger = sign_statement(StatementAct.FOUND, key.device_id, 2, LocalSigner.generate())
    for proof in (first, stranger, b"\x84", sign_statement(StatementAct.GIVE_BACK, key.id, 2, phone)):
        with pytest.raises(BadInput) as caught:
            await world.service.find(key.device_id, proof, actor=APP)
        assert caught.value.code == "bad_proof"
    with pytest.raises(Forbidden) as refused:
        await world.service.find(key.device_id, None, actor="operator:operator")
    assert refused.value.code == "step_up_required"
    assert await state(world, key.id) is KeyState.SUSPENDED


async def test_a_hosted_device_is_found_by_an_operator_alone(world: World) -> None:
    owner = await world.owner(await world.car())
    await world.service.lose(owner.device_id, actor=APP)
    with pytest.raises(Forbidden) as caught:
        await world.service.find(owner.device_id, None, actor=APP)
    assert caught.value.code == "step_up_required"
    await world.service.find(owner.device_id, None, actor="operator:operator")
    assert await state(world, owner.id) is KeyState.ACTIVE


async def test_a_lost_device_gets_no_key(world: World) -> None:
    owner = await world.owner(await world.car())
    key = await world.friend(owner)
    phone = world.phones[key.device_id]
    await world.service.lose(key.device_id, actor=APP)
    with pytest.raises(Conflict) as caught:
        await world.service.share(
            owner.id, device_public_key=phone.public_key, entitlements=SHARING, expires_at=int(world.now) + HOUR
        )
    assert caught.value.code == "device_lost"


async def test_what_ended_meanwhile_stays_ended(world: World) -> None:
    owner = await world.owner(await world.car())
    key = await world.friend(owner)
    await world.service.lose(key.device_id, actor=APP)
    await world.service.revoke(key.id)
    proof = sign_statement(StatementAct.FOUND, key.device_id, 1, world.phones[key.device_id])
    await world.service.find(key.device_id, proof, actor=APP)
    assert await state(world, key.id) is KeyState.REVOKING


async def test_an_unknown_device_is_not_there(world: World) -> None:
    for ask in (world.service.loss, world.service.lose):
        with pytest.raises(NotFound) as caught:
            await ask("dev_aaaaaaaaaaaaaaaa")
        assert caught.value.code == "unknown_device"


# Giving back, and what vehicles are slow to confirm


async def test_a_phone_without_a_token_gives_its_key_back(world: World) -> None:
    owner = await world.owner(await world.car())
    friend = await world.friend(owner, SHARING)
    below = await world.friend(friend)
    phone = world.phones[friend.device_id]
    proof = sign_statement(StatementAct.GIVE_BACK, friend.id, 0, phone)
    with pytest.raises(NotFound):
        await world.service.give_back_proven(friend.id, LocalSigner.generate().public_key, proof)
    with pytest.raises(BadInput) as caught:
        await world.service.give_back_proven(below.id, world.phones[below.device_id].public_key, proof)
    assert caught.value.code == "bad_proof"
    assert (await world.service.give_back_proven(friend.id, phone.public_key, proof)).state is KeyState.REVOKING
    assert await state(world, below.id) is KeyState.REVOKING
    assert await state(world, owner.id) is KeyState.ACTIVE
    told = [data for name, data in world.events if name == "key.revoking"]
    assert [(data["by"], data["reason"]) for data in told] == [("device", "give_back")] * 2
    assert (await world.service.give_back_proven(friend.id, phone.public_key, proof)).state is KeyState.REVOKING


async def test_what_a_vehicle_is_slow_to_confirm_is_told(world: World) -> None:
    car = await world.car()
    owner = await world.owner(car)
    first, second = await world.friend(owner), await world.friend(owner, lifetime=30 * HOUR)
    await world.service.revoke(first.id)
    world.now += HOUR
    await world.service.suspend(second.id)
    assert await world.service.overdue() == []
    world.now += 23 * HOUR
    assert [late.key_id for late in await world.service.overdue()] == [first.id]
    world.now += HOUR
    late = await world.service.overdue()
    assert [(each.key_id, each.list_sequence) for each in late] == [(first.id, 1), (second.id, 2)]
    assert late[1].since - late[0].since == HOUR
    world.now += 40 * HOUR
    assert [each.key_id for each in await world.service.overdue()] == [first.id], "what has expired is no secret"
    await world.service.acknowledge_list(car.id, await world.ack(car.id))
    assert await world.service.overdue() == []


async def test_time_alone_is_told(world: World) -> None:
    owner = await world.owner(await world.car())
    key = await world.friend(owner, lifetime=HOUR)
    invited = await world.service.invitations.create(
        owner.id, app_id="app_test", entitlements=SHARING, key_lifetime=HOUR, lifetime=60
    )
    assert await world.service.sweep() == 0
    world.now += HOUR
    del world.events[:]
    assert await world.service.sweep() == 2
    assert {(name, data.get("invitation_id"), data["key_id"], data["by"]) for name, data in world.events} == {
        ("key.expired", None, key.id, "system"),
        ("invitation.expired", invited.invitation.id, None, "system"),
    }
    assert await world.service.sweep() == 0


async def test_the_first_receipt_says_that_the_car_has_met_the_key(world: World) -> None:
    car = await world.car()
    owner = await world.owner(car)
    assert (await world.service.standing(owner.id)).stage == "issued"
    signed = world.receipt(car.id, owner.id)
    await world.service.record_receipt(car.id, signed)
    assert (await world.service.standing(owner.id)).stage == "active"
    await world.service.record_receipt(car.id, signed)
    assert world.told().count("key.met") == 1
    world.now += 300 * 24 * HOUR
    assert (await world.service.standing(owner.id)).stage == "renewing"
    await world.service.key_token(owner.id)
    assert (await world.service.standing(owner.id)).stage == "active"
    assert [data["reason"] for name, data in world.events if name == "key.renewed"] == ["due"]
