"""What every ``CredentialStore`` must do with invitations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.credentials.invitation import Invitation, InvitationState
from keygw.credentials.ports import CredentialReads, CredentialStore, CredentialTransaction
from keygw.credentials.values import KeyToken
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import DigitalKey, Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import Conflict
from keygw.model.vehicle import Vehicle

if TYPE_CHECKING:
    from tests.contracts.conftest import Open

CAR = Vehicle("veh_a", "Car", b"\x02" + bytes(32), bytes(16))
OTHER = Vehicle("veh_b", "Other", b"\x03" + bytes(32), bytes(16))
PHONE = Device("dev_a", DeviceKind.PHONE, b"\x02" + bytes(32), "Phone")


def key(index: int, vehicle: Vehicle = CAR) -> DigitalKey:
    return DigitalKey(
        id=f"key_{vehicle.id[-1]}{index}",
        vehicle_id=vehicle.id,
        device_id=PHONE.id,
        role=Role.OWNER,
        entitlements=PROFILES["owner"],
        index=index,
        not_before=100,
        expires_at=200,
        issued_at=100,
    )


def invitation(number: int, parent: str = "key_a0", vehicle: str = "veh_a") -> Invitation:
    return Invitation(
        id=f"inv_{number}",
        vehicle_id=vehicle,
        parent_id=parent,
        app_id="app_a",
        entitlements=PROFILES["access"] | Entitlement(1 << 20),
        created_at=100,
        expires_at=190,
        secret_hash=bytes(31) + bytes((number,)),
        key_lifetime=60,
        label="Friend",
    )


async def prepare(store: CredentialStore) -> None:
    """Two vehicles and three keys."""

    async def work(tx: CredentialTransaction) -> None:
        for vehicle in (CAR, OTHER):
            await tx.add_vehicle(vehicle)
        await tx.add_device(PHONE)
        for each in (key(0), key(1), key(0, OTHER)):
            await tx.add_key(each, KeyToken("a.b.c", b"cwt"))

    await store.write(work)


@pytest.fixture
async def store(opener: Open, tmp_path: Path) -> AsyncIterator[CredentialStore]:
    async with opener(tmp_path) as store:
        await prepare(store)
        yield store


async def add(store: CredentialStore, *invitations: Invitation) -> None:
    async def work(tx: CredentialTransaction) -> None:
        for each in invitations:
            await tx.add_invitation(each)

    await store.write(work)


@pytest.mark.parametrize("inside", [False, True])
async def test_absent_ones_are_none_or_empty(store: CredentialStore, inside: bool) -> None:
    async def look(reads: CredentialReads) -> None:
        assert await reads.invitation("inv_1") is None
        assert not await reads.invitations("veh_a")
        assert not await reads.unsettled_invitations("key_a0")

    await (store.write(look) if inside else look(store))


async def test_every_field_is_read_as_it_was_written_after_a_restart(opener: Open, tmp_path: Path) -> None:
    full = replace(
        invitation(2),
        code_hash=bytes(range(32)),
        key_expires_at=180,
        key_lifetime=None,
        state=InvitationState.ACCEPTED,
        device_key=PHONE.public_key,
        key_id="key_a1",
        wrong_codes=4,
        other_claims=3,
    )
    async with opener(tmp_path) as store:
        await prepare(store)
        await add(store, invitation(1), full)
    async with opener(tmp_path) as store:
        assert await store.invitation("inv_1") == invitation(1)
        assert await store.invitation("inv_2") == full


async def test_an_id_is_taken_once(store: CredentialStore) -> None:
    await add(store, invitation(1))
    with pytest.raises(Conflict) as caught:
        await add(store, replace(invitation(1), label="Another"))
    assert caught.value.code == "invitation_exists"
    found = await store.invitation("inv_1")
    assert found is not None
    assert found.label == "Friend"


async def test_they_are_found_by_vehicle_and_by_parent_in_order(store: CredentialStore) -> None:
    await add(store, invitation(3), invitation(1, "key_a1"), invitation(2), invitation(4, "key_b0", "veh_b"))
    assert [each.id for each in await store.invitations("veh_a")] == ["inv_3", "inv_1", "inv_2"]
    assert [each.id for each in await store.invitations("veh_b")] == ["inv_4"]
    assert [each.id for each in await store.unsettled_invitations("key_a0")] == ["inv_3", "inv_2"]


@pytest.mark.parametrize("state", InvitationState)
async def test_only_what_may_still_become_a_key_is_unsettled(store: CredentialStore, state: InvitationState) -> None:
    await add(store, replace(invitation(1), state=state))
    unsettled = await store.unsettled_invitations("key_a0")
    assert bool(unsettled) == (not state.settled)


async def test_it_is_written_over_the_version_that_was_read(store: CredentialStore) -> None:
    await add(store, invitation(1))
    claimed = replace(invitation(1), state=InvitationState.CLAIMED, device_key=PHONE.public_key, wrong_codes=1)

    async def work(tx: CredentialTransaction) -> Invitation:
        saved = await tx.save_invitation(claimed)
        assert saved == replace(claimed, version=2)
        with pytest.raises(Conflict) as caught:
            await tx.save_invitation(replace(invitation(1), state=InvitationState.CANCELLED))
        assert (caught.value.code, caught.value.retryable) == ("invitation_changed", True)
        return await tx.save_invitation(replace(saved, state=InvitationState.ACCEPTED, key_id="key_a1", other_claims=2))

    done = await store.write(work)
    assert await store.invitation("inv_1") == done


async def test_what_was_promised_cannot_be_rewritten(store: CredentialStore) -> None:
    """Rights, times and hashes stay as they were made, whatever is saved."""
    await add(store, invitation(1))

    async def work(tx: CredentialTransaction) -> None:
        await tx.save_invitation(
            replace(
                invitation(1),
                parent_id="key_a1",
                entitlements=PROFILES["owner"],
                expires_at=10**9,
                secret_hash=bytes(32),
                key_lifetime=10**9,
                app_id="app_b",
            )
        )

    await store.write(work)
    assert await store.invitation("inv_1") == replace(invitation(1), version=2)


async def test_a_failed_transaction_leaves_nothing(store: CredentialStore) -> None:
    async def fail(tx: CredentialTransaction) -> None:
        await tx.add_invitation(invitation(1))
        assert await tx.invitation("inv_1") is not None
        raise Conflict

    with pytest.raises(Conflict):
        await store.write(fail)
    assert await store.invitation("inv_1") is None
