"""An app that again and again asks for what a driver may not see loses its session."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

from keygw.bridge.app_session import AppSession
from keygw.bridge.ports import Clock

MOST = 8
"""Refusals within ``SECONDS``; the next one closes the session."""
SECONDS = 60
_ROOM = 1000
"""Sessions that are watched; of more, the ones that were quiet for longest are forgotten."""


class Distraction:
    """``close``: ends a session for ``driver_distraction``."""

    def __init__(self, close: Callable[[AppSession], Awaitable[object]], clock: Clock) -> None:
        self._close = close
        self._clock = clock
        self._refusals: OrderedDict[str, deque[float]] = OrderedDict()

    async def refused(self, session: AppSession) -> None:
        """Once more. Closes the session when that was too often."""
        now = self._clock()
        times = self._refusals.pop(session.id, deque())
        times.append(now)
        while times[0] <= now - SECONDS:
            times.popleft()
        if len(times) > MOST:
            await self._close(session)
            return
        self._refusals[session.id] = times
        if len(self._refusals) > _ROOM:
            self._refusals.popitem(last=False)
