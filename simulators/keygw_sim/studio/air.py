"""What goes over the air, decoded as it happens: the car's own capture, read on, and kept in a ring."""

from __future__ import annotations

import asyncio
import io
import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from keygw.ble.trace.capture import packets
from keygw.ble.trace.packet import BrokenCapture
from keygw.ble.trace.rig import KeyLogReader
from keygw.ble.trace.watcher import Watcher
from keygw.session.trace import KeyLog

KEPT = 20_000
"""Entries of the ring: what the page shows without stutter."""
BATCH = 500
"""Entries that one reading gives out at most."""
LOOK_SECONDS = 0.05
READ_BYTES = 1 << 20
_HEAD, _RECORD = 16, 24
"""Bytes of btsnoop's header, and of the head of one of its records (``keygw.ble.trace.btsnoop``)."""


class Ring:
    """The newest ``kept`` entries under numbers that only grow: who has seen number n asks for what came after it."""

    def __init__(self, kept: int = KEPT) -> None:
        self._entries: deque[dict[str, Any]] = deque(maxlen=kept)
        self.newest = 0
        self._news = asyncio.Event()

    def put(self, of: str, entry: dict[str, Any]) -> None:
        """``of``: what kind of entry it is. The ring adds its number as ``s``."""
        self.newest += 1
        self._entries.append({"s": self.newest, "of": of, **entry})
        self._news.set()

    def after(self, number: int) -> tuple[int, list[dict[str, Any]]]:
        """How many were lost before them, and at most ``BATCH`` entries. A number of the future: from the start."""
        first = self.newest - len(self._entries)
        start = number if 0 <= number <= self.newest else 0
        lost = max(0, first - start)
        skip = max(0, start - first)
        return lost, [self._entries[place] for place in range(skip, min(len(self._entries), skip + BATCH))]

    async def changed(self, seen: int, seconds: float) -> None:
        """Return when there is more than ``seen``, or after so long."""
        if self.newest != seen:
            return
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return


class Capture:
    """A btsnoop file that grows, and the key log beside it. ``read``: the records since the last time."""

    def __init__(self, trace: Path, key_log: Path | None) -> None:
        self._file: BinaryIO = trace.open("rb")
        self._keys = None if key_log is None else KeyLogReader(key_log)
        self._watcher = Watcher(
            None if self._keys is None else self._keys.keys,
            refresh=None if self._keys is None else self._keys.refresh,
        )
        self._header = b""
        self._rest = b""

    def read(self) -> Iterator[dict[str, Any]]:
        """``BrokenCapture`` if the file is none."""
        if len(self._header) < _HEAD:
            self._header += self._file.read(_HEAD - len(self._header))
            if len(self._header) < _HEAD:
                return
        self._rest += self._file.read(READ_BYTES)
        end = _whole(self._rest)
        whole, self._rest = self._rest[:end], self._rest[end:]
        for packet in packets(io.BytesIO(self._header + whole)):
            for record in self._watcher.take(packet):
                yield record.to_json()

    def close(self) -> None:
        self._file.close()
        if self._keys is not None:
            self._keys.close()


def _whole(data: bytes) -> int:
    """Bytes of the records that are complete."""
    at = 0
    while len(data) - at >= _RECORD:
        size = struct.unpack_from(">I", data, at + 4)[0]
        if len(data) - at < _RECORD + size:
            break
        at += _RECORD + size
    return at


async def follow(trace: Path, key_log: Path | None, ring: Ring) -> None:
    """Put what the file tells into the ring, until cancelled. A file that breaks ends it, and says so in the ring."""
    capture = Capture(trace, key_log)
    try:
        while True:
            for record in capture.read():
                ring.put("frame", record)
            await asyncio.sleep(LOOK_SECONDS)
    except BrokenCapture as error:
        ring.put("note", {"code": error.code, "text": str(error)})
    finally:
        capture.close()


def decode(data: bytes, key_log: str = "", most: int = KEPT) -> dict[str, Any]:
    """A whole capture: ``records`` (the first ``most``), and ``broken`` where it ends in the middle, else ``None``.

    ``BrokenCapture`` if not even its beginning is one, ``MalformedKeyLog``.
    """
    watcher = Watcher(KeyLog(key_log) if key_log else None)
    records: list[dict[str, Any]] = []
    try:
        for packet in packets(io.BytesIO(data)):
            for record in watcher.take(packet):
                if len(records) >= most:
                    return {"records": records, "broken": f"the first {most} records; there are more"}
                records.append(record.to_json())
    except BrokenCapture as error:
        if error.offset < _HEAD:
            raise
        return {"records": records, "broken": str(error)}
    return {"records": records, "broken": None}
