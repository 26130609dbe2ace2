"""What falls due with time alone: issuer keys whose overlap is over, and vehicles whose revocation list must be signed
anew before it grows old."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from keygw.bridge.errands import Errands
from keygw.bridge.fault import describe
from keygw.bridge.ports import Credentials

log = structlog.get_logger(__name__)

ROUND_SECONDS = 900.0
"""How often to look. A list is due days before a vehicle would call it old."""


class Upkeep:
    """One task; a list that is due becomes an errand, which signs it and sets out with it. ``chores`` come before: one
    that fails keeps no other from its turn."""

    def __init__(
        self,
        credentials: Credentials,
        errands: Errands,
        seconds: float = ROUND_SECONDS,
        chores: Sequence[Callable[[], Awaitable[object]]] = (),
    ) -> None:
        self._credentials = credentials
        self._errands = errands
        self._chores = (*chores, self._renew_lists)
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work(), name="upkeep")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            for chore in self._chores:
                try:
                    await chore()
                except Exception as error:  # a database that is busy now is not so for ever; the next round comes
                    log.error("upkeep_broke", **describe(error))
            await asyncio.sleep(self._seconds)

    async def _renew_lists(self) -> None:
        for vehicle_id in await self._credentials.vehicles_due():
            self._errands.request(vehicle_id)
