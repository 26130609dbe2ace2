"""The credential stores there are: the contract suites run over each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from keygw.credentials.ports import CredentialStore
from keygw.store.store import open_store

Open = Callable[[Path], AbstractAsyncContextManager[CredentialStore]]


@asynccontextmanager
async def sqlite(directory: Path) -> AsyncIterator[CredentialStore]:
    async with await open_store(directory) as store:
        yield store.credentials


OPEN: dict[str, Open] = {"sqlite": sqlite}


@pytest.fixture(params=sorted(OPEN))
def opener(request: pytest.FixtureRequest) -> Open:
    """``async with opener(directory) as store``; each store that joins ``OPEN`` joins every suite."""
    return OPEN[request.param]
