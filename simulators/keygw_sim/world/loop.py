"""An event loop whose clock is its own: where nothing is ready, time jumps to the next timer. No threads, no sockets.

What is handed to a thread elsewhere (``asyncio.to_thread``) runs at once, in the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class StandsStill(RuntimeError):
    """Somebody waits for what nobody will ever do."""


class VirtualLoop(asyncio.BaseEventLoop):
    """For ``asyncio.Runner(loop_factory=VirtualLoop)``. ``time()`` begins at 0."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._clock_resolution = 1e-9
        self._selector = self
        """Whom the base class asks to wait until something comes in, or so long."""

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """Nothing comes in from outside: wait no longer than until the next timer."""
        if timeout is None:
            raise StandsStill("nothing is ready, and no timer runs")
        self._now += timeout
        return []

    def run_in_executor(  # type: ignore[override]  # typeshed's signature has type variables of its own
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """There is no other thread that would have to wake this one."""
