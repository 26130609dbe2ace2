"""The stores there are: the contract suites run over each of them, on SQLite (also without a thread), on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from keygw.credentials.ports import CredentialStore
from keygw.store.inline import InlineDatabase
from keygw.store.store import Store, open_store

OpenStore = Callable[[Path], Awaitable[Store]]
Open = Callable[[Path], AbstractAsyncContextManager[CredentialStore]]


@pytest.fixture(params=["sqlite", "inline", "postgres"])
def opened(request: pytest.FixtureRequest) -> OpenStore:
    """``async with await opened(directory) as store``: the whole store; the same directory gives the same data."""
    if request.param == "sqlite":
        return open_store
    if request.param == "inline":
        return partial(open_store, open_file=InlineDatabase.open)
    new_database: Callable[[], str] = request.getfixturevalue("new_database")
    urls: dict[Path, str] = {}

    async def open_postgres(directory: Path) -> Store:
        if directory not in urls:
            urls[directory] = new_database()
        return await open_store(directory, database_url=urls[directory])

    return open_postgres


@pytest.fixture
def opener(opened: OpenStore) -> Open:
    """``async with opener(directory) as store``: its credential part."""

    @asynccontextmanager
    async def credentials(directory: Path) -> AsyncIterator[CredentialStore]:
        async with await opened(directory) as store:
            yield store.credentials

    return credentials
