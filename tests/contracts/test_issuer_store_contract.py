"""What every store must do with issuer keys, their statements, and what they have signed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.credentials.issuer_keys import IssuerKeyRecord, IssuerKeyState
from keygw.credentials.issuer_ports import StatementRecord
from keygw.credentials.ports import CredentialStore, CredentialTransaction, ListRecord
from keygw.credentials.values import KeyToken
from keygw.crypto.signer import LocalSigner
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.entitlement import PROFILES
from keygw.model.errors import Conflict
from keygw.model.revocation import RevocationList
from keygw.model.vehicle import Vehicle
from keygw.token.envelope import KEY_TOKEN
from keygw.token.revocation import sign_list

if TYPE_CHECKING:
    from tests.contracts.conftest import Open

SIGNER = LocalSigner.from_secret(7)
OLD, NEW = b"old kid.", b"new kid."
CARS = [Vehicle(f"veh_{letter * 16}", letter, b"\x02" + bytes(32), bytes(16)) for letter in "abcd"]
PHONE = Device("dev_a", DeviceKind.PHONE, b"\x02" + bytes(32), "Phone")
FIRST = IssuerKeyRecord(1, "urn:keygw:a", OLD, b"\x02" * 33, "file:issuer.pem", IssuerKeyState.CURRENT, 100, 100)
SECOND = IssuerKeyRecord(2, "urn:keygw:a", NEW, b"\x03" * 33, "pkcs11:token=t;object=o", IssuerKeyState.NEXT, 200)


def key(car: Vehicle, index: int, state: KeyState = KeyState.ACTIVE, expires_at: int = 1000) -> DigitalKey:
    return DigitalKey(
        id=f"key_{car.name}{index}", vehicle_id=car.id, device_id=PHONE.id, role=Role.OWNER,
        entitlements=PROFILES["owner"], index=index, not_before=100, expires_at=expires_at, issued_at=100, state=state,
        parent_id=None, depth=0, max_depth=2, epoch=0, label="",
    )  # fmt: skip


def token(kid: bytes, expires_at: int = 1000) -> KeyToken:
    return KeyToken("a.b.c", KEY_TOKEN.seal(b"payload", SIGNER, kid), None, expires_at, None)


def signed_list(car: Vehicle, sequence: int, kid: bytes) -> ListRecord:
    made = RevocationList(
        vehicle_id=car.id, sequence=sequence, issued_at=100, next_update=200, min_epoch=0, revoked=(), suspended=()
    )
    return ListRecord(car.id, sequence, 100, sign_list(made, SIGNER, kid))


@pytest.fixture
async def store(opener: Open, tmp_path: Path) -> AsyncIterator[CredentialStore]:
    async with opener(tmp_path) as store:

        async def work(tx: CredentialTransaction) -> None:
            for car in CARS:
                await tx.add_vehicle(car)
            await tx.add_device(PHONE)

        await store.write(work)
        yield store


async def test_keys_are_kept_in_order_and_whole(store: CredentialStore) -> None:
    assert await store.issuer_keys() == []

    async def work(tx: CredentialTransaction) -> None:
        await tx.add_issuer_key(SECOND)
        await tx.add_issuer_key(FIRST)
        assert await tx.issuer_keys() == [FIRST, SECOND]

    await store.write(work)
    old = replace(FIRST, state=IssuerKeyState.RETIRING, retire_at=900)
    new = replace(SECOND, state=IssuerKeyState.CURRENT, activated_at=300)

    async def then2(tx: CredentialTransaction) -> None:
        await tx.save_issuer_key(old)
        await tx.save_issuer_key(new)

    await store.write(then2)
    assert await store.issuer_keys() == [old, new]
    gone = replace(old, state=IssuerKeyState.RETIRED, retired_at=901)
    await store.write(lambda tx: tx.save_issuer_key(gone))
    assert await store.issuer_keys() == [gone, new]


@pytest.mark.parametrize("state", [IssuerKeyState.NEXT, IssuerKeyState.CURRENT])
async def test_there_is_one_next_and_one_current(store: CredentialStore, state: IssuerKeyState) -> None:
    first, second = replace(FIRST, state=state), replace(SECOND, state=state)

    async def add(record: IssuerKeyRecord) -> None:
        await store.write(lambda tx: tx.add_issuer_key(record))

    async def save(record: IssuerKeyRecord) -> None:
        await store.write(lambda tx: tx.save_issuer_key(record))

    await add(first)
    with pytest.raises(Conflict) as caught:
        await add(second)
    assert caught.value.code == "issuer_key_exists"
    await add(other := replace(second, state=IssuerKeyState.RETIRED))
    with pytest.raises(Conflict):
        await save(second)
    assert await store.issuer_keys() == [first, other]


@pytest.mark.parametrize("field", ["ordinal", "kid", "public_key"])
async def test_a_key_is_there_once(store: CredentialStore, field: str) -> None:
    await store.write(lambda tx: tx.add_issuer_key(FIRST))
    with pytest.raises(Conflict):
        await store.write(lambda tx: tx.add_issuer_key(replace(SECOND, **{field: getattr(FIRST, field)})))


async def test_what_a_key_has_signed_and_is_in_force_is_found(store: CredentialStore) -> None:
    a, b, c, d = CARS

    async def work(tx: CredentialTransaction) -> None:
        await tx.add_key(key(a, 0), token(OLD, 700))
        await tx.add_key(key(a, 1), token(OLD, 900))
        await tx.add_key(key(b, 0), token(NEW, 950))  # by another key
        await tx.add_key(key(b, 1, expires_at=500), token(OLD, 500))  # over
        await tx.add_key(key(b, 2, KeyState.REVOKING), token(OLD, 800))  # nobody shall use it any more
        await tx.add_key(key(c, 0, KeyState.SUSPENDED), token(OLD, 600))
        for car, kids in ((a, [NEW]), (b, [OLD, NEW]), (d, [NEW, OLD])):
            for sequence, kid in enumerate(kids, 1):
                await tx.add_list(signed_list(car, sequence, kid))

    await store.write(work)
    assert await store.vehicles_signed_by(OLD, 500, "", 10) == [a.id, c.id, d.id]
    assert await store.vehicles_signed_by(OLD, 499, "", 10) == [a.id, b.id, c.id, d.id]
    assert await store.vehicles_signed_by(OLD, 500, "", 2) == [a.id, c.id]
    assert await store.vehicles_signed_by(OLD, 500, c.id, 2) == [d.id]
    assert await store.vehicles_signed_by(NEW, 500, "", 10) == [a.id, b.id]
    assert await store.vehicles_signed_by(b"no kid..", 500, "", 10) == []
    assert (await store.longest_token(OLD), await store.longest_token(NEW)) == (900, 950)
    assert await store.longest_token(b"no kid..") == 0


async def test_statements_are_kept_in_order_and_each_once(store: CredentialStore) -> None:
    made = [StatementRecord(1, NEW, b"one"), StatementRecord(2, OLD, b"\x00two")]

    async def work(tx: CredentialTransaction) -> None:
        for record in made:
            await tx.add_issuer_statement(record)

    await store.write(work)
    assert [await store.issuer_statements(after) for after in (0, 1, 2)] == [made, made[1:], []]
    with pytest.raises(Conflict):
        await store.write(lambda tx: tx.add_issuer_statement(StatementRecord(2, NEW, b"another")))


async def test_the_last_word_of_a_vehicle_counts(store: CredentialStore) -> None:
    a, b = CARS[:2]
    assert await store.issuer_key_ack(a.id) == 0

    async def said(sequence: int, tx: CredentialTransaction) -> None:
        await tx.acknowledge_issuer_key(a.id, sequence, NEW, b"ack")

    for sequence in (2, 3, 1):
        await store.write(partial(said, sequence))
    assert (await store.issuer_key_ack(a.id), await store.issuer_key_ack(b.id)) == (1, 0)
    assert [await store.vehicles_told(sequence) for sequence in (1, 2)] == [1, 0]


async def test_the_first_former_token_is_kept_until_the_vehicle_has_heard(store: CredentialStore) -> None:
    a, b = CARS[:2]

    async def work(tx: CredentialTransaction) -> None:
        for car in (a, b):
            await tx.add_key(key(car, 0), token(NEW))
        await tx.keep_former_token(key(a, 0).id, a.id, b"first")
        await tx.keep_former_token(key(a, 0).id, a.id, b"second")
        await tx.keep_former_token(key(b, 0).id, b.id, b"other")

    await store.write(work)
    assert await store.former_token(key(a, 0).id) == b"first"
    await store.write(lambda tx: tx.drop_former_tokens(a.id))
    assert await store.former_token(key(a, 0).id) is None
    assert await store.former_token(key(b, 0).id) == b"other"
