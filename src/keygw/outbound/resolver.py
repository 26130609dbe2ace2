"""Names to addresses, in threads of its own: the system's resolver blocks, and nobody else is to wait for that."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

MOST_THREADS = 32
"""Names that are asked for at once. Who asks for one more waits, within his own bound of time."""

Lookup = Callable[[str, int], list[str]]


class NameUnknown(Exception):
    """Nobody says what this name stands for."""


def look_up(host: str, port: int) -> list[str]:
    """Blocking. ``OSError``. The full stop at the end keeps the system from trying the name in domains of its own."""
    absolute = host if host.endswith("localhost") else f"{host}."
    found = socket.getaddrinfo(absolute.encode("ascii"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Resolver:
    """Its threads are daemons: one that hangs keeps no gateway from its end."""

    def __init__(self, lookup: Lookup = look_up, threads: int = MOST_THREADS) -> None:
        self._lookup = lookup
        self._free = asyncio.Semaphore(threads)

    async def addresses(self, host: str, port: int) -> list[str]:
        """``NameUnknown``. Whoever is cancelled leaves his thread behind until the system's resolver gives up."""
        await self._free.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[str]] = loop.create_future()

        def tell(found: list[str] | None) -> None:
            self._free.release()
            if answer.cancelled():
                return
            if found is None:
                answer.set_exception(NameUnknown())
            else:
                answer.set_result(found)

        def work() -> None:
            try:
                found: list[str] | None = self._lookup(host, port)
            except (OSError, UnicodeError):
                found = None
            try:
                loop.call_soon_threadsafe(tell, found)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

        threading.Thread(target=work, name="resolver", daemon=True).start()
        return await answer
