"""One gateway for one data directory: a lock that the operating system lifts when its holder dies, however it dies.

The lock is an open exclusive transaction on an empty SQLite file: the one portable lock that is already in the house.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from types import TracebackType

from keygw.model.errors import StoreError
from keygw.store.errors import store_error

LOCK_NAME = "gateway.lock"


class InstanceLock:
    """``with InstanceLock(directory):``; ``StoreError`` store_in_use if another process holds it."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_NAME
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> InstanceLock:
        connection = None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            connection = sqlite3.connect(self._path, timeout=0, isolation_level=None, check_same_thread=False)
            connection.execute("BEGIN EXCLUSIVE")
        except OSError as error:
            raise StoreError(f"the data directory {self._path.parent} cannot be used: {error.strerror}") from error
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise StoreError(
                    f"another gateway runs on {self._path.parent}: stop it, or choose another --data",
                    code="store_in_use",
                ) from error
            raise store_error(error, self._path) or error from error
        self._connection = connection
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
