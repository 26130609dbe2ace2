"""Marks of requests that have been carried out, in SQL."""

from __future__ import annotations

from keygw.credentials.once_ports import Answered
from keygw.model.errors import Conflict
from keygw.store.errors import Duplicate
from keygw.store.group import Fetch, Transaction


class SqlOnceReads:
    """``OnceReads`` over whatever answers a statement."""

    _fetch: Fetch

    async def answered(self, app_id: str, key: str) -> Answered | None:
        rows = await self._fetch(
            "SELECT fingerprint, resource, status, created_at FROM idempotency "
            "WHERE app_id = ? AND idempotency_key = ?",
            (app_id, key),
        )
        return Answered(*rows[0]) if rows else None


class SqlOnceWrites:
    """``OnceWrites`` in an open transaction."""

    _fetch: Fetch

    async def mark_answered(self, app_id: str, key: str, answered: Answered) -> None:
        try:
            await self._fetch(
                "INSERT INTO idempotency (app_id, idempotency_key, fingerprint, resource, status, created_at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (app_id, key, answered.fingerprint, answered.resource, answered.status, answered.created_at),
            )
        except Duplicate as error:
            raise Conflict("this Idempotency-Key was used", code="idempotency_mismatch") from error

    async def drop_answered(self, before: int) -> int:
        return len(await self._fetch("DELETE FROM idempotency WHERE created_at < ? RETURNING status", (before,)))


class MarksOf(SqlOnceReads, SqlOnceWrites):
    """In an open transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._fetch = transaction.fetch
