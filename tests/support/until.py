"""Waiting for what nobody tells."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Return once it is true. ``TimeoutError`` if it does not become so."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - that is what this is for
            await asyncio.sleep(0.002)
