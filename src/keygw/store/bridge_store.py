"""The bridge's port in SQL: apps, who registered which vehicle, command resources, and whose vehicles they are; tenants
and operators beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keygw.bridge.lease_ports import Lease
from keygw.bridge.people_ports import Note
from keygw.bridge.ports import Word
from keygw.bridge.records import App, CommandRecord, command_from_text, command_to_text
from keygw.credentials.once import Once, look_within, mark
from keygw.model.audit import AuditEntry
from keygw.model.command import CommandState
from keygw.store.app_rows import SELECT_APP, app_of, insert_app
from keygw.store.audit_store import record
from keygw.store.card_store import SqlCards
from keygw.store.group import Row, Storage, Transaction
from keygw.store.lease_store import HELD, SqlLeases, take_lease
from keygw.store.notes import write_note
from keygw.store.oauth_store import SqlOauth
from keygw.store.offer_store import SqlOffers
from keygw.store.once_store import MarksOf
from keygw.store.outbox_store import OutboxOf, SqlOutboxReads
from keygw.store.pairing_store import SqlPairings
from keygw.store.people_store import SqlPeople
from keygw.store.sealed import Seal
from keygw.store.session_store import SqlSessions
from keygw.store.webhook_store import SqlWebhooks

# The condition is spelled like that of the partial index commands_open, or SQLite would not use it.
_OPEN_COMMANDS = """
    SELECT body FROM commands
    WHERE state IN ('accepted', 'queued', 'sent', 'acknowledged', 'unknown')
    {only} ORDER BY position
