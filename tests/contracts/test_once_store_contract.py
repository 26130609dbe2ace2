"""What every ``CredentialStore`` must do with the marks of requests that are carried out once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.credentials.once_ports import Answered
from keygw.credentials.ports import CredentialStore, CredentialTransaction
from keygw.model.errors import Conflict

if TYPE_CHECKING:
    from tests.contracts.conftest import Open

MARK = Answered(bytes(range(32)), "key_a key_b", 201, 1000)


@pytest.fixture
async def store(opener: Open, tmp_path: Path) -> AsyncIterator[CredentialStore]:
    async with opener(tmp_path) as store:
        yield store


async def mark(store: CredentialStore, app: str, key: str, answered: Answered = MARK) -> None:
    await store.write(lambda tx: tx.mark_answered(app, key, answered))


async def test_the_first_mark_stays(store: CredentialStore) -> None:
    assert await store.answered("app_a", "k") is None
    await mark(store, "app_a", "k")
    with pytest.raises(Conflict):
        await mark(store, "app_a", "k", Answered(bytes(32), "key_c", 200, 2000))
    assert await store.answered("app_a", "k") == MARK
    await mark(store, "app_b", "k")
    await mark(store, "app_a", "K")


async def test_it_goes_with_the_transaction_it_stands_in(store: CredentialStore) -> None:
    async def fails(tx: CredentialTransaction) -> None:
        await tx.mark_answered("app_a", "k", MARK)
        assert await tx.answered("app_a", "k") == MARK
        raise Conflict("no")

    with pytest.raises(Conflict):
        await store.write(fails)
    assert await store.answered("app_a", "k") is None


async def test_old_marks_go(store: CredentialStore) -> None:
    for at in (10, 20, 30):
        await mark(store, "app_a", f"k{at}", Answered(bytes(32), "key_a", 200, at))
    assert await store.write(lambda tx: tx.drop_answered(30)) == 2
    assert await store.answered("app_a", "k20") is None
    assert await store.answered("app_a", "k30") is not None
