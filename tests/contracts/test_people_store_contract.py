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
from keygw.credentials.ports import CredentialTransaction
from keygw.credentials.values import KeyToken
from keygw.model.audit import AuditEntry
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.entitlement import PROFILES
from keygw.model.errors import Conflict
from keygw.model.person import Person, PersonState
from keygw.model.tenant import Tenant
from keygw.model.vehicle import Vehicle
from keygw.store.store import Store

if TYPE_CHECKING:
    from tests.contracts.conftest import OpenStore

BLUE = Tenant("ten_blue", "Blue Motors", 50)
ADA = Operator("opr_ada", None, "Ada", OperatorRole.ADMIN, 100, 1000, b"a" * 32)
BOB = Operator("opr_bob", "ten_blue", "Bob", OperatorRole.SUPPORT, 101, 1000, b"b" * 32)
BOOTSTRAP = b"0" * 32


def note(action: str = "operator.added") -> Note:
    return Note(AuditEntry(5, "operator:operator", action, "ten_blue"), "app opr_x")


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


async def test_a_new_token_ends_the_old_one(store: Store) -> None:
    await store.bridge.add_operator(ADA, note())
    assert await store.bridge.replace_operator_token("opr_ada", b"n" * 32, 2000, note("operator.token_replaced"))
    assert await store.bridge.operator_by_token(b"a" * 32) is None
    assert await store.bridge.operator("opr_ada") == replace(ADA, token_hash=b"n" * 32, expires_at=2000)
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
    for _ in range(2):
        await store.bridge.revoke_app("app_blue", note("app.removed"))
    assert await noted(store) == ["app.registered", "app.removed"]


async def test_an_entry_of_the_trail_is_of_the_tenant_of_what_it_is_about(store: Store) -> None:
    await store.bridge.add_tenant(BLUE, note("tenant.added"))
    await store.bridge.add_operator(BOB, note())
    await store.bridge.add_app(App("app_blue", "", frozenset(), 1.0, b"s" * 32, tenant_id="ten_blue"))
    car = Vehicle("veh_a", "Car", b"\x02" * 33, bytes(16), "ten_blue")
    hosted = Device("dev_a", DeviceKind.HOSTED, b"\x02" * 33, app_id="app_blue")
    of_bob = Device("dev_b", DeviceKind.HOSTED, b"\x03" * 33, app_id="opr_bob")

    async def work(tx: CredentialTransaction) -> None:
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


EVE = Person("per_eve", "default", "Eve", 50)
DAN = Person("per_dan", "ten_blue", "Dan", 51)
PHONE = App("app_phone", "Phone", frozenset(), 1.0, b"p" * 32)
CAR = Vehicle("veh_a", "Car", b"\x02" * 33, bytes(16))
HOSTED = Device("dev_a", DeviceKind.HOSTED, b"\x02" * 33, app_id="app_phone")


def key(index: int, role: Role = Role.OWNER) -> DigitalKey:
    parent = None if role is Role.OWNER else "key_0"
    return DigitalKey(
        id=f"key_{index}", vehicle_id="veh_a", device_id="dev_a", role=role, entitlements=PROFILES["owner"],
        index=index, not_before=0, expires_at=1000, issued_at=index, state=KeyState.ACTIVE, parent_id=parent, depth=0,
        max_depth=2, epoch=0, label="", profile="owner",
    )  # fmt: skip


async def add_keys(store: Store, *keys: DigitalKey) -> None:
    async def work(tx: CredentialTransaction) -> None:
        if await tx.vehicle("veh_a") is None:
            await tx.add_vehicle(CAR)
            await tx.add_device(HOSTED)
        for each in keys:
            await tx.add_key(each, KeyToken("", b"", expires_at=1000))

    await store.credentials.write(work)


