"""Ends that concern a whole vehicle: an epoch, a vehicle that is handed over; and for whom its next owner key is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keygw.credentials.transfer import TRANSITIONS, TransferEvent, TransferState
from keygw.credentials.values import DAY, Limits
from keygw.model.digital_key import KeyStage, KeyState
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import BadInput, Conflict, Forbidden, NotFound
from keygw.model.revocation import RevocationList
from keygw.token.revocation import sign_list

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

SHARING = PROFILES["access"] | Entitlement.KEY_SHARE
THIEF, BUYER = "app_thief", "app_buyer"


async def states(world: World, vehicle_id: str) -> list[KeyState]:
    return [key.state for key in await world.service.keys(vehicle_id)]


async def test_an_epoch_ends_every_key_of_the_vehicle_and_of_no_other(world: World) -> None:
    car, other = await world.car(), await world.car()
    owner, elsewhere = await world.owner(car), await world.owner(other)
    friend = await world.friend(owner, SHARING)
    await world.friend(friend)
    done = await world.service.end_epoch(car.id, "app_test", actor="app:app_test")
    assert (done.epoch, done.list_sequence, len(done.ended)) == (1, 1, 3)
    assert await states(world, car.id) == [KeyState.REVOKING] * 3
    assert (await world.service.key(elsewhere.id)).state is KeyState.ACTIVE
    told = await world.list_of(car.id)
    assert (told.min_epoch, told.revoked, told.suspended) == (1, (), ()), "the epoch bars them all: no index is needed"
    assert world.told()[-4:] == ["key.revoking"] * 3 + ["vehicle.epoch_ended"]
    assert world.events[-1][1] == {"vehicle_id": car.id, "epoch": 1, "list_sequence": 1, "by": "app"}
    ended = await world.service.acknowledge_list(car.id, await world.ack(car.id))
    assert {key.state for key in ended} == {KeyState.REVOKED}
    assert len(ended) == 3


async def test_again_before_anything_is_issued_changes_nothing(world: World) -> None:
    car = await world.car()
    assert (await world.service.end_epoch(car.id, None)).epoch == 0, "there is nothing to end"
    await world.owner(car)
    first = await world.service.end_epoch(car.id, None)
    again = await world.service.end_epoch(car.id, None)
    assert (first.epoch, again.epoch, again.list_sequence, again.ended) == (1, 1, 0, ())
    key = await world.owner(car)
    assert key.epoch == 1
    assert (await world.service.key(key.id)).state is KeyState.ACTIVE
    assert (await world.service.end_epoch(car.id, None)).epoch == 2


async def test_what_was_over_stays_expired_and_what_was_suspended_ends(world: World) -> None:
    car = await world.car()
    owner = await world.owner(car)
    short, paused = await world.friend(owner, lifetime=3600), await world.friend(owner, lifetime=48 * 3600)
    await world.service.suspend(paused.id)
    world.now += 7200
    await world.service.end_epoch(car.id, None)
    assert (await world.service.key(short.id)).state is KeyState.EXPIRED
    assert (await world.service.key(paused.id)).state is KeyState.REVOKING
    world.now -= 7200
    assert (await world.service.key(short.id)).state is KeyState.EXPIRED, "a clock that goes back brings nothing back"


async def test_the_next_owner_key_is_for_whom_it_is_reserved(world: World) -> None:
    car = await world.car()
    await world.owner(car)
    await world.service.end_epoch(car.id, "app_test")
    thief = await world.service.create_hosted_device(THIEF)
    with pytest.raises(Forbidden) as caught:
        await world.service.issue_owner_key(car.id, thief)
    assert caught.value.code == "vehicle_reserved"
    await world.owner(car)
    await world.service.issue_owner_key(car.id, thief)  # the reservation was for one key; who may ask is the bridge's


async def test_invitations_and_offers_end_with_the_epoch(world: World) -> None:
    car = await world.car()
    owner = await world.owner(car)
    invited = await world.service.invitations.create(
        owner.id, app_id="app_test", entitlements=PROFILES["access"], key_lifetime=3600
    )
    offered = await world.service.offer_transfer(car.id, actor="app:app_test")
    await world.service.end_epoch(car.id, None)
    assert (await world.service.invitations.get(invited.invitation.id)).state == "ended"
    assert (await world.service.transfer(offered.transfer.id)).state is TransferState.CANCELLED


async def test_epochs_do_not_wrap(world: World) -> None:
    car = await world.car()
    await world.store.credentials.write(lambda tx: tx.raise_epoch(car.id, 2**16 - 1))
    await world.owner(car)
    with pytest.raises(Conflict) as caught:
        await world.service.end_epoch(car.id, None)
    assert caught.value.code == "epochs_used_up"


async def test_nobody_but_an_app_or_an_operator_ends_an_epoch(world: World) -> None:
    car = await world.car()
    with pytest.raises(Forbidden) as caught:
        await world.service.end_epoch(car.id, None, actor=f"vehicle:{car.id}")
    assert caught.value.code == "wrong_actor"
    with pytest.raises(NotFound):
        await world.service.end_epoch("veh_aaaaaaaaaaaaaaaa", None)


async def test_a_restored_gateway_takes_the_epoch_from_the_car(world: World) -> None:
    """The list that the backup does not know names a later epoch: old keys stay dead, and no thief pairs."""
    car = await world.car()
    owner = await world.owner(car)
    record = await world.store.credentials.vehicle(car.id)
    assert record is not None
    stolen = record.vehicle
    now = int(world.now)
    ended = RevocationList(stolen.id, 5, now, now + DAY, min_epoch=1)
    await world.service.recover_list(car.id, sign_list(ended, world.issuer.signer, world.issuer.kid))
    assert (await world.service.key(owner.id)).state is KeyState.REVOKING
    assert await world.service.vehicle_epoch(car.id) == 1
    assert (await world.list_of(car.id)).min_epoch == 1
    thief = await world.service.create_hosted_device(THIEF)
    with pytest.raises(Forbidden, match="another app"):
        await world.service.issue_owner_key(car.id, thief)


# Transfers


def test_every_state_of_a_transfer_answers_every_event() -> None:
    assert set(TRANSITIONS) == set(TransferState)
    assert all(set(row) == set(TransferEvent) for row in TRANSITIONS.values())


async def test_a_vehicle_changes_hands_in_two_steps(world: World) -> None:
    car = await world.car()
    owner = await world.owner(car)
    offered = await world.service.offer_transfer(car.id, actor="app:app_test")
    assert (await world.service.key(owner.id)).state is KeyState.ACTIVE, "nothing has happened yet"
    accepted = await world.service.accept_transfer(offered.transfer.id, offered.secret, BUYER)
    assert (accepted.state, accepted.app_id) == (TransferState.ACCEPTED, BUYER)
    assert (await world.service.key(owner.id)).state is KeyState.REVOKING
    again = await world.service.accept_transfer(offered.transfer.id, offered.secret, BUYER)
    assert again == accepted
    assert await world.service.vehicle_epoch(car.id) == 1, "the same request again ends no further epoch"
    device = await world.service.create_hosted_device(BUYER)
    key = await world.service.issue_owner_key(car.id, device)
    assert (key.epoch, (await world.service.standing(key.id)).stage) == (1, KeyStage.ISSUED)
    assert [name for name in world.told() if name.startswith("transfer.")] == ["transfer.offered", "transfer.accepted"]


@pytest.mark.parametrize(
    ("what", "code"), [("cancel", "transfer_cancelled"), ("wait", "transfer_expired"), ("take", "transfer_taken")]
)
async def test_an_offer_that_is_not_open_is_not_accepted(world: World, what: str, code: str) -> None:
    car = await world.car()
    await world.owner(car)
    offered = await world.service.offer_transfer(car.id, actor="app:app_test")
    name = offered.transfer.id
    if what == "cancel":
        assert (await world.service.cancel_transfer(name)).state is TransferState.CANCELLED
        assert (await world.service.cancel_transfer(name)).state is TransferState.CANCELLED
    elif what == "wait":
        world.now += 7 * DAY
    else:
        await world.service.accept_transfer(name, offered.secret, BUYER)
        with pytest.raises(Conflict) as refused:
            await world.service.cancel_transfer(name)
        assert refused.value.code == "transfer_accepted"
    before = await world.service.vehicle_epoch(car.id)
    with pytest.raises(Conflict) as caught:
        await world.service.accept_transfer(name, offered.secret, THIEF)
    assert caught.value.code == code
    assert await world.service.vehicle_epoch(car.id) == before


async def test_a_wrong_secret_sounds_like_an_unknown_event(world: World) -> None:
    car = await world.car()
    offered = await world.service.offer_transfer(car.id)
    for name, secret in ((offered.transfer.id, bytes(32)), ("trf_aaaaaaaaaaaaaaaa", offered.secret)):
        with pytest.raises(NotFound) as caught:
            await world.service.accept_transfer(name, secret, THIEF)
        assert caught.value.code == "unknown_transfer"


async def test_one_offer_at_a_time_and_not_for_ever(world: World) -> None:
    car = await world.car()
    first = await world.service.offer_transfer(car.id, lifetime=60)
    with pytest.raises(Conflict) as caught:
        await world.service.offer_transfer(car.id)
    assert caught.value.code == "transfer_offered"
    world.now += 60
    await world.service.offer_transfer(car.id)
    assert (await world.service.transfer(first.transfer.id)).state is TransferState.EXPIRED
    for lifetime in (0, 31 * DAY):
        with pytest.raises(BadInput):
            await world.service.offer_transfer(car.id, lifetime=lifetime)


async def test_the_list_of_an_epoch_has_room_for_what_is_new(world: World) -> None:
    """Entries of the old epoch take no room, and cause no watermark."""
    world.service = world.restarted(Limits(list_entries=2))
    car = await world.car()
    owner = await world.owner(car)
    friends = [await world.friend(owner) for _ in range(4)]
    await world.service.end_epoch(car.id, None)
    assert len(friends) == 4
    before = (await world.list_of(car.id)).issued_before
    new = await world.owner(car)
    world.now += 1
    await world.service.revoke((await world.friend(new)).id)
    told = await world.list_of(car.id)
    assert (len(told.revoked), told.issued_before, told.min_epoch) == (1, before, 1)
