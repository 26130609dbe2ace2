"""A thousand listeners on sockets of their own, who count what arrives and note when the last of them has it."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Sequence

PATIENCE = 60.0


class Listeners:
    """``ready``: connected sockets with nothing waiting in them."""

    def __init__(self, ready: Sequence[socket.socket]) -> None:
        self._sockets = {each.fileno(): each for each in ready}
        self._poll = select.epoll()
        for number, each in self._sockets.items():
            each.setblocking(False)
            self._poll.register(number, select.EPOLLIN)

    def __len__(self) -> int:
        return len(self._sockets)

    def hear(self, events: int, size: int = 0) -> tuple[int, list[float]]:
        """Wait until everybody has heard ``events`` of one size each: that size, and when the last one had each.

        ``size`` 0: what the first of them has brought to the first listener."""
        arrived = 0
        ends: list[float] = []
        deadline = time.monotonic() + PATIENCE
        while len(ends) < events:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{arrived} bytes and no more; {len(ends)} of {events} events")
            for number, _ in self._poll.poll(1.0):
                part = self._sockets[number].recv(1 << 16)
                if not part:
                    raise RuntimeError("a listener was closed")
                size = size or len(part)
                arrived += len(part)
            now = time.monotonic()
            while len(ends) < events and arrived >= (len(ends) + 1) * size * len(self._sockets):
                ends.append(now)
        return size, ends

    def drain(self) -> None:
        """Throw away what is there."""
        while found := self._poll.poll(0.2):
            for number, _ in found:
                self._sockets[number].recv(1 << 20)

    def close(self) -> None:
        self._poll.close()
        for each in self._sockets.values():
            each.close()


def connected(port: int, count: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(count)]
