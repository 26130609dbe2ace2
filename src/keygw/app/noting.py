"""While a gateway runs, the data directory learns every few seconds how far the database is (``store.marks``)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from keygw.model.errors import StoreError
from keygw.store.marks import note_seen
from keygw.store.store import Store

EVERY_SECONDS = 5.0
"""A backup that is younger than this when the machine dies looks like the newest state."""

log = structlog.get_logger(__name__)


@asynccontextmanager
async def noting_seen(store: Store, every: float = EVERY_SECONDS) -> AsyncIterator[None]:
    task = asyncio.create_task(_keep_noting(store, every), name="noting seen")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await _note(store)


async def _keep_noting(store: Store, every: float) -> None:
    while True:
        await _note(store)
        await asyncio.sleep(every)


async def _note(store: Store) -> None:
    try:
        await note_seen(store.database, store.directory)
    except StoreError as error:
        # The next round tries again; the readiness checks tell of a database or disk that is gone.
        log.warning("seen_not_noted", code=error.code)
