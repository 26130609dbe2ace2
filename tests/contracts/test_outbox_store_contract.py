"""What every ``CredentialStore`` must do with the events that are to be told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.credentials.ports import CredentialStore, CredentialTransaction
from keygw.model.errors import Conflict

if TYPE_CHECKING:
    from tests.contracts.conftest import Open


def event(number: int) -> OutboxEvent:
    vehicle = "veh_a" if number % 2 else None
    return OutboxEvent("key.issued", vehicle, {"n": number, "é": [None, True, 1.5]}, 1000 + number)


@pytest.fixture
async def store(opener: Open, tmp_path: Path) -> AsyncIterator[CredentialStore]:
    async with opener(tmp_path) as store:
        yield store


async def tell(store: CredentialStore, told: list[Told], *numbers: int) -> None:
    async def work(tx: CredentialTransaction) -> None:
        for number in numbers:
            tx.tell(event(number), told.append)

    await store.write(work)


async def test_what_is_told_is_in_the_outbox_under_the_same_id(store: CredentialStore) -> None:
    told: list[Told] = []
    assert await store.outbox_bounds() == (0, 0)
    await tell(store, told, 1, 2)
    await asyncio.gather(*(tell(store, told, number) for number in range(3, 9)))
    assert [(each.id, each.event) for each in told] == [(number, event(number)) for number in range(1, 9)]
    assert await store.outbox(0, 100) == told
    assert await store.outbox(2, 3) == told[2:5]
    assert await store.outbox(2, 100, 4) == told[2:4]
    assert await store.outbox_bounds() == (1, 8)


async def test_it_is_told_after_the_commit_and_never_without(store: CredentialStore) -> None:
    heard: list[Told] = []
    told: list[Told] = []

    async def work(tx: CredentialTransaction) -> bool:
        tx.tell(event(1), told.append)
        return bool(told)

    async def fails(tx: CredentialTransaction) -> None:
        tx.tell(event(2), heard.append)
        raise Conflict("no")

    assert await store.write(work) is False
    assert [each.id for each in told] == [1]
    with pytest.raises(Conflict):
        await store.write(fails)
    assert heard == []
    assert await store.outbox_bounds() == (1, 1)


async def test_the_id_of_an_event_lasts(opener: Open, tmp_path: Path) -> None:
    told: list[Told] = []
    async with opener(tmp_path) as store:
        await tell(store, told, 1, 2)
    async with opener(tmp_path) as store:
        assert [each.event_id for each in await store.outbox(0, 10)] == [each.event_id for each in told]
        await tell(store, told, 3)
    assert [each.event_id for each in told] == ["1.1001", "2.1002", "3.1003"]


async def move(store: CredentialStore, position: int) -> None:
    await store.write(lambda tx: tx.move_outbox_cursor("hub", position))


async def test_a_cursor_never_goes_back(store: CredentialStore) -> None:
    assert await store.outbox_cursor("hub") is None
    for position, stands in ((5, 5), (3, 5), (7, 7)):
        await move(store, position)
        assert await store.outbox_cursor("hub") == stands
    assert await store.outbox_cursor("other") is None


async def test_old_events_and_too_many_go_but_never_the_newest(store: CredentialStore) -> None:
    told: list[Told] = []
    await tell(store, told, *range(1, 11))
    assert await store.write(lambda tx: tx.drop_outbox(1004, 100)) == 3
    assert await store.outbox_bounds() == (4, 10)
    assert await store.write(lambda tx: tx.drop_outbox(0, 4)) == 3
    assert await store.outbox_bounds() == (7, 10)
    assert await store.write(lambda tx: tx.drop_outbox(10**9, 0)) == 3
    assert await store.outbox_bounds() == (10, 10)
    await tell(store, told, 11)
    assert told[-1].id == 11
