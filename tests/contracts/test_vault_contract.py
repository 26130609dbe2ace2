"""What every vault of hosted device keys must do, and that ours keeps no key in clear."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.credentials.ports import Vault
from keygw.crypto.signer import device_id, verify
from keygw.model.errors import NotFound, StoreError
from keygw.store.group import Transaction
from keygw.store.store import DATABASE_NAME, Store, open_store

if TYPE_CHECKING:
    from tests.contracts.conftest import OpenStore


@pytest.fixture
async def store(opened: OpenStore, tmp_path: Path) -> AsyncIterator[Store]:
    async with await opened(tmp_path) as store:
        yield store


@pytest.fixture
def vault(store: Store) -> Vault:
    return store.vault


async def test_it_signs_with_the_key_it_made(vault: Vault) -> None:
    first, second = await vault.create(), await vault.create()
    assert first != second
    for public_key in (first, second):
        signer = await vault.signer(device_id(public_key))
        assert signer.public_key == public_key
        verify(public_key, signer.sign(b"message"), b"message")


async def test_it_knows_no_other_device(vault: Vault) -> None:
    with pytest.raises(NotFound) as caught:
        await vault.signer("dev_nowhere")
    assert caught.value.code == "unknown_device"


async def test_it_survives_a_restart(opened: OpenStore, store: Store, tmp_path: Path) -> None:
    public_key = await store.vault.create()
    await store.close()
    async with await opened(tmp_path) as again:
        assert (await again.vault.signer(device_id(public_key))).public_key == public_key


async def test_rows_cannot_be_swapped_or_changed(store: Store) -> None:
    one, two = device_id(await store.vault.create()), device_id(await store.vault.create())

    async def work(tx: Transaction) -> None:
        rows = await tx.fetch("SELECT nonce, sealed FROM hosted_keys WHERE device_id = ?", (one,))
        await tx.fetch("UPDATE hosted_keys SET nonce = ?, sealed = ? WHERE device_id = ?", (*rows[0], two))

    await store.database.write(work)
    with pytest.raises(StoreError) as caught:
        await store.vault.signer(two)
    assert caught.value.code == "vault_damaged"
    await store.database.write(
        lambda tx: tx.fetch("UPDATE hosted_keys SET nonce = ? WHERE device_id = ?", (b"\0", two))
    )
    with pytest.raises(StoreError):
        await store.vault.signer(two)
    assert device_id((await store.vault.signer(one)).public_key) == one


async def test_nothing_lies_there_in_clear(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await store.vault.create()
    content = (tmp_path / DATABASE_NAME).read_bytes()
    assert b"hosted_keys" in content
    assert b"PRIVATE KEY" not in content
