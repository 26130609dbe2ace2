"""What every ``CredentialStore`` must do with status lists."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.credentials.ports import CredentialStore, CredentialTransaction
from keygw.credentials.status_ports import StatusPage, StatusPlace
from keygw.credentials.values import KeyToken
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import DigitalKey, Role
from keygw.model.entitlement import PROFILES
from keygw.model.vehicle import Vehicle

if TYPE_CHECKING:
    from tests.contracts.conftest import Open

CAR, OTHER = (Vehicle(f"veh_{n}", "Car", b"\x02" + bytes(31) + n.encode(), bytes(16)) for n in "ab")
PHONE = Device("dev_a", DeviceKind.PHONE, b"\x02" + bytes(32), "Phone")
BASE = "https://keys.example/v1/status-lists"
NEXT = "https://keys.example/elsewhere"


def key(index: int, vehicle: Vehicle = CAR, expires_at: int = 200) -> DigitalKey:
    return DigitalKey(
        id=f"key_{vehicle.id[-1]}{index}", vehicle_id=vehicle.id, device_id=PHONE.id, role=Role.OWNER,
        entitlements=PROFILES["owner"], index=index, not_before=100, expires_at=expires_at, issued_at=100,
    )  # fmt: skip


@pytest.fixture
async def store(opener: Open, tmp_path: Path) -> AsyncIterator[CredentialStore]:
    async with opener(tmp_path / "data") as opened:

        async def prepare(tx: CredentialTransaction) -> None:
            await tx.add_vehicle(CAR)
            await tx.add_vehicle(OTHER)
            await tx.add_device(PHONE)

        await opened.write(prepare)
        yield opened


async def place(store: CredentialStore, at: int, made: DigitalKey, base: str = BASE, most: int = 100) -> bool:
    """The key with its place, as issuing does it: the place first."""

    async def work(tx: CredentialTransaction) -> bool:
        page = await tx.take_status_page(base, most)
        free = await tx.take_status_place(page.number, at, made.id)
        if free:
            await tx.add_key(made, KeyToken("jwt", b"cwt"))
        return free

    return await store.write(work)


async def put(store: CredentialStore, **statuses: int) -> None:
    async def work(tx: CredentialTransaction) -> None:
        await tx.set_statuses(statuses)

    await store.write(work)


async def test_there_is_nothing_at_first(store: CredentialStore) -> None:
    assert await store.status_pages() == []
    assert await store.status_page(1) is None
    assert await store.status_changes(1, 0) == []
    assert await store.status_place("key_a0") is None
    assert await store.status_places(CAR.id, 0) == {}


async def test_a_key_gets_a_place_and_keeps_it(store: CredentialStore) -> None:
    assert await place(store, 70_000, key(0))
    assert await store.status_pages() == [StatusPage(1, BASE, 0, 1)]
    assert await store.status_place("key_a0") == (StatusPage(1, BASE, 0, 1), StatusPlace(1, 70_000, 0))
    assert (await store.status_pages())[0].uri == f"{BASE}/1"


async def test_a_place_is_given_once(store: CredentialStore) -> None:
    assert await place(store, 7, key(0))
    assert not await place(store, 7, key(1))
    assert await place(store, 8, key(1))
    assert await store.status_places(CAR.id, 0) == {"key_a0": StatusPlace(1, 7), "key_a1": StatusPlace(1, 8)}


async def test_a_page_that_is_full_enough_is_followed_by_a_new_one(store: CredentialStore) -> None:
    for index in range(5):
        assert await place(store, index, key(index), most=2)
    assert [(page.number, page.taken) for page in await store.status_pages()] == [(1, 2), (2, 2), (3, 1)]


async def test_places_are_counted_within_a_transaction_as_well(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> list[tuple[int, int]]:
        taken = [await tx.take_status_page(base, 2) for base in (BASE, BASE, NEXT, BASE, BASE, BASE, NEXT)]
        return [(page.number, page.taken) for page in taken]

    assert await store.write(work) == [(1, 1), (1, 2), (2, 1), (3, 1), (3, 2), (4, 1), (2, 2)]
    assert [(page.number, page.taken) for page in await store.status_pages()] == [(1, 2), (2, 2), (3, 2), (4, 1)]


async def test_each_base_has_its_own_newest_page(store: CredentialStore) -> None:
    """What was signed names the page by its old URL, so that page stays what it is."""
    for index, base in enumerate((BASE, NEXT, BASE, NEXT)):
        assert await place(store, index, key(index), base)
    assert await store.status_pages() == [StatusPage(1, BASE, 0, 2), StatusPage(2, NEXT, 0, 2)]


async def test_a_key_that_is_not_stored_has_taken_no_place(store: CredentialStore) -> None:
    async def work(tx: CredentialTransaction) -> None:
        page = await tx.take_status_page(BASE, 100)
        await tx.take_status_place(page.number, 7, "key_a0")
        raise RuntimeError("no key after all")

    with pytest.raises(RuntimeError, match="no key after all"):
        await store.write(work)
    assert await store.status_pages() == []
    assert await place(store, 7, key(0))


async def test_changes_are_told_in_order_and_once_each(store: CredentialStore) -> None:
    for index in range(4):
        assert await place(store, 10 + index, key(index))
    await put(store, key_a0=1, key_a1=2)
    await put(store, key_a2=2)
    await put(store, key_a1=0)
    assert (await store.status_page(1)) == StatusPage(1, BASE, 3, 4)
    assert await store.status_changes(1, 0) == [(10, 1, 1), (12, 2, 2), (11, 0, 3)]
    assert await store.status_changes(1, 1) == [(12, 2, 2), (11, 0, 3)]
    assert await store.status_changes(1, 3) == []
    found = await store.status_place("key_a2")
    assert found is not None
    assert found[1] == StatusPlace(1, 12, 2)


async def test_what_changes_nothing_is_no_new_version(store: CredentialStore) -> None:
    assert await place(store, 10, key(0))
    await put(store, key_a0=0, key_unknown=1)
    await put(store)
    assert (await store.status_page(1)) == StatusPage(1, BASE, 0, 1)


async def test_pages_count_their_versions_apart(store: CredentialStore) -> None:
    for index in range(3):
        assert await place(store, index, key(index), most=2)
    await put(store, key_a0=1, key_a2=1)
    await put(store, key_a1=1)
    assert [(page.number, page.version) for page in await store.status_pages()] == [(1, 2), (2, 1)]
    assert await store.status_changes(2, 0) == [(2, 1, 1)]


async def test_a_vehicle_has_the_places_of_its_unexpired_keys(store: CredentialStore) -> None:
    assert await place(store, 1, key(0, expires_at=150))
    assert await place(store, 2, key(1, expires_at=250))
    assert await place(store, 3, key(2, OTHER, expires_at=250))
    assert await store.status_places(CAR.id, 150) == {"key_a1": StatusPlace(1, 2)}
    assert (await store.status_places(CAR.id, 149)).keys() == {"key_a0", "key_a1"}
