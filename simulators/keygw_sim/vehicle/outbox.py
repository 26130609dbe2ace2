"""What is on its way to one central: a task of its own sends it, so that who does not take it delays nobody else."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import Protocol

from keygw.model.errors import LinkError

_logger = logging.getLogger(__name__)

OUTBOX_FRAMES = 1024
"""A 4 KiB message in the smallest frames is 216; who lets several of them lie has stopped listening."""


class Carrier(Protocol):
    """What of a ``GattPeripheral`` is needed here."""

    async def notify(self, conn_id: int, frame: bytes) -> None: ...

    async def disconnect(self, conn_id: int) -> None: ...


class Outbox:
    """Frames for one connection, in order. When one cannot be sent, or too many wait, the connection is ended.

    Made in a running loop; ``close`` it when the connection is over.
    """

    def __init__(self, carrier: Carrier, conn_id: int) -> None:
        self._carrier = carrier
        self._conn_id = conn_id
        self._frames: deque[bytes] = deque()
        self._over = False
        self._changed = asyncio.Event()
        self._sent = asyncio.Event()
        self._sent.set()
        self._task = asyncio.create_task(self._run(), name=f"outbox {conn_id}")

    def put(self, frames: Iterable[bytes]) -> None:
        """Send these after what waits already. After the end they are forgotten."""
        if self._over:
            return
        self._frames.extend(frames)
        if len(self._frames) > OUTBOX_FRAMES:
            self._frames.clear()  # A message with a hole in it is worse than none.
            self._over = True
        if self._frames:
            self._sent.clear()
        self._changed.set()

    def finish(self) -> None:
        """Disconnect once everything is out."""
        self._over = True
        self._changed.set()

    async def sent(self) -> None:
        """Wait until everything is out, or lost."""
        await self._sent.wait()

    def close(self) -> None:
        """Forget what waits: the connection is gone."""
        self._over = True
        self._frames.clear()
        self._sent.set()
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._send()
        except LinkError as error:
            _logger.debug("connection %d: %s", self._conn_id, error)
        except Exception:
            _logger.exception("the vehicle failed on connection %d", self._conn_id)
        finally:
            self._over = True
            self._frames.clear()
            self._sent.set()
        await self._carrier.disconnect(self._conn_id)

    async def _send(self) -> None:
        while True:
            while self._frames:
                await self._carrier.notify(self._conn_id, self._frames.popleft())
            self._sent.set()
            if self._over:
                return
            self._changed.clear()
            await self._changed.wait()
