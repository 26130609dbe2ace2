"""What every ``CredentialStore`` must do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.credentials.ports import (
    INDEX_MAX,
    CredentialReads,
    CredentialStore,
    CredentialTransaction,
    KeyRecord,
    ListRecord,
    VehicleRecord,
)
from keygw.credentials.values import KeyToken
from keygw.model.command import Action, Outcome
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.entitlement import PROFILES
from keygw.model.errors import Conflict
from keygw.model.receipt import Receipt
from keygw.model.vehicle import Vehicle

if TYPE_CHECKING:
    from tests.contracts.conftest import Open

CAR = Vehicle("veh_a", "Car", b"\x02" + bytes(32), bytes(16))
OTHER = Vehicle("veh_b", "Other", b"\x03" + bytes(32), bytes(range(16)))
PHONE = Device("dev_a", DeviceKind.PHONE, b"\x02" + bytes(32), "Phone")
HOSTED = Device("dev_b", DeviceKind.HOSTED, b"\x03" + bytes(32), "Hosted", "app_a")
TOKEN = KeyToken("a.b.c", b"\x00\xffcwt", b"grant\xff", 180, 170)


def key(index: int, vehicle: Vehicle = CAR, device: Device = PHONE, parent: str | None = None) -> DigitalKey:
    return DigitalKey(
        id=f"key_{vehicle.id[-1]}{index}",
        vehicle_id=vehicle.id,
        device_id=device.id,
        role=Role.FRIEND if parent else Role.OWNER,
        entitlements=PROFILES["owner"],
        index=index,
        not_before=100,
        expires_at=200 + index,
        issued_at=100,
        parent_id=parent,
        depth=1 if parent else 0,
        max_depth=2,
        epoch=3,
        label="a label",
    )


def receipt(sequence: int, key_id: str = "key_a0", vehicle: Vehicle = CAR) -> Receipt:
    return Receipt(
        vehicle_id=vehicle.id,
        sequence=sequence,
        number=0xFFFFFFFF,
        key_id=key_id,
        action=Action(200),
        outcome=Outcome.DOOR_OPEN,
        before=None,
        after=sequence % 2 == 0,
        boot_epoch=2,
        session=b"session!",
        previous=bytes(32),
        at=150,
        signed=b"signed %d" % sequence,
    )


@pytest.fixture
async def store(opener: Open, tmp_path: Path) -> AsyncIterator[CredentialStore]:
    """With two vehicles and two devices in it."""
    async with opener(tmp_path) as store:

        async def work(tx: CredentialTransaction) -> None:
            for vehicle in (CAR, OTHER):
                await tx.add_vehicle(vehicle)
            for device in (PHONE, HOSTED):
                await tx.add_device(device)

        await store.write(work)
        yield store


async def add(store: CredentialStore, *keys: DigitalKey) -> None:
    async def work(tx: CredentialTransaction) -> None:
        for each in keys:
            await tx.add_key(each, TOKEN)

    await store.write(work)


@pytest.mark.parametrize("inside", [False, True])
async def test_absent_things_are_none_or_empty(store: CredentialStore, inside: bool) -> None:
    async def look(reads: CredentialReads) -> None:
        assert await reads.last_issued_at() == 0
        assert await reads.vehicle("veh_x") is None
        assert await reads.device("dev_x") is None
        assert await reads.key("key_x") is None
        assert await reads.key_token("key_x") is None
        assert await reads.revocation_list("veh_a", 0) is None
        assert await reads.receipt("veh_a", 1) is None
        assert not await reads.keys()
        assert not await reads.receipts("veh_a", 0, 10)
        assert not await reads.unexpired_keys("veh_a", 0)
        assert not await reads.revoking_keys("veh_a", 9)
        assert await reads.unexpired_count("veh_a", 0) == 0

    await (store.write(look) if inside else look(store))


async def test_what_was_written_is_read_after_a_restart(opener: Open, tmp_path: Path) -> None:
    stored = key(0, device=HOSTED)
    signed = ListRecord("veh_a", 1, 120, b"signed list")

    async def work(tx: CredentialTransaction) -> None:
        await tx.add_vehicle(CAR)
        await tx.add_device(HOSTED)
        await tx.add_key(stored, TOKEN)
        await tx.add_list(signed)
        await tx.add_receipt(receipt(1))
        await tx.raise_last_issued_at(120)

    async with opener(tmp_path) as store:
        await store.write(work)
    async with opener(tmp_path) as store:
        assert await store.vehicle("veh_a") == VehicleRecord(CAR, list_sequence=1)
        assert await store.device("dev_b") == HOSTED
        assert await store.key("key_a0") == KeyRecord(stored)
        assert await store.key_token("key_a0") == TOKEN
        assert await store.revocation_list("veh_a", 1) == signed
        assert await store.receipt("veh_a", 1) == receipt(1)
        assert await store.last_issued_at() == 120


async def test_a_failed_transaction_leaves_nothing(store: CredentialStore) -> None:
    told: list[str] = []

    async def fail(tx: CredentialTransaction) -> None:
        tx.after_commit(lambda: told.append("no"))
        assert await tx.take_index("veh_a") == 0
        await tx.add_key(key(0), TOKEN)
        await tx.raise_last_issued_at(100)
        assert await tx.key("key_a0") is not None
        raise Conflict

    with pytest.raises(Conflict):
        await store.write(fail)

    async def work(tx: CredentialTransaction) -> None:
        tx.after_commit(lambda: told.append("yes"))
        assert (await tx.key("key_a0"), await tx.last_issued_at(), await tx.take_index("veh_a")) == (None, 0, 0)
        assert told == []

    await store.write(work)
    assert told == ["yes"]


async def test_the_greatest_time_is_never_lowered(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> None:
        for at in (5, 9, 7):
            await tx.raise_last_issued_at(at)

    await store.write(work)
    assert await store.last_issued_at() == 9


async def test_ids_are_taken_once(store: CredentialStore) -> None:
    await add(store, key(0))
    for again in (key(0), replace(key(1), index=0), replace(key(0), index=1)):
        with pytest.raises(Conflict) as caught:
            await add(store, again)
        assert caught.value.code == "key_exists"

    with pytest.raises(Conflict) as caught:
        await store.write(lambda tx: tx.add_vehicle(replace(CAR, name="Another")))
    assert caught.value.code == "vehicle_exists"

    async def work(tx: CredentialTransaction) -> None:
        assert await tx.add_device(replace(PHONE, label="Another")) == PHONE

    await store.write(work)


async def test_each_vehicle_counts_its_own_indices_to_the_end(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> None:
        assert [await tx.take_index("veh_a") for _ in range(3)] == [0, 1, 2]
        assert await tx.take_index("veh_b") == 0
        await tx.adopt_list(ListRecord("veh_b", 1, 120, b"signed list"), INDEX_MAX - 3)
        last = [await tx.take_index("veh_b") for _ in range(5)]
        assert last == [INDEX_MAX - 2, INDEX_MAX - 1, INDEX_MAX, None, None]
        assert await tx.take_index("veh_x") is None

    await store.write(work)


async def test_keys_are_found_by_vehicle_device_and_time(store: CredentialStore) -> None:
    await add(store, key(2), key(0), key(1, device=HOSTED), key(0, OTHER))

    async def ids(vehicle_id: str | None = None, device_id: str | None = None) -> list[str]:
        return [record.key.id for record in await store.keys(vehicle_id, device_id)]

    assert await ids() == ["key_a0", "key_a1", "key_a2", "key_b0"]
    assert await ids("veh_a") == ["key_a0", "key_a1", "key_a2"]
    assert await ids(device_id="dev_a") == ["key_a0", "key_a2", "key_b0"]
    assert await ids("veh_a", "dev_b") == ["key_a1"]
    assert [record.key.index for record in await store.unexpired_keys("veh_a", 200)] == [1, 2]
    assert await store.unexpired_count("veh_a", 200) == 2

    async def work(tx: CredentialTransaction) -> None:
        await tx.set_key_state(key(1), KeyState.REVOKING)
        assert await tx.unexpired_count("veh_a", 200) == 1

    await store.write(work)
    assert await store.unexpired_count("veh_a", 202) == 0


async def test_a_state_is_written_over_the_version_that_was_read(store: CredentialStore) -> None:
    await add(store, key(0))

    async def work(tx: CredentialTransaction) -> DigitalKey:
        suspended = await tx.set_key_state(key(0), KeyState.SUSPENDED, 4)
        assert suspended == replace(key(0), state=KeyState.SUSPENDED, version=2)
        with pytest.raises(Conflict) as caught:
            await tx.set_key_state(key(0), KeyState.ACTIVE)
        assert (caught.value.code, caught.value.retryable) == ("key_changed", True)
        return await tx.set_key_state(suspended, KeyState.EXPIRED)

    expired = await store.write(work)
    assert await store.key("key_a0") == KeyRecord(expired, list_sequence=4, family_sequence=4)


async def test_a_token_is_replaced_over_the_version_that_was_read(store: CredentialStore) -> None:
    await add(store, key(0), key(1))
    fresh = KeyToken("d.e.f", b"fresh", None, 400)

    async def work(tx: CredentialTransaction) -> DigitalKey:
        renewed = await tx.set_key_token(replace(key(0), issued_at=150, expires_at=450), fresh)
        assert renewed == replace(key(0), issued_at=150, expires_at=450, version=2)
        with pytest.raises(Conflict) as caught:
            await tx.set_key_token(key(0), TOKEN)
        assert (caught.value.code, caught.value.retryable) == ("key_changed", True)
        return renewed

    renewed = await store.write(work)
    assert await store.key("key_a0") == KeyRecord(renewed)
    assert await store.key_token("key_a0") == replace(fresh, grant=TOKEN.grant), "one grant serves every renewal"
    assert await store.key_token("key_a1") == TOKEN
    assert await store.unexpired_count("veh_a", 449) == 1


async def test_a_device_is_taken_by_the_first_app_that_has_it(store: CredentialStore) -> None:
    taken = replace(PHONE, app_id="app_a")

    async def work(tx: CredentialTransaction) -> None:
        assert await tx.add_device(PHONE) == PHONE
        assert await tx.add_device(replace(taken, label="Another", kind=DeviceKind.HOSTED)) == taken
        for app_id in (None, "app_b"):
            assert await tx.add_device(replace(PHONE, app_id=app_id)) == taken

    await store.write(work)
    assert await store.device("dev_a") == taken


async def test_a_key_knows_what_is_above_it(store: CredentialStore) -> None:
    chain = (key(0), key(1, parent="key_a0"), replace(key(2, parent="key_a1"), depth=2))
    await add(store, *chain)

    async def work(tx: CredentialTransaction) -> None:
        await tx.set_key_state(chain[0], KeyState.SUSPENDED, 7)
        await tx.set_key_state(chain[1], KeyState.EXPIRED, 5)

    await store.write(work)
    found = [(record.list_sequence, record.family_sequence, record.above) for record in await store.keys()]
    assert found == [
        (7, 7, ()),
        (5, 7, (KeyState.SUSPENDED,)),
        (0, 7, (KeyState.EXPIRED, KeyState.SUSPENDED)),
    ]


async def test_revoking_keys_up_to_a_list(store: CredentialStore) -> None:
    await add(store, key(0), key(1), key(2), key(3), key(0, OTHER))

    async def work(tx: CredentialTransaction) -> None:
        await tx.set_key_state(key(3), KeyState.REVOKING, 1)
        await tx.set_key_state(key(1), KeyState.REVOKING, 2)
        await tx.set_key_state(key(2), KeyState.REVOKING, 3)
        await tx.set_key_state(key(0), KeyState.REVOKED, 1)
        await tx.set_key_state(key(0, OTHER), KeyState.REVOKING, 1)
        assert [record.key.index for record in await tx.revoking_keys("veh_a", 2)] == [1, 3]

    await store.write(work)


async def test_lists_follow_one_another(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> None:
        await tx.add_list(ListRecord("veh_a", 1, 100, b"one"))
        await tx.add_list(ListRecord("veh_a", 2, 100, b"two"))
        for sequence in (1, 2, 4):
            with pytest.raises(Conflict) as caught:
                await tx.add_list(ListRecord("veh_a", sequence, 100, b"again"))
            assert caught.value.code == "list_exists"
        await tx.acknowledge_list("veh_a", 2, b"ack two")
        await tx.acknowledge_list("veh_a", 1, b"ack one")

    await store.write(work)
    record = await store.vehicle("veh_a")
    assert record is not None
    assert (record.list_sequence, record.acknowledged_sequence) == (2, 2)
    assert await store.revocation_list("veh_a", 2) == ListRecord("veh_a", 2, 100, b"two", b"ack two")
    assert [record.list_sequence for record in await store.vehicles()] == [2, 0]


async def test_a_list_that_was_forgotten_is_adopted(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> None:
        await tx.add_list(ListRecord("veh_a", 1, 100, b"one"))
        assert await tx.take_index("veh_a") == 0
        await tx.adopt_list(ListRecord("veh_a", 7, 150, b"seven"), 40)
        assert await tx.take_index("veh_a") == 41
        for sequence in (1, 7):
            with pytest.raises(Conflict) as caught:
                await tx.adopt_list(ListRecord("veh_a", sequence, 150, b"again"), 60)
            assert caught.value.code == "list_exists"
        await tx.add_list(ListRecord("veh_a", 8, 160, b"eight"))
        await tx.adopt_list(ListRecord("veh_a", 9, 170, b"nine"), 3)
        assert await tx.take_index("veh_a") == 42

    await store.write(work)
    assert await store.revocation_list("veh_a", 7) == ListRecord("veh_a", 7, 150, b"seven")
    assert [record.list_sequence for record in await store.vehicles()] == [9, 0]


async def test_a_watermark_never_goes_back(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> None:
        for at in (100, 300, 200):
            await tx.raise_issued_before("veh_a", at)

    await store.write(work)
    assert [record.issued_before for record in await store.vehicles()] == [300, 0]


async def test_receipts_page_and_run(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> None:
        for sequence in (1, 2, 3, 5, 6, 9):
            await tx.add_receipt(receipt(sequence, "key_a1" if sequence == 3 else "key_a0"))
        await tx.add_receipt(receipt(4, vehicle=OTHER))
        assert [await tx.receipt_run_end("veh_a", start) for start in (1, 3, 5, 9)] == [3, 3, 6, 9]
        await tx.set_receipts_through("veh_a", 3)
        with pytest.raises(Conflict) as caught:
            await tx.add_receipt(receipt(9))
        assert caught.value.code == "receipt_exists"

    await store.write(work)
    assert [found.sequence for found in await store.receipts("veh_a", 2, 3)] == [3, 5, 6]
    assert [found.sequence for found in await store.receipts("veh_a", 0, 9, "key_a1")] == [3]
    assert await store.receipt("veh_a", 5) == receipt(5)
    record = await store.vehicle("veh_a")
    assert record is not None
    assert record.receipts_through == 3
