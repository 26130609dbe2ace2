"""Hints to the controller of our own how often a connection meets: often while something goes, seldom while it rests.

The link layer asks both radios to wake at every interval; most of a link's life nothing goes. Only a central that
drives its controller itself can say so: BlueZ has no word for it on D-Bus, nor have macOS and Windows that we could
use; they choose by themselves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_logger = logging.getLogger(__name__)

REST_AFTER_S = 3.0


@dataclass(frozen=True, slots=True)
class Parameters:
    """Milliseconds between meetings, least and most; how many the peripheral may miss; until a silent link is lost."""

    least_ms: float
    most_ms: float
    latency: int
    supervision_ms: float


BRISK = Parameters(15.0, 30.0, 0, 4000.0)
CALM = Parameters(90.0, 120.0, 0, 4000.0)
"""The first word of a command waits a tenth of a second for its meeting; the link is brisk again for the second."""

Ask = Callable[[Parameters], Awaitable[object]]


class Pace:
    """``ask`` tells the controller; that it refuses harms nothing. It begins brisk. ``stop`` in the end."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._wanted = BRISK
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False
        self.touch()

    def touch(self) -> None:
        """Something goes."""
        if self._stopped:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(REST_AFTER_S, self._want, CALM)
        self._want(BRISK)

    def stop(self) -> None:
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _want(self, parameters: Parameters) -> None:
        if parameters is not self._wanted:
            self._wanted = parameters
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._tell(), name="pace")

    async def _tell(self) -> None:
        """One request at a time; whatever was wanted meanwhile follows."""
        told: Parameters | None = None
        try:
            while told is not self._wanted:
                told = self._wanted
                await self._ask(told)
        except Exception as error:
            _logger.debug("the connection keeps its pace: %s", error)
        finally:
            self._task = None
