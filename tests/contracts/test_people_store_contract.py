"""What every ``BridgeStore`` must do with tenants, operators and the apps of a tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.bridge.people_ports import Note
from keygw.bridge.records import App, Operator
from keygw.bridge.roles import OperatorRole
from keygw.credentials.audit_ports import AuditFilter
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.model.audit import AuditEntry
from keygw.model.device import Device, DeviceKind
from keygw.model.errors import Conflict
from keygw.model.tenant import Tenant
from keygw.model.vehicle import Vehicle
from keygw.store.store import Store

if TYPE_CHECKING:
    from tests.contracts.conftest import OpenStore

BLUE = Tenant("ten_blue", "Blue Motors", 50)
ADA = Operator("opr_ada", None, "Ada", OperatorRole.ADMIN, 100, 1000, b"a" * 32)
BOB = Operator("opr_bob", "ten_blue", "Bob", OperatorRole.SUPPORT, 101, 1000, b"b" * 32)
BOOTSTRAP = b"0" * 32


def note(action: str = "operator.added", told: list[Told] | None = None) -> Note:
    entry = AuditEntry(5, "operator:operator", action, "ten_blue")
    if told is None:
        return Note(entry)
    return Note(entry, OutboxEvent("access.ended", None, {"id": "x"}, 5), told.append)


@pytest.fixture
async def store(opened: OpenStore, tmp_path: Path) -> AsyncIterator[Store]:
    async with await opened(tmp_path) as store:
        yield store


async def noted(store: Store) -> list[str]:
    entries = await store.credentials.audit_entries(0, 100, AuditFilter(tenant_id="ten_blue"))
    return [each.entry.action for each in entries]


async def test_the_default_tenant_is_there_from_the_beginning(store: Store) -> None:
    assert [each.id for each in await store.bridge.tenants()] == ["default"]
    assert await store.bridge.tenant("ten_blue") is None
    await store.bridge.add_tenant(BLUE, note("tenant.added"))
    assert await store.bridge.tenant("ten_blue") == BLUE
    assert [each.id for each in await store.bridge.tenants()] == ["default", "ten_blue"]
    with pytest.raises(Conflict):
        await store.bridge.add_tenant(replace(BLUE, name="Red"), note("tenant.added"))
    assert await noted(store) == ["tenant.added"]


async def test_operators_are_found_by_id_token_and_tenant(store: Store) -> None:
    await store.bridge.add_tenant(BLUE, note("tenant.added"))
    for each in (ADA, BOB):
        await store.bridge.add_operator(each, note())
    assert await store.bridge.operator("opr_ada") == await store.bridge.operator_by_token(b"a" * 32) == ADA
    assert await store.bridge.operator_by_token(b"c" * 32) is None
    assert await store.bridge.operators() == [ADA, BOB]
    assert await store.bridge.operators("ten_blue") == [BOB]
    for twin in (replace(ADA, token_hash=b"c" * 32), replace(ADA, id="opr_eve")):
        with pytest.raises(Conflict):
            await store.bridge.add_operator(twin, note())
    assert await noted(store) == ["tenant.added", "operator.added", "operator.added"]


async def test_a_new_token_ends_the_old_one_and_is_told(store: Store) -> None:
    await store.bridge.add_operator(ADA, note())
    told: list[Told] = []
    assert await store.bridge.replace_operator_token("opr_ada", b"n" * 32, 2000, note("operator.token_replaced", told))
    assert await store.bridge.operator_by_token(b"a" * 32) is None
    assert await store.bridge.operator("opr_ada") == replace(ADA, token_hash=b"n" * 32, expires_at=2000)
    assert [each.event.type for each in told] == ["access.ended"]
    assert not await store.bridge.replace_operator_token("opr_eve", b"e" * 32, 2000, note("operator.token_replaced"))
    assert await noted(store) == ["operator.added", "operator.token_replaced"]


async def test_the_last_door_stays_open(store: Store) -> None:
    bridge = store.bridge
    with pytest.raises(Conflict) as refused:
        await bridge.end_bootstrap(BOOTSTRAP, 500, note("operator.bootstrap_ended"))
    assert refused.value.code == "last_admin"
    await bridge.add_operator(ADA, note())
    with pytest.raises(Conflict):  # she will have expired by then
        await bridge.end_bootstrap(BOOTSTRAP, 1000, note("operator.bootstrap_ended"))
    assert not await bridge.bootstrap_ended(BOOTSTRAP)
    assert await bridge.end_bootstrap(BOOTSTRAP, 500, note("operator.bootstrap_ended"))
    assert not await bridge.end_bootstrap(BOOTSTRAP, 500, note("operator.bootstrap_ended"))
    assert await bridge.bootstrap_ended(BOOTSTRAP)
    with pytest.raises(Conflict) as refused:
        await bridge.revoke_operator("opr_ada", BOOTSTRAP, 500, note("operator.revoked"))
    assert refused.value.code == "last_admin"
    assert await bridge.operator("opr_ada") == ADA
    await bridge.add_operator(replace(ADA, id="opr_eve", token_hash=b"e" * 32), note())
    assert await bridge.revoke_operator("opr_ada", BOOTSTRAP, 500, note("operator.revoked"))
    assert not await bridge.revoke_operator("opr_ada", BOOTSTRAP, 500, note("operator.revoked"))
    assert await bridge.operator("opr_ada") == replace(ADA, revoked=True)
    assert not await bridge.replace_operator_token("opr_ada", b"n" * 32, 9, note("operator.token_replaced"))
    actions = ["operator.added", "operator.bootstrap_ended", "operator.added", "operator.revoked"]
    assert await noted(store) == actions


async def test_apps_of_a_tenant(store: Store) -> None:
    red = App("app_red", "Red", frozenset(), 1.0, b"r" * 32)
    blue = App("app_blue", "Blue", frozenset(), 2.0, b"s" * 32, tenant_id="ten_blue")
    await store.bridge.add_app(blue, note("app.registered"))
    await store.bridge.add_app(red)
    assert await store.bridge.apps() == [red, blue]
    assert await store.bridge.apps("ten_blue") == [blue]
    told: list[Told] = []
    for _ in range(2):
        await store.bridge.revoke_app("app_blue", note("app.removed", told))
    assert await noted(store) == ["app.registered", "app.removed"]
    assert len(told) == 1


async def test_an_entry_of_the_trail_is_of_the_tenant_of_what_it_is_about(store: Store) -> None:
    await store.bridge.add_tenant(BLUE, note("tenant.added"))
    await store.bridge.add_operator(BOB, note())
    await store.bridge.add_app(App("app_blue", "", frozenset(), 1.0, b"s" * 32, tenant_id="ten_blue"))
    car = Vehicle("veh_a", "Car", b"\x02" * 33, bytes(16), "ten_blue")
    hosted = Device("dev_a", DeviceKind.HOSTED, b"\x02" * 33, app_id="app_blue")
    of_bob = Device("dev_b", DeviceKind.HOSTED, b"\x03" * 33, app_id="opr_bob")

    async def work(tx: object) -> None:
        assert hasattr(tx, "add_vehicle")
        assert hasattr(tx, "add_device")
        assert hasattr(tx, "record")
        await tx.add_vehicle(car)
        for device in (hosted, of_bob):
            await tx.add_device(device)
        for entry in entries:
            tx.record(entry)

    entries = [
        AuditEntry(1, "system", "key.met", vehicle_id="veh_a"),
        AuditEntry(2, "operator:operator", "device.lost", device_id="dev_a"),
        AuditEntry(3, "operator:operator", "device.lost", device_id="dev_b"),
        AuditEntry(4, "app:app_blue", "device.registered"),
        AuditEntry(5, "operator:opr_bob", "device.registered"),
        AuditEntry(6, "system", "issuer_key.retired"),
        AuditEntry(7, "operator:operator", "issuer_key.prepared"),
        AuditEntry(8, "system", "key.met", vehicle_id="veh_nobody"),
        AuditEntry(9, "system", "key.met", tenant_id="default", vehicle_id="veh_a"),
    ]
    await store.credentials.write(work)
    found = await store.credentials.audit_entries(0, 100, AuditFilter())
    tenants = [each.entry.tenant_id for each in found if each.entry.at < 100][-9:]
    assert tenants == ["ten_blue"] * 5 + [None] * 3 + ["default"]