async def test_people_of_a_tenant(store: Store) -> None:
    await store.bridge.add_tenant(BLUE, note("tenant.added"))
    await store.bridge.add_person(EVE, note("person.added"))
    await store.bridge.add_person(DAN, note("person.added"))
    assert await store.bridge.person("per_eve") == EVE
    assert await store.bridge.person("per_nobody") is None
    assert await store.bridge.people() == [EVE, DAN]
    assert await store.bridge.people("ten_blue") == [DAN]
    with pytest.raises(Conflict):
        await store.bridge.add_person(replace(EVE, name="x"), note("person.added"))
    assert await noted(store) == ["tenant.added", "person.added", "person.added"]


async def test_an_app_brings_its_owner_keys_and_leaves_them(store: Store) -> None:
    bridge = store.bridge
    await bridge.add_app(PHONE)
    await add_keys(store, key(0), key(1, Role.FRIEND))
    await bridge.add_person(EVE, note("person.added"), "app_phone")
    assert await bridge.app("app_phone") == replace(PHONE, person_id="per_eve")
    assert await bridge.keys_of_person("per_eve") == ["key_0"]
    assert not await bridge.bind_app("app_phone", "per_eve", note("person.app_bound"))
    await bridge.add_person(replace(EVE, id="per_eva"), note("person.added"))
    with pytest.raises(Conflict) as refused:
        await bridge.bind_app("app_phone", "per_eva", note("person.app_bound"))
    assert refused.value.code == "app_bound"

    async def work(tx: CredentialTransaction) -> None:
        assert await tx.person_of("app_phone") == "per_eve"
        assert await tx.person_of("app_nobody") is None
        await tx.bind_owner_key("key_2", "app_phone")
        await tx.bind_owner_key("key_1", "app_nobody")
        await tx.reserve("veh_a", "per_eve")

    await add_keys(store, key(2))
    await store.credentials.write(work)
    assert await bridge.keys_of_person("per_eve") == ["key_0", "key_2"]
    assert await bridge.reserved_for_person("per_eve") == ["veh_a"]
    assert await bridge.apps_of_person("per_eve") == ["app_phone"]
    assert await bridge.unbind_app("app_phone", "per_eve", note("person.app_unbound"))
    assert not await bridge.unbind_app("app_phone", "per_eve", note("person.app_unbound"))
    assert await bridge.keys_of_person("per_eve") == ["key_0", "key_2"]
    assert await bridge.apps_of_person("per_eve") == []
    assert await noted(store) == ["person.added", "person.added", "person.app_unbound"]


async def test_an_account_closes_once_its_keys_are_dead(store: Store) -> None:
    bridge = store.bridge
    await bridge.add_app(PHONE)
    await bridge.add_person(EVE, note("person.added"), "app_phone")
    await add_keys(store, key(0))
    await store.credentials.write(lambda tx: tx.bind_owner_key("key_0", "app_phone"))
    await store.credentials.write(lambda tx: tx.reserve("veh_a", "per_eve"))
    with pytest.raises(Conflict) as refused:
        await bridge.close_person("per_eve", 999, note("person.closed"))
    assert refused.value.code == "person_has_keys"
    assert await bridge.person("per_eve") == EVE
    assert await bridge.close_person("per_eve", 1000, note("person.closed"))
    assert not await bridge.close_person("per_eve", 1000, note("person.closed"))
    assert await bridge.person("per_eve") == replace(EVE, state=PersonState.CLOSED)
    assert await bridge.app("app_phone") == PHONE
    assert await bridge.reserved_for_person("per_eve") == []
    with pytest.raises(Conflict) as refused:
        await bridge.bind_app("app_phone", "per_eve", note("person.app_bound"))
    assert refused.value.code == "person_closed"
    assert await noted(store) == ["person.added", "person.closed"]


