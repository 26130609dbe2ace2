"""What gateways on one PostgreSQL announce to each other: when it is heard, by whom, and what a lost link costs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from keygw.model.errors import KeygwError
from keygw.store.group import Transaction
from keygw.store.postgres import PostgresDatabase

NewDatabase = Callable[[], str]


async def opened(url: str) -> PostgresDatabase:
    database = await PostgresDatabase.connect(url)
    await database.bring_up()
    return database


async def test_what_is_announced_is_heard_by_the_others_after_the_commit(new_database: NewDatabase) -> None:
    """And it is said last of all in a group, so that it may name what its neighbours have written."""
    url = new_database()
    one, two = await opened(url), await opened(url)
    heard: list[str | None] = []
    listens, done = asyncio.Event(), asyncio.Event()

    def hear(text: str | None) -> None:
        heard.append(text)
        (listens if text is None else done).set()

    one.listen(lambda text: heard.append(f"own {text}") if text is not None else None)
    two.listen(hear)
    await listens.wait()
    written: list[str] = []

    async def book(_: Any, items: Any) -> None:
        written.extend(items)

    async def first(tx: Transaction) -> None:
        tx.announce(lambda: f"after {len(written)}")

    async def second(tx: Transaction) -> None:
        tx.append(book, "a row")

    async def failing(tx: Transaction) -> None:
        tx.announce(lambda: "never")
        raise KeygwError("no")

    with pytest.raises(KeygwError):
        await one.write(failing)
    await asyncio.gather(one.write(first), one.write(second))
    async with asyncio.timeout(5):
        await done.wait()
    assert heard == [None, "after 1"]
    await one.close()
    await two.close()


async def test_who_was_cut_off_looks_at_everything(new_database: NewDatabase) -> None:
    database = await opened(new_database())
    looks: asyncio.Queue[str | None] = asyncio.Queue()
    database.listen(looks.put_nowait)
    async with asyncio.timeout(5):
        assert await looks.get() is None
    await database.write(
        lambda tx: tx.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
    )
    async with asyncio.timeout(5):
        assert await looks.get() is None
    await database.close()
