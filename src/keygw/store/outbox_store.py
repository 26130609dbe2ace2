"""The outbox in SQL: the parts of the credential service's port that are about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.store.group import Fetch, Row, Transaction
from keygw.store.rows import insert_many

_COLUMNS = "id, type, vehicle_id, data, at"
_INSERT = f"INSERT INTO outbox ({_COLUMNS})"
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


class _Pending:
    """An event that waits for the end of its group. ``id`` is known once it has been written."""

    __slots__ = ("_told", "event", "id", "text")

    def __init__(self, event: OutboxEvent, told: Callable[[Told], None]) -> None:
        self.event = event
        self.text = _encode(event.data)
        self.id = 0
        self._told = told

    def tell(self) -> None:
        self._told(Told(self.id, self.event))


async def _write(fetch: Fetch, items: Sequence[_Pending]) -> None:
    """``store.group.Ledger``: ids without a gap, in the order in which the works ran."""
    rows = await fetch("SELECT id FROM outbox ORDER BY id DESC LIMIT 1")
    number = rows[0][0] if rows else 0
    values = []
    for item in items:
        number += 1
        item.id = number
        values.append((number, item.event.type, item.event.vehicle_id, item.text, item.event.at))
    await insert_many(fetch, _INSERT, values)


class SqlOutboxReads:
    """``OutboxReads`` over whatever answers a statement."""

    _fetch: Fetch

    async def outbox(self, after: int, limit: int, through: int | None = None) -> list[Told]:
        bound, values = ("AND id <= ?", (after, through, limit)) if through is not None else ("", (after, limit))
        sql = f"SELECT {_COLUMNS} FROM outbox WHERE id > ? {bound} ORDER BY id LIMIT ?"  # noqa: S608 - our own words
        return [_told(row) for row in await self._fetch(sql, values)]

    async def outbox_bounds(self) -> tuple[int, int]:
        rows = await self._fetch("SELECT (SELECT min(id) FROM outbox), (SELECT max(id) FROM outbox)")
        return rows[0][0] or 0, rows[0][1] or 0

    async def outbox_cursor(self, consumer: str) -> int | None:
        rows = await self._fetch("SELECT position FROM outbox_cursors WHERE consumer = ?", (consumer,))
        return rows[0][0] if rows else None


class SqlOutboxWrites:
    """``OutboxWrites`` in an open transaction."""

    _fetch: Fetch
    _transaction: Transaction

    def tell(self, event: OutboxEvent, told: Callable[[Told], None]) -> None:
        pending = _Pending(event, told)
        self._transaction.append(_write, pending)
        self._transaction.announce(lambda: f"outbox {pending.id}")
        self._transaction.after_commit(pending.tell)

    async def move_outbox_cursor(self, consumer: str, position: int) -> None:
        await self._fetch(
            "INSERT INTO outbox_cursors (consumer, position) VALUES (?, ?) ON CONFLICT (consumer) DO UPDATE "
            "SET position = excluded.position WHERE excluded.position > outbox_cursors.position",
            (consumer, position),
        )

    async def drop_outbox(self, before: int, most: int) -> int:
        rows = await self._fetch("SELECT id FROM outbox ORDER BY id DESC LIMIT 1")
        newest = rows[0][0] if rows else 0
        gone = await self._fetch(
            "DELETE FROM outbox WHERE id < ? AND (at < ? OR id <= ?) RETURNING id", (newest, before, newest - most)
        )
        return len(gone)


class OutboxOf(SqlOutboxWrites):
    """Of an open transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._fetch = transaction.fetch
        self._transaction = transaction


def _told(row: Row) -> Told:
    return Told(row[0], OutboxEvent(row[1], row[2], json.loads(row[3]), row[4]))