"""
_SAVE = f"UPDATE commands SET state = ?, body = ? WHERE id = ? AND state = ? AND {HELD} RETURNING id"  # noqa: S608 - our own words


class SqlBridge(
    SqlCards, SqlLeases, SqlOauth, SqlOffers, SqlOutboxReads, SqlPairings, SqlPeople, SqlSessions, SqlWebhooks
):
    """``bridge.ports.BridgeStore``. Each write is a transaction of its own, durable on return. ``seal``: for the
    secrets of webhooks; without it there are none."""

    def __init__(self, database: Storage, seal: Seal | None = None) -> None:
        self._database = database
        self._fetch = database.fetch
        self._seal = seal

    async def add_app(self, app: App, note: Note | None = None, once: Once | None = None) -> None:
        async def work(tx: Transaction) -> None:
            marks = MarksOf(tx)
            if once is not None:
                await look_within(marks, once)
            await insert_app(tx, app)
            if once is not None:
                await mark(marks, once, app.id, app.created_at)
            if note is not None:
                write_note(tx, note)

        await self._database.write(work)

    async def app_by_token(self, token_hash: bytes) -> App | None:
        rows = await self._database.fetch(f"{SELECT_APP} WHERE token_hash = ?", (token_hash,))
        return app_of(rows[0]) if rows else None

    async def app(self, app_id: str) -> App | None:
        rows = await self._database.fetch(f"{SELECT_APP} WHERE id = ?", (app_id,))
        return app_of(rows[0]) if rows else None

    async def apps(self, tenant_id: str | None = None) -> list[App]:
        where, values = ("", ()) if tenant_id is None else ("WHERE tenant_id = ?", (tenant_id,))
        return [
            app_of(row) for row in await self._database.fetch(f"{SELECT_APP} {where} ORDER BY created_at, id", values)
        ]

    async def revoke_app(self, app_id: str, note: Note | None = None) -> None:
        async def work(tx: Transaction) -> None:
            rows = await tx.fetch("UPDATE apps SET revoked = 1 WHERE id = ? AND revoked = 0 RETURNING id", (app_id,))
            if rows and note is not None:
                write_note(tx, note)
            await tx.fetch(  # nobody is left to hear an event of it
                "UPDATE app_sessions SET state = 'closed', reason = 'app_unauthorized' "
                "WHERE app_id = ? AND state <> 'closed'",
                (app_id,),
            )
            await tx.fetch(
                "DELETE FROM app_offers WHERE session_id IN (SELECT id FROM app_sessions WHERE app_id = ?)", (app_id,)
            )
            await tx.fetch(
                "DELETE FROM app_cards WHERE session_id IN (SELECT id FROM app_sessions WHERE app_id = ?)", (app_id,)
            )
            await tx.fetch("DELETE FROM webhooks WHERE app_id = ?", (app_id,))

        await self._database.write(work)

    async def claim_vehicle(self, vehicle_id: str, app_id: str, entry: AuditEntry | None = None) -> str:
        return (await self.claim_vehicles([vehicle_id], app_id, entry))[vehicle_id]

    async def claim_vehicles(
        self, vehicle_ids: Sequence[str], app_id: str, entry: AuditEntry | None = None
    ) -> dict[str, str]:
        async def work(tx: Transaction) -> dict[str, str]:
            return {vehicle_id: await _claim(tx, vehicle_id, app_id, entry) for vehicle_id in vehicle_ids}

        return await self._database.write(work)

    async def pass_claim(self, vehicle_id: str, app_id: str, entry: AuditEntry | None = None) -> None:
        async def work(tx: Transaction) -> None:
            changed = await tx.fetch(
                "INSERT INTO vehicle_claims (vehicle_id, app_id) VALUES (?, ?) ON CONFLICT (vehicle_id) DO UPDATE "
                "SET app_id = excluded.app_id WHERE vehicle_claims.app_id <> excluded.app_id RETURNING vehicle_id",
                (vehicle_id, app_id),
            )
            if changed and entry is not None:
                record(tx, replace(entry, vehicle_id=vehicle_id))

        await self._database.write(work)

    async def claimant(self, vehicle_id: str) -> str | None:
        rows = await self._database.fetch("SELECT app_id FROM vehicle_claims WHERE vehicle_id = ?", (vehicle_id,))
        return rows[0][0] if rows else None

    async def claims(self, app_id: str) -> list[str]:
        rows = await self._database.fetch(
            "SELECT vehicle_id FROM vehicle_claims WHERE app_id = ? ORDER BY vehicle_id", (app_id,)
        )
        return [row[0] for row in rows]

    async def add_command(self, record: CommandRecord, gateway_id: str, word: Word) -> tuple[CommandRecord, Lease]:
        body = command_to_text(record)

        async def work(tx: Transaction) -> tuple[CommandRecord, Lease]:
            lease = await take_lease(tx, record.command.vehicle_id, gateway_id)
            added = await tx.fetch(
                "INSERT INTO commands (id, vehicle_id, app_id, idempotency_key, state, body) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (app_id, idempotency_key) DO NOTHING RETURNING id",
                (
                    record.id,
                    record.command.vehicle_id,
                    record.app_id,
                    record.idempotency_key,
                    record.state.value,
                    body,
                ),
            )
            if added:
                OutboxOf(tx).tell(word.event, word.told)
                if lease.gateway_id != gateway_id:
                    tx.announce(lambda: f"carry {record.command.vehicle_id}")
                return record, lease
            rows = await tx.fetch(
                "SELECT body FROM commands WHERE app_id = ? AND idempotency_key = ?",
                (record.app_id, record.idempotency_key),
            )
            return command_from_text(rows[0][0]), lease

        return await self._database.write(work)

    async def save_command(self, record: CommandRecord, was: CommandState, lease: Lease, word: Word) -> bool:
        body = command_to_text(record)

        async def work(tx: Transaction) -> bool:
            saved = await tx.fetch(
                _SAVE, (record.state.value, body, record.id, was.value, lease.gateway_id, lease.fence)
            )
            if saved:
                OutboxOf(tx).tell(word.event, word.told)
                tx.announce(lambda: f"command {record.id}")
            return bool(saved)

        return await self._database.write(work)

    async def command(self, command_id: str) -> CommandRecord | None:
        rows = await self._database.fetch("SELECT body FROM commands WHERE id = ?", (command_id,))
        return command_from_text(rows[0][0]) if rows else None

    async def command_by_idempotency_key(self, app_id: str, idempotency_key: str) -> CommandRecord | None:
        rows = await self._database.fetch(
            "SELECT body FROM commands WHERE app_id = ? AND idempotency_key = ?", (app_id, idempotency_key)
        )
        return command_from_text(rows[0][0]) if rows else None

    async def open_commands(self, vehicle_id: str | None = None) -> list[CommandRecord]:
        only, values = ("", ()) if vehicle_id is None else ("AND vehicle_id = ?", (vehicle_id,))
        rows = await self._database.fetch(_OPEN_COMMANDS.format(only=only), values)
        return [command_from_text(row[0]) for row in rows]

    async def _put(self, sql: str, values: Sequence[object]) -> list[Row]:
        """One statement, committed."""
        return await self._database.write(lambda tx: tx.fetch(sql, values))


async def _claim(tx: Transaction, vehicle_id: str, app_id: str, entry: AuditEntry | None) -> str:
    claimed = await tx.fetch(
        "INSERT INTO vehicle_claims (vehicle_id, app_id) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING vehicle_id",
        (vehicle_id, app_id),
    )
    if claimed and entry is not None:
        record(tx, replace(entry, vehicle_id=vehicle_id))
    rows = await tx.fetch("SELECT app_id FROM vehicle_claims WHERE vehicle_id = ?", (vehicle_id,))
    return str(rows[0][0])
