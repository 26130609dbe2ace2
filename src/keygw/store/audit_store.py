"""The audit trail in SQL: the parts of the credential service's port that are about it."""

from __future__ import annotations

from collections.abc import Sequence

from keygw.credentials.audit_ports import AuditFilter, AuditRow, SealedCheckpoint
from keygw.model.audit import ACTIONS, AuditEntry, AuditRecord
from keygw.model.errors import Conflict, ProtocolError, StoreError
from keygw.store.audit_tenants import with_tenants
from keygw.store.group import Fetch, Row, Transaction
from keygw.store.rows import insert_many
from keygw.token.audit import GENESIS, decode_data, encode_data, encode_entry, link

MOST_DATA = 1024
"""Bytes of one entry's data."""
_COLUMNS = "sequence, at, actor, action, tenant_id, vehicle_id, key_id, device_id, outcome, data, hash"
_INSERT = f"INSERT INTO audit ({_COLUMNS})"
_CHECKPOINT = "SELECT first, sequence, at, kid, signed FROM audit_checkpoints"


def record(transaction: Transaction, entry: AuditEntry) -> None:
    """Add it to the end of the chain when the transaction commits: for every store whose writes are audited.

    One that names no tenant gets that of what it is about (``audit_tenants``).

    ``ValueError`` for an action that the registry does not have, or too large data.
    """
    if entry.action not in ACTIONS:
        raise ValueError(f"{entry.action!r} is no action of the audit trail: add it to model.audit.ACTIONS")
    data = encode_data(entry.data)
    if len(data) > MOST_DATA:
        raise ValueError(f"the data of an audit entry have at most {MOST_DATA} bytes")
    transaction.append(_write, (entry, data))


async def _write(fetch: Fetch, items: Sequence[tuple[AuditEntry, bytes]]) -> None:
    """``store.group.Ledger``: one writer at a time, so the chain is serial, and its head is asked once a group."""
    sequence, head = await _head(fetch)
    rows = []
    for entry, data in await with_tenants(fetch, items):
        sequence += 1
        head = link(head, sequence, encode_entry(entry, data))
        rows.append(
            (
                sequence,
                entry.at,
                entry.actor,
                entry.action,
                entry.tenant_id,
                entry.vehicle_id,
                entry.key_id,
                entry.device_id,
                entry.outcome,
                data,
                head,
            )
        )
    await insert_many(fetch, _INSERT, rows)


async def _head(fetch: Fetch) -> tuple[int, bytes]:
    rows = await fetch("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
    return (rows[0][0], bytes(rows[0][1])) if rows else (0, GENESIS)


class SqlAuditReads:
    """``AuditReads`` over whatever answers a statement."""

    _fetch: Fetch

    async def audit_entries(self, after: int, limit: int, wanted: AuditFilter) -> list[AuditRecord]:
        return await self._audit("sequence > ?", after, "ASC", limit, wanted)

    async def audit_newest(self, before: int, limit: int, wanted: AuditFilter) -> list[AuditRecord]:
        return await self._audit("sequence < ?", before, "DESC", limit, wanted)

    async def audit_rows(self, after: int, limit: int) -> list[AuditRow]:
        sql = f"SELECT {_COLUMNS} FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?"  # noqa: S608 - our own words
        return [
            AuditRow(row[0], encode_entry(AuditEntry(*row[1:9]), row[9]), row[10])
            for row in await self._fetch(sql, (after, limit))
        ]

    async def audit_head(self) -> tuple[int, bytes]:
        return await _head(self._fetch)

    async def audit_checkpoints(self, after: int, limit: int) -> list[SealedCheckpoint]:
        sql = f"{_CHECKPOINT} WHERE sequence > ? ORDER BY sequence LIMIT ?"
        return [SealedCheckpoint(*row) for row in await self._fetch(sql, (after, limit))]

    async def last_audit_checkpoint(self) -> SealedCheckpoint | None:
        rows = await self._fetch(f"{_CHECKPOINT} ORDER BY sequence DESC LIMIT 1")
        return SealedCheckpoint(*rows[0]) if rows else None

    async def _audit(self, place: str, at: int, order: str, limit: int, wanted: AuditFilter) -> list[AuditRecord]:
        conditions = {
            "tenant_id = ?": wanted.tenant_id,
            "actor = ?": wanted.actor,
            "action = ?": wanted.action,
            "vehicle_id = ?": wanted.vehicle_id,
            "key_id = ?": wanted.key_id,
            "device_id = ?": wanted.device_id,
            "at >= ?": wanted.since,
            "at < ?": wanted.until,
        }
        # A key's entries are found by way of its vehicle's: one index serves both.
        if wanted.key_id is not None and wanted.vehicle_id is None:
            conditions["vehicle_id = (SELECT vehicle_id FROM digital_keys WHERE id = ?)"] = wanted.key_id
        asked = {where: value for where, value in conditions.items() if value is not None}
        sql = (
            f"SELECT {_COLUMNS} FROM audit WHERE {' AND '.join([place, *asked])} "  # noqa: S608 - our own words
            f"ORDER BY sequence {order} LIMIT ?"
        )
        return [_record(row) for row in await self._fetch(sql, (at, *asked.values(), limit))]


class SqlAuditWrites:
    """``AuditWrites`` in an open transaction."""

    _fetch: Fetch
    _transaction: Transaction

    def record(self, entry: AuditEntry) -> None:
        record(self._transaction, entry)

    async def add_audit_checkpoint(self, checkpoint: SealedCheckpoint) -> None:
        rows = await self._fetch("SELECT sequence FROM audit_checkpoints ORDER BY sequence DESC LIMIT 1")
        if checkpoint.first != (rows[0][0] if rows else 0) + 1:
            raise Conflict("somebody else sealed the trail meanwhile", code="checkpoint_exists", retryable=True)
        await self._fetch(
            "INSERT INTO audit_checkpoints (sequence, first, at, kid, signed) VALUES (?, ?, ?, ?, ?)",
            (checkpoint.sequence, checkpoint.first, checkpoint.at, checkpoint.kid, checkpoint.signed),
        )


def _record(row: Row) -> AuditRecord:
    try:
        return AuditRecord(row[0], AuditEntry(*(*row[1:9], decode_data(row[9]))), row[10])
    except (ProtocolError, ValueError, TypeError) as error:
        raise StoreError(
            f"entry {row[0]} of the audit trail cannot be read: run keygw audit verify", code="audit_damaged"
        ) from error
