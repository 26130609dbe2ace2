"""What every ``CredentialStore`` must do with the audit trail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.credentials.audit_ports import AuditFilter, SealedCheckpoint
from keygw.credentials.ports import CredentialStore, CredentialTransaction
from keygw.model.audit import AuditEntry
from keygw.model.errors import Conflict
from keygw.model.vehicle import Vehicle
from keygw.token.audit import GENESIS, encode_data, encode_entry, link

if TYPE_CHECKING:
    from tests.contracts.conftest import Open

EVERYTHING = AuditFilter()


def entry(number: int, vehicle: str | None = "veh_a") -> AuditEntry:
    return AuditEntry(
        at=1000 + number,
        actor=f"app:app_{number % 2}",
        action="key.issued" if number % 3 else "key.revoking",
        tenant_id="ten_a",
        vehicle_id=vehicle,
        key_id=f"key_{number}",
        outcome="done",
        data={"n": number, "none": None, "yes": True, "word": "é"},
    )


@pytest.fixture
async def store(opener: Open, tmp_path: Path) -> AsyncIterator[CredentialStore]:
    async with opener(tmp_path) as store:
        yield store


async def record(store: CredentialStore, *entries: AuditEntry) -> None:
    async def work(tx: CredentialTransaction) -> None:
        for each in entries:
            tx.record(each)

    await store.write(work)


async def test_entries_come_back_as_they_were_in_one_chain(store: CredentialStore) -> None:
    assert await store.audit_head() == (0, GENESIS)
    entries = [entry(number) for number in range(100)]
    await record(store, *entries[:30])
    await asyncio.gather(*(record(store, each) for each in entries[30:]))
    found = await store.audit_entries(0, 1000, EVERYTHING)
    assert [each.entry for each in found] == entries
    head = GENESIS
    for number, each in enumerate(found, 1):
        head = link(head, number, encode_entry(each.entry, encode_data(each.entry.data)))
        assert (each.sequence, each.hash) == (number, head)
    assert await store.audit_head() == (100, head)


async def test_rows_give_the_bytes_that_were_hashed(store: CredentialStore) -> None:
    await record(store, entry(1), AuditEntry(5, "system", "list.signed"))
    rows = await store.audit_rows(0, 10)
    assert [row.encoded for row in rows] == [
        encode_entry(each, encode_data(each.data)) for each in (entry(1), AuditEntry(5, "system", "list.signed"))
    ]
    assert rows[0].hash == link(GENESIS, 1, rows[0].encoded)
    assert [row.sequence for row in await store.audit_rows(1, 10)] == [2]
    assert [row.sequence for row in await store.audit_rows(0, 1)] == [1]


async def test_nothing_is_recorded_of_a_transaction_that_fails(store: CredentialStore) -> None:
    async def fails(tx: CredentialTransaction) -> None:
        tx.record(entry(1))
        raise Conflict("no")

    async def writes_and_fails(tx: CredentialTransaction) -> None:
        tx.record(entry(2))
        await tx.add_vehicle(Vehicle("veh_a", "Car", b"\x02" + bytes(32), bytes(16)))
        raise Conflict("no")

    outcomes = await asyncio.gather(
        store.write(fails), store.write(writes_and_fails), record(store, entry(3)), return_exceptions=True
    )
    assert [type(each) for each in outcomes] == [Conflict, Conflict, type(None)]
    assert [each.entry for each in await store.audit_entries(0, 10, EVERYTHING)] == [entry(3)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (AuditFilter(actor="app:app_1"), [1, 3, 5]),
        (AuditFilter(action="key.revoking"), [3, 6]),
        (AuditFilter(tenant_id="ten_b"), []),
        (AuditFilter(vehicle_id="veh_b"), [6]),
        (AuditFilter(key_id="key_2", vehicle_id="veh_a"), [2]),
        (AuditFilter(device_id="dev_a"), []),
        (AuditFilter(since=1002, until=1005), [2, 3, 4]),
        (AuditFilter(actor="app:app_1", action="key.issued"), [1, 5]),
    ],
)
async def test_filters(store: CredentialStore, wanted: AuditFilter, expected: list[int]) -> None:
    await record(store, *(entry(number) for number in range(1, 6)), entry(6, "veh_b"))
    assert [each.sequence for each in await store.audit_entries(0, 10, wanted)] == expected
    assert [each.sequence for each in await store.audit_newest(2**62, 10, wanted)] == expected[::-1]
    assert [each.sequence for each in await store.audit_newest(2**62, 1, wanted)] == expected[::-1][:1]
    assert [each.sequence for each in await store.audit_newest(4, 10, wanted)] == [n for n in expected[::-1] if n < 4]


@pytest.mark.parametrize("wrong", [entry(1), AuditEntry(1, "system", "key.issued", data={"long": "x" * 1100})])
async def test_an_unknown_action_and_too_large_data_are_refused(store: CredentialStore, wrong: AuditEntry) -> None:
    if not wrong.data.get("long"):
        wrong = AuditEntry(1, "system", "key.melted")
    with pytest.raises(ValueError, match=r"no action|at most"):
        await record(store, wrong)
    assert await store.audit_head() == (0, GENESIS)


async def test_checkpoints_follow_on_one_another(store: CredentialStore) -> None:
    async def seal(first: int, sequence: int) -> None:
        checkpoint = SealedCheckpoint(first, sequence, 5, b"\x01" * 8, b"signed %d" % sequence)
        await store.write(lambda tx: tx.add_audit_checkpoint(checkpoint))

    assert await store.last_audit_checkpoint() is None
    await seal(1, 3)
    for first in (1, 3, 5):
        with pytest.raises(Conflict) as refused:
            await seal(first, 9)
        assert refused.value.code == "checkpoint_exists"
    await seal(4, 9)
    found = await store.audit_checkpoints(0, 10)
    assert [(each.first, each.sequence, each.signed) for each in found] == [(1, 3, b"signed 3"), (4, 9, b"signed 9")]
    assert await store.last_audit_checkpoint() == found[-1]
    assert await store.audit_checkpoints(3, 10) == found[1:]
