"""What falls due with time alone: vehicles whose revocation list must be signed anew before it grows old."""

from __future__ import annotations

import asyncio

import structlog

from keygw.bridge.errands import Errands
from keygw.bridge.fault import describe
from keygw.bridge.ports import Credentials

log = structlog.get_logger(__name__)

ROUND_SECONDS = 900.0
"""How often to look. A list is due days before a vehicle would call it old."""


class Upkeep:
    """One task; what is due becomes an errand, which signs the list and sets out with it."""

    def __init__(self, credentials: Credentials, errands: Errands, seconds: float = ROUND_SECONDS) -> None:
        self._credentials = credentials
        self._errands = errands
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
            try:
                for vehicle_id in await self._credentials.vehicles_due():
                    self._errands.request(vehicle_id)
            except Exception as error:  # a database that is busy now is not so for ever; the next round comes
                log.error("upkeep_broke", **describe(error))
            await asyncio.sleep(self._seconds)
