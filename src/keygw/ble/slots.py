"""The connections that an adapter can hold at once: first come, first served, and nobody waits unseen."""

from __future__ import annotations

import asyncio
from collections import deque

from keygw.ble.faults import RADIO_BUSY, fault

MOST_WAITING = 256


class Slots:
    """``limit``: of connections. ``taken`` and ``waiting`` are for figures."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError("an adapter without a connection is of no use")
        self.limit = limit
        self.taken = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def take(self) -> None:
        """Wait for one, behind those who came before. ``LinkError`` radio_busy if too many wait already.

        Cancelled while it waits, it has taken none.
        """
        if self.taken < self.limit and not self._queue:
            self.taken += 1
            return
        if len(self._queue) >= MOST_WAITING:
            raise fault(RADIO_BUSY, f"{MOST_WAITING} wait already")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came in the very turn in which nobody wanted it any more
                self.give_back()
            else:
                self._queue.remove(turn)
            raise

    def give_back(self) -> None:
        """To the one who has waited longest, if anybody does."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1
