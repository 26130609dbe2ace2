"""Counts what lies in the database, now and then, so that a scrape never does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from keygw.bridge.fault import describe
from keygw.model.errors import StoreError
from keygw.store.figures import Figures
from keygw.store.group import Fetch
from keygw.telemetry.metrics import Metrics

ROUND_SECONDS = 60.0
SHARE = 50
"""Of the time that a count takes, so much passes before the next: it costs at most 2 % of the reader."""

log = structlog.get_logger(__name__)


async def _breathe() -> None:
    await asyncio.sleep(0.01)


@asynccontextmanager
async def sampling(
    metrics: Metrics, fetch: Fetch, overdue: int, pause: Callable[[], Awaitable[None]] = _breathe
) -> AsyncIterator[None]:
    """Count in the background until the block ends. ``overdue``: seconds, of ``Limits``."""
    task = asyncio.get_running_loop().create_task(_rounds(metrics, Figures(fetch, pause), overdue), name="sampling")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def sample(metrics: Metrics, figures: Figures, overdue: int, clock: Callable[[], float] = time.time) -> None:
    """One round."""
    keys = await figures.keys_by_state()
    metrics.webhooks(await figures.webhooks_by_state())
    metrics.counted(keys, *await figures.lists_waiting(int(clock()) - overdue))


async def _rounds(metrics: Metrics, figures: Figures, overdue: int) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        began = clock()
        try:
            await sample(metrics, figures, overdue)
        except StoreError as error:
            log.warning("not_counted", code=error.code)
        except Exception as error:
            log.error("sampling_broke", **describe(error))
        await asyncio.sleep(max(ROUND_SECONDS, SHARE * (clock() - began)))