async def test_what_is_a_persons_is_found_and_erased(store: Store) -> None:
    bridge = store.bridge
    await bridge.add_app(replace(PHONE, name="Eve's phone"))
    await bridge.add_app(App("app_other", "Other", frozenset(), 2.0, b"o" * 32))
    await bridge.add_person(EVE, note("person.added"), "app_phone")
    await add_keys(store, key(0), replace(key(1, Role.FRIEND), label="for Dan"))
    await store.credentials.write(lambda tx: tx.bind_owner_key("key_0", "app_phone"))
    await bridge.claim_vehicle("veh_a", "app_phone")
    kept = await bridge.kept_of("per_eve", 1)
    assert [each["name"] for each in kept["apps"].rows] == ["Eve's phone"]
    assert ([each["id"] for each in kept["keys"].rows], kept["keys"].more) == (["key_0"], True)
    assert [each["name"] for each in kept["vehicles"].rows] == ["Car"]
    assert all(not part.rows for part in (await bridge.kept_of("per_nobody", 9)).values())
    assert await bridge.live_keys_of("per_eve", 999) == ["key_0", "key_1"]
    assert await bridge.live_keys_of("per_eve", 1000) == []
    with pytest.raises(Conflict) as refused:
        await bridge.erase_person("per_eve", 999, note("person.erased"))
    assert (refused.value.code, refused.value.retryable) == ("person_has_keys", True)
    assert await bridge.person("per_eve") == EVE
    assert await bridge.erase_person("per_nobody", 1000, note("person.erased")) is None
    assert await bridge.erase_person("per_eve", 1000, note("person.erased")) == [b"p" * 32]
    assert await bridge.erase_person("per_eve", 1000, note("person.erased")) is None
    assert await bridge.person("per_eve") == replace(EVE, name="erased", state=PersonState.ERASED)
    assert await bridge.app("app_phone") == replace(PHONE, name="erased", revoked=True, person_id="per_eve")
    assert (await bridge.app("app_other")) == App("app_other", "Other", frozenset(), 2.0, b"o" * 32)
    labels = await store.database.fetch("SELECT label FROM digital_keys UNION SELECT name FROM vehicles")
    assert sorted(row[0] for row in labels) == ["", "Vehicle"]
    assert await noted(store) == ["person.added", "person.erased"]


@pytest.mark.parametrize("left", ["unbound", "closed"])
async def test_an_app_that_acts_for_nobody_since_is_still_of_who_it_acted_for(store: Store, left: str) -> None:
    bridge = store.bridge
    await bridge.add_app(PHONE)
    await bridge.add_person(EVE, note("person.added"), "app_phone")
    await bridge.add_person(replace(EVE, id="per_eva"), note("person.added"))
    if left == "unbound":
        await bridge.unbind_app("app_phone", "per_eve", note("person.app_unbound"))
    else:
        await bridge.close_person("per_eve", 1000, note("person.closed"))
    assert [each["id"] for each in (await bridge.kept_of("per_eve", 9))["apps"].rows] == ["app_phone"]
    await bridge.bind_app("app_phone", "per_eva", note("person.app_bound"))
    assert (await bridge.kept_of("per_eve", 9))["apps"].rows == []
    assert await bridge.erase_person("per_eve", 1000, note("person.erased")) == []
    assert await bridge.app("app_phone") == replace(PHONE, person_id="per_eva")


async def test_a_tenant_has_limits_of_its_own(store: Store) -> None:
    assert await store.bridge.tenant_limits() == {}
    await store.bridge.add_tenant(BLUE, note("tenant.added"))
    await store.bridge.set_tenant_limits("ten_blue", {"share_depth": 1, "keys_per_owner": 5}, note("limits.changed"))
    await store.bridge.set_tenant_limits("default", {"share_depth": 0}, note("limits.changed"))
    await store.bridge.set_tenant_limits("ten_blue", {"share_depth": None, "keys_per_owner": 6}, note("limits.changed"))
    assert await store.bridge.tenant_limits() == {"ten_blue": {"keys_per_owner": 6}, "default": {"share_depth": 0}}
    assert await noted(store) == ["tenant.added"] + ["limits.changed"] * 3
