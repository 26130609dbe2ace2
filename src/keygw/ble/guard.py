"""One rule for every radio operation: it ends when it is done, when its time is up, or when the link is gone.

Libraries leave operations hanging when a link drops in the middle of one, and bumble cancels our own task to tell us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Gone(Exception):
    """What the operation ran on has gone away."""


async def guarded(work: Coroutine[Any, Any, T], gone: asyncio.Future[Any], seconds: float | None) -> T:
    """The result (or the own error) of ``work``; ``Gone`` once ``gone`` is done; ``TimeoutError`` after ``seconds``.

    ``work`` runs in a task of its own, so that a library which cancels it does not cancel the caller.
    """
    if gone.done():
        work.close()
        raise Gone
    task = asyncio.ensure_future(work)
    try:
        await first_of(task, gone, seconds)
    finally:
        if not task.done():
            task.cancel()
            task.add_done_callback(_forget)
    if task.done() and not task.cancelled():
        return task.result()
    if task.done() or gone.done():
        raise Gone
    raise TimeoutError


async def first_of(one: asyncio.Future[Any], other: asyncio.Future[Any], seconds: float | None) -> None:
    """Wait until one of the two is done or the time is up. Cancels neither."""
    await asyncio.wait({one, other}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
