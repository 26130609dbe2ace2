"""The newest checkpoint of the audit trail, kept in a file beside the database.

A database whose tail was cut off, or an old one that was put in its place, does not know what this file knows. Whoever
can write both can change both: copy the file to another machine now and then.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from keygw.model.errors import StoreError
from keygw.store.keyfile import write_whole

MARKER_NAME = "audit.checkpoint"
_LIMIT = 4096


class FileMarker:
    """``credentials.trail.Marker``. The file holds the COSE_Sign1 as it is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> bytes | None:
        return await asyncio.to_thread(read_marker, self._path)

    async def write(self, signed: bytes) -> None:
        """Whole or not at all, and flushed. ``StoreError`` if the file cannot be written."""
        try:
            await asyncio.to_thread(write_whole, self._path, signed, os.replace)
        except OSError as error:
            raise StoreError(f"{self._path} cannot be written: {error.strerror}") from error


def read_marker(path: Path) -> bytes | None:
    """``None`` if there is no such file. ``StoreError`` if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_LIMIT)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
