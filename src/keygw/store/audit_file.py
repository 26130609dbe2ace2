"""The audit trail of a database file that nobody serves, or that somebody serves right now: read, never written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from keygw.model.errors import StoreError
from keygw.store.audit_store import SqlAuditReads
from keygw.store.errors import store_error
from keygw.store.group import Row


class FileReads(SqlAuditReads):
    """``AuditReads`` whose coroutines never wait."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def issuer_keys(self) -> list[bytes]:
        """The public keys that the database says have ever signed for its issuer (33 bytes each)."""
        return [row[0] for row in self._connection.execute("SELECT public_key FROM issuer_keys ORDER BY ordinal")]

    async def _fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        try:
            return self._connection.execute(sql, tuple(parameters)).fetchall()
        except sqlite3.Error as error:
            raise store_error(error, self._path) or StoreError(
                f"{self._path} holds no audit trail: {error}", code="audit_damaged"
            ) from error


@contextmanager
def audit_file(path: Path) -> Iterator[FileReads]:
    """The trail in that file. ``StoreError``: store_unavailable, or audit_damaged if there is no trail in it."""
    if not path.is_file():
        raise StoreError(f"there is no database {path}: name the data directory of a gateway")
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise store_error(error, path) or error from error
    with closing(connection):
        yield FileReads(connection, path)
