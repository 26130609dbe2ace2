"""An event loop whose clock jumps to the next timer: minutes of waiting take no time, and come out the same every run.

For conversations that touch nothing outside the process; a loop with sockets would starve.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Jump(selectors.SelectSelector):
    """Waits for nobody: it moves the clock instead."""

    def __init__(self, advance: Callable[[float], None]) -> None:
        super().__init__()
        self._advance = advance

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            self._advance(timeout)
        return super().select(0 if timeout is not None else None)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, start: float, tell: Callable[[float], None]) -> None:
        self._now, self._tell = start, tell
        super().__init__(_Jump(self._pass))

    def time(self) -> float:
        return self._now

    def _pass(self, seconds: float) -> None:
        self._now += seconds
        self._tell(self._now)


async def in_slow_time(
    story: Callable[[Callable[[], float]], Coroutine[Any, Any, T]], tell: Callable[[float], None], start: float = 1000.0
) -> T:
    """Run ``story(clock)`` in a loop of its own, in a thread of its own. ``tell`` hears every new time, in seconds."""

    def run() -> T:
        loop = _Loop(start, tell)
        tell(start)
        try:
            return loop.run_until_complete(story(loop.time))
        finally:
            loop.close()

    return await asyncio.to_thread(run)
