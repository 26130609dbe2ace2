"""SQLite's errors in the words of the house; the one place that looks at SQLite's result codes."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from keygw.model.errors import StoreError


class Duplicate(Exception):
    """What was to be written breaks a constraint of the schema: mostly, its id is taken. The transaction is over."""


_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_FULL = frozenset({sqlite3.SQLITE_FULL})
_DAMAGED = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})
_CLOSED_DOOR = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})


def store_error(error: sqlite3.Error, path: Path) -> StoreError | None:
    """The ``StoreError`` for it, or ``None`` if it is no fault of the storage (a broken constraint, our own SQL)."""
    # Extended result codes keep the primary one in their low byte. Python's own errors carry none at all.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return StoreError(
            f"another process holds the database {path}; stop it or try again", code="store_busy", retryable=True
        )
    if code in _FULL:
        return StoreError(f"no space left for the database {path}; free some", code="store_full", retryable=True)
    if code in _DAMAGED:
        return StoreError(f"{path} is not a database, or is damaged: restore a backup or choose another directory")
    if code in _CLOSED_DOOR:
        return StoreError(f"the database {path} cannot be opened for writing: look at the rights of its directory")
    if code == sqlite3.SQLITE_IOERR:
        return StoreError(f"reading or writing the database {path} failed: look at the disk", may_have_happened=True)
    return None
