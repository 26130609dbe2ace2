"""What the books need from time to time: a seal on the audit trail, a mark of what was told, a clearing out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from keygw.bridge.fault import describe

log = structlog.get_logger(__name__)

ROUND_SECONDS = 5.0
CLEAR_EVERY = 720
"""Rounds: once an hour."""


class Trail(Protocol):
    async def seal(self) -> object: ...
    async def seal_if_due(self) -> object: ...


class Outbox(Protocol):
    async def settle(self) -> None: ...
    async def drop(self) -> int: ...


class Requests(Protocol):
    async def drop_answered(self) -> int: ...


class Housekeeping:
    """One task. ``start`` and ``stop`` seal the trail themselves, so that a run begins and ends with a seal."""

    def __init__(
        self,
        trail: Trail,
        outbox: Outbox,
        requests: Requests,
        seconds: float = ROUND_SECONDS,
        chores: Sequence[Callable[[], Awaitable[object]]] = (),
    ) -> None:
        """``chores``: what else is done in each round."""
        self._trail = trail
        self._outbox = outbox
        self._requests = requests
        self._seconds = seconds
        self._chores = chores
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._try(self._trail.seal)
        self._task = asyncio.get_running_loop().create_task(self._work(), name="housekeeping")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._try(self._trail.seal)
        await self._try(self._outbox.settle)

    async def _work(self) -> None:
        rounds = 0
        while True:
            if rounds % CLEAR_EVERY == 0:
                await self._try(self._outbox.drop)
                await self._try(self._requests.drop_answered)
            await asyncio.sleep(self._seconds)
            rounds += 1
            await self._try(self._trail.seal_if_due)
            await self._try(self._outbox.settle)
            for chore in self._chores:
                await self._try(chore)

    async def _try(self, task: Callable[[], Awaitable[object]]) -> None:
        try:
            await task()
        except Exception as error:  # a database or a signer that is busy now is not so for ever; the next round comes
            log.error("housekeeping_broke", **describe(error))
