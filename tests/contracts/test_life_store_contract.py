"""What every ``LifeReads`` and ``LifeWrites`` must do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.credentials.invitation import Invitation, InvitationState
from keygw.credentials.life_ports import Loss, Waiting
from keygw.credentials.lifecycle import Hold
from keygw.credentials.ports import CredentialReads, CredentialStore, CredentialTransaction, ListRecord
from keygw.credentials.transfer import Transfer, TransferState
from keygw.credentials.values import KeyToken
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.entitlement import PROFILES
from keygw.model.errors import Conflict
from keygw.model.vehicle import Vehicle

if TYPE_CHECKING:
    from tests.contracts.conftest import Open

CAR = Vehicle("veh_a", "Car", b"\x02" + bytes(32), bytes(16))
OTHER = Vehicle("veh_b", "Other", b"\x03" + bytes(32), bytes(16))
PHONE = Device("dev_a", DeviceKind.PHONE, b"\x02" + bytes(32))
OFFER = Transfer("trf_a", CAR.id, "app:app_a", 100, 200, b"h" * 32)


def key(index: int, expires_at: int = 500) -> DigitalKey:
    return DigitalKey(f"key_{index}", CAR.id, PHONE.id, Role.OWNER, PROFILES["owner"], index, 100, expires_at, 100)


@pytest.fixture
async def store(opener: Open, tmp_path: Path) -> AsyncIterator[CredentialStore]:
    async with opener(tmp_path / "data") as opened:

        async def work(tx: CredentialTransaction) -> None:
            await tx.add_vehicle(CAR)
            await tx.add_vehicle(OTHER)
            await tx.add_device(PHONE)
            for index, end in enumerate((500, 300, 400)):
                await tx.add_key(key(index, end), KeyToken("a.b.c", b"cwt", None, end, 250))

        await opened.write(work)
        yield opened


async def test_a_vehicle_meets_its_own_key_once(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> list[bool]:
        return [await tx.mark_met("key_0", each) for each in (OTHER.id, CAR.id, CAR.id)] + [
            await tx.mark_met("key_9", CAR.id)
        ]

    assert await store.write(work) == [False, True, False, False]
    first, second = await store.key("key_0"), await store.key("key_1")
    assert first is not None
    assert second is not None
    assert (first.met, first.renew_from, second.met) == (True, 250, False)


async def test_the_reasons_of_a_suspension_are_kept(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> None:
        held = await tx.set_key_state(key(0), KeyState.SUSPENDED, 1, Hold.ASKED | Hold.LOST)
        await tx.set_key_state(held, KeyState.REVOKING, 2)

    await store.write(work)
    found = await store.key("key_0")
    assert found is not None
    assert (found.hold, found.list_sequence, found.key.state) == (Hold.ASKED | Hold.LOST, 2, KeyState.REVOKING)


async def test_an_epoch_only_rises(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> None:
        await tx.raise_epoch(CAR.id, 3)
        await tx.raise_epoch(CAR.id, 2)

    await store.write(work)
    car, other = await store.vehicle(CAR.id), await store.vehicle(OTHER.id)
    assert car is not None
    assert other is not None
    assert (car.epoch, other.epoch) == (3, 0)


async def test_losses(store: CredentialStore) -> None:
    assert await store.loss(PHONE.id) is None
    await store.write(lambda tx: tx.set_loss(PHONE.id, Loss(1, True, 100)))
    await store.write(lambda tx: tx.set_loss(PHONE.id, Loss(2, False, 120)))
    assert await store.loss(PHONE.id) == Loss(2, False, 120)


async def reserved(reads: CredentialReads, vehicle_id: str) -> str | None:
    record = await reads.vehicle(vehicle_id)
    assert record is not None
    return record.reserved_for


async def test_reservations(store: CredentialStore) -> None:
    for app_id in ("app_a", "app_b"):
        await store.write(lambda tx, app_id=app_id: tx.reserve(CAR.id, app_id))  # type: ignore[misc]  # bound now
        assert await reserved(store, CAR.id) == app_id
    assert await reserved(store, OTHER.id) is None
    await store.write(lambda tx: tx.reserve(CAR.id, None))
    assert await reserved(store, CAR.id) is None


async def test_a_reservation_is_seen_by_what_follows_in_its_transaction(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> None:
        for app_id in ("app_a", None, "app_b"):
            await tx.reserve(CAR.id, app_id)
            assert await reserved(tx, CAR.id) == app_id

    await store.write(work)


async def test_what_time_has_overtaken(store: CredentialStore) -> None:
    invited = Invitation("inv_a", CAR.id, "key_0", "app_a", PROFILES["access"], 100, 150, b"s" * 32, key_lifetime=60)

    async def work(tx: CredentialTransaction) -> None:
        await tx.add_invitation(invited)
        await tx.set_key_state(key(2, 400), KeyState.REVOKING, 1)

    await store.write(work)
    assert await store.keys_over(299, 10) == []
    assert await store.keys_over(600, 10) == ["key_1", "key_0"], "and not what is revoking: that has no end by itself"
    assert await store.keys_over(600, 1) == ["key_1"]
    assert (await store.invitations_over(149, 10), await store.invitations_over(150, 10)) == ([], ["inv_a"])
    await store.write(lambda tx: tx.save_invitation(replace(invited, state=InvitationState.EXPIRED)))
    assert await store.invitations_over(150, 10) == []


async def test_keys_that_wait_for_their_vehicle(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> None:
        for sequence, at in ((1, 100), (2, 200)):
            await tx.add_list(ListRecord(CAR.id, sequence, at, b"list"))
        await tx.set_key_state(key(0), KeyState.SUSPENDED, 1, Hold.ASKED)
        await tx.set_key_state(key(1, 300), KeyState.REVOKING, 2)

    await store.write(work)
    assert await store.waiting_keys(99, 250) == []
    assert await store.waiting_keys(199, 250) == [Waiting("key_0", 1, 100)]
    assert await store.waiting_keys(200, 250) == [Waiting("key_0", 1, 100), Waiting("key_1", 2, 200)]
    assert await store.waiting_keys(200, 900) == [Waiting("key_1", 2, 200)], "who has expired waits no more"
    await store.write(lambda tx: tx.acknowledge_list(CAR.id, 1, b"ack"))
    assert await store.waiting_keys(200, 250) == [Waiting("key_1", 2, 200)]


async def test_one_offer_of_a_vehicle_at_a_time(store: CredentialStore) -> None:
    await store.write(lambda tx: tx.add_transfer(OFFER))
    assert await store.transfer("trf_a") == await store.offered_transfer(CAR.id) == OFFER
    with pytest.raises(Conflict) as caught:
        await store.write(lambda tx: tx.add_transfer(replace(OFFER, id="trf_b")))
    assert caught.value.code == "transfer_offered"
    taken = replace(OFFER, state=TransferState.ACCEPTED, app_id="app_b")
    assert await store.write(lambda tx: tx.save_transfer(taken)) == replace(taken, version=2)
    with pytest.raises(Conflict) as caught:
        await store.write(lambda tx: tx.save_transfer(replace(OFFER, state=TransferState.CANCELLED)))
    assert (caught.value.code, caught.value.retryable) == ("transfer_changed", True)
    assert await store.transfer("trf_a") == replace(taken, version=2)
    assert await store.offered_transfer(CAR.id) is None
    await store.write(lambda tx: tx.add_transfer(replace(OFFER, id="trf_b")))
    assert await store.transfer("trf_c") is None
