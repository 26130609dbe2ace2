"""What every ``CredentialStore`` must do with devices, their challenges, and what the limits count."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.credentials.device_ports import Holder
from keygw.credentials.life_ports import Loss
from keygw.credentials.ports import CredentialStore, CredentialTransaction
from keygw.credentials.values import KeyToken
from keygw.model.device import AttestationLevel, Device, DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.entitlement import PROFILES
from keygw.model.vehicle import Vehicle

if TYPE_CHECKING:
    from tests.contracts.conftest import Open

CARS = [Vehicle(f"veh_{name}", "Car", b"\x02" + bytes(32), bytes(16)) for name in "ab"]
PHONE = Device("dev_b", DeviceKind.PHONE, b"\x03" + bytes(32))
HOSTED = Device("dev_a", DeviceKind.HOSTED, b"\x02" + bytes(32), "Mine", "app_a")
FULL = replace(
    PHONE,
    label="Ada's phone",
    app_id="app_a",
    attestation=AttestationLevel.BASIC,
    attestation_format="packed",
    model="00" * 16,
    attested_at=150,
    registered_at=140,
)


def key(name: str, index: int, device: Device, parent: str | None = None, vehicle: str = "veh_a") -> DigitalKey:
    return DigitalKey(
        id=name,
        vehicle_id=vehicle,
        device_id=device.id,
        role=Role.FRIEND if parent else Role.OWNER,
        entitlements=PROFILES["owner"],
        index=index,
        not_before=100,
        expires_at=200,
        issued_at=100,
        parent_id=parent,
        profile="driver" if parent else "owner",
    )


@pytest.fixture
async def store(opener: Open, tmp_path: Path) -> AsyncIterator[CredentialStore]:
    async with opener(tmp_path) as store:

        async def work(tx: CredentialTransaction) -> None:
            for car in CARS:
                await tx.add_vehicle(car)
            for device in (HOSTED, PHONE):
                await tx.add_device(device)

        await store.write(work)
        yield store


async def add(store: CredentialStore, *keys: DigitalKey) -> None:
    async def work(tx: CredentialTransaction) -> None:
        for each in keys:
            await tx.add_key(each, KeyToken("a.b.c", b"cwt"))

    await store.write(work)


async def save(store: CredentialStore, device: Device) -> Device:
    return await store.write(lambda tx: tx.save_device(device))


async def test_every_field_is_read_as_it_was_written_after_a_restart(opener: Open, tmp_path: Path) -> None:
    async with opener(tmp_path) as store:
        assert await save(store, FULL) == FULL
    async with opener(tmp_path) as store:
        assert await store.device(FULL.id) == FULL
        assert await store.devices() == [FULL]


async def test_a_device_that_is_saved_again_is_replaced_and_keeps_its_key(store: CredentialStore) -> None:
    assert await save(store, FULL) == FULL
    other = replace(FULL, label="Other", attestation=AttestationLevel.SELF, public_key=b"\x02" + bytes(32))
    assert await save(store, other) == replace(other, public_key=FULL.public_key)


async def test_adding_one_that_is_there_takes_nothing_from_it(store: CredentialStore) -> None:
    await save(store, FULL)
    assert await store.write(lambda tx: tx.add_device(replace(PHONE, app_id="app_b"))) == FULL


async def test_devices_are_listed_by_app_and_by_id(store: CredentialStore) -> None:
    assert await store.devices() == [HOSTED]
    await add(store, key("key_1", 1, PHONE))
    assert await store.devices() == [HOSTED, PHONE]
    assert await store.devices("app_a") == [HOSTED]
    await save(store, FULL)
    assert await store.devices("app_a") == [HOSTED, FULL]
    assert await store.devices("app_b") == []


async def test_only_registered_devices_count(store: CredentialStore) -> None:
    assert await store.registered_count("app_a") == 0
    await save(store, FULL)
    assert await store.registered_count("app_a") == 1
    assert await store.registered_count("app_b") == 0


async def test_a_forgotten_device_is_as_one_that_was_never_registered(store: CredentialStore) -> None:
    await save(store, FULL)
    await add(store, key("key_1", 1, PHONE))
    await store.write(lambda tx: tx.forget_device(PHONE.id))
    assert await store.device(PHONE.id) == PHONE
    assert len(await store.keys(device_id=PHONE.id)) == 1


async def test_the_profile_of_a_key_is_kept(store: CredentialStore) -> None:
    await add(store, key("key_1", 1, HOSTED), key("key_2", 2, PHONE, "key_1"))
    assert [record.key.profile for record in await store.keys("veh_a")] == ["owner", "driver"]


async def test_keys_are_counted_by_device_over_all_vehicles(store: CredentialStore) -> None:
    ended = replace(key("key_4", 4, PHONE), state=KeyState.REVOKING)
    await add(store, key("key_1", 1, PHONE), key("key_2", 2, HOSTED), key("key_3", 1, PHONE, vehicle="veh_b"), ended)
    assert await store.holder(PHONE.id, 199, 9) == Holder(PHONE, False, 2)
    assert await store.holder(PHONE.id, 199, 1) == Holder(PHONE, False, 1)
    assert await store.holder(PHONE.id, 200, 9) == Holder(PHONE, False, 0)
    assert await store.holder("dev_c", 0, 9) == Holder()


async def test_who_is_to_hold_a_key_is_known_with_what_was_said_of_it(store: CredentialStore) -> None:
    await save(store, FULL)
    for lost in (True, False):
        loss = Loss(1, lost, 100)
        await store.write(lambda tx, loss=loss: tx.set_loss(PHONE.id, loss))  # type: ignore[misc]  # bound now
        assert await store.holder(PHONE.id, 0, 9) == Holder(FULL, lost, 0)


async def test_keys_are_counted_by_the_owner_key_they_stand_on(store: CredentialStore) -> None:
    await add(
        store,
        key("key_1", 1, HOSTED),
        key("key_2", 2, HOSTED),
        key("key_3", 3, PHONE, "key_1"),
        key("key_4", 4, PHONE, "key_3"),
        replace(key("key_5", 5, PHONE, "key_3"), state=KeyState.REVOKED),
        replace(key("key_6", 6, PHONE, "key_1"), state=KeyState.SUSPENDED),
        replace(key("key_7", 7, PHONE, "key_1"), expires_at=150),
        key("key_8", 8, PHONE, "key_2"),
    )
    assert await store.unexpired_of_owner("key_1", 150, 9) == 3
    assert await store.unexpired_of_owner("key_1", 149, 9) == 4
    assert await store.unexpired_of_owner("key_2", 150, 9) == 1
    assert await store.unexpired_of_owner("key_3", 150, 9) == 1
    assert await store.unexpired_of_owner("key_9", 0, 9) == 0
    assert await store.unexpired_of_owner("key_1", 149, 2) == 2


async def challenge(store: CredentialStore, number: int, until: int, now: int = 100, app: str = "app_a") -> None:
    await store.write(lambda tx: tx.add_challenge(bytes((number,)) * 32, app, until, now, 3))


async def take(store: CredentialStore, number: int, now: int = 100, app: str = "app_a") -> bool:
    return await store.write(lambda tx: tx.take_challenge(bytes((number,)) * 32, app, now))


async def test_a_challenge_is_taken_once_by_its_own_app_and_in_its_time(store: CredentialStore) -> None:
    await challenge(store, 1, 110)
    assert not await take(store, 1, app="app_b")
    assert not await take(store, 2)
    assert not await take(store, 1, now=110)
    assert await take(store, 1, now=109)
    assert not await take(store, 1, now=109)


async def test_the_newest_challenges_of_an_app_are_kept_and_those_of_others_stay(store: CredentialStore) -> None:
    await challenge(store, 9, 500, app="app_b")
    for number in range(1, 6):
        await challenge(store, number, 110 + number)
    assert [await take(store, number) for number in range(1, 6)] == [False, False, True, True, True]
    assert await take(store, 9, app="app_b")


async def test_what_is_over_goes_with_the_next_one(store: CredentialStore) -> None:
    await challenge(store, 1, 110, app="app_b")
    await challenge(store, 2, 300, now=110)
    assert not await take(store, 1, now=0, app="app_b")
    assert await take(store, 2, now=0)


async def test_a_work_that_fails_leaves_the_challenge(store: CredentialStore) -> None:
    await challenge(store, 1, 110)

    async def work(tx: CredentialTransaction) -> None:
        assert await tx.take_challenge(bytes((1,)) * 32, "app_a", 100)
        await tx.save_device(FULL)
        raise ValueError("broken on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        await store.write(work)
    assert await store.device(PHONE.id) == PHONE
    assert await take(store, 1)
