"""Webhooks in SQL. Whoever writes is the only writer of the deployment, so what a work reads here still stands when it
writes."""

# ruff: noqa: S608 - the statements are put together of our own words

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace

from keygw.bridge.people_ports import Note
from keygw.bridge.webhook_ports import (
    Attempt,
    Delivery,
    DeliveryKind,
    DeliveryState,
    DisabledReason,
    Failure,
    Hold,
    Progress,
    Webhook,
)
from keygw.credentials.once import Once, look_within, mark
from keygw.credentials.outbox_ports import Told
from keygw.model.errors import StoreError
from keygw.store.group import Row, Storage, Transaction
from keygw.store.notes import write_note
from keygw.store.once_store import MarksOf
from keygw.store.outbox_store import OutboxOf
from keygw.store.sealed import Seal

_COLUMNS = (
    "id, app_id, tenant_id, url, secret, created_at, updated_at, label, events, former, former_until, reason, "
    "position, failures, failing_since, next_at, revision"
)
_SELECT = f"SELECT {_COLUMNS} FROM webhooks"
_LOG = "id, webhook_id, kind, event_id, type, created_at, state, attempts, tries, next_at, body"
_FREE = "reason IS NULL AND (gateway_id IS NULL OR gateway_id NOT IN (SELECT id FROM gateways))"
_NEWEST = "SELECT coalesce(max(id), 0) FROM outbox"


class SqlWebhooks:
    """``bridge.webhook_ports.WebhookStore``."""

    _database: Storage
    _seal: Seal | None

    async def add_webhook(self, webhook: Webhook, most: int, note: Note, once: Once | None = None) -> Webhook | None:
        async def work(tx: Transaction) -> Webhook | None:
            marks = MarksOf(tx)
            if once is not None:
                await look_within(marks, once)
            rows = await tx.fetch("SELECT count(*) FROM webhooks WHERE app_id = ?", (webhook.app_id,))
            if rows[0][0] >= most:
                return None
            made = replace(webhook, position=(await tx.fetch(_NEWEST))[0][0])
            values = self._values(made)
            await tx.fetch(f"INSERT INTO webhooks ({_COLUMNS}, fence) VALUES ({'?, ' * len(values)}0)", values)
            if once is not None:
                await mark(marks, once, webhook.id, webhook.created_at)
            write_note(tx, note)
            return made

        return await self._database.write(work)

    async def webhook(self, webhook_id: str) -> Webhook | None:
        rows = await self._database.fetch(f"{_SELECT} WHERE id = ?", (webhook_id,))
        return self._webhook(rows[0]) if rows else None

    async def webhooks(self, *, app_id: str | None = None, tenant_id: str | None = None) -> list[Webhook]:
        given = {"app_id": app_id, "tenant_id": tenant_id}
        wanted = {name: value for name, value in given.items() if value is not None}
        where = f"WHERE {' AND '.join(f'{name} = ?' for name in wanted)}" if wanted else ""
        rows = await self._database.fetch(f"{_SELECT} {where} ORDER BY created_at, id", tuple(wanted.values()))
        return [self._webhook(row) for row in rows]

    async def change_webhook(
        self, webhook_id: str, change: Callable[[Webhook], Webhook], note: Note, *, skip_missed: bool = False
    ) -> Webhook | None:
        async def work(tx: Transaction) -> Webhook | None:
            rows = await tx.fetch(f"{_SELECT} WHERE id = ?", (webhook_id,))
            if not rows:
                return None
            was = self._webhook(rows[0])
            position = (await tx.fetch(_NEWEST))[0][0] if skip_missed else was.position
            made = replace(change(was), revision=was.revision + 1, position=position)
            values = self._values(made)[3:]
            names = " = ?, ".join(_COLUMNS.split(", ")[3:])
            await tx.fetch(f"UPDATE webhooks SET {names} = ? WHERE id = ?", (*values, webhook_id))
            if skip_missed:
                await tx.fetch(
                    "UPDATE webhook_deliveries SET state = ?, next_at = NULL "
                    "WHERE webhook_id = ? AND state = 'pending'",
                    (DeliveryState.SKIPPED.value, webhook_id),
                )
            write_note(tx, note)
            return made

        return await self._database.write(work)

    async def remove_webhook(self, webhook_id: str, note: Note) -> bool:
        async def work(tx: Transaction) -> bool:
            gone = await tx.fetch("DELETE FROM webhooks WHERE id = ? RETURNING id", (webhook_id,))
            if gone:
                write_note(tx, note)
            return bool(gone)

        return await self._database.write(work)

    async def hold_webhooks(self, gateway_id: str) -> list[Hold]:
        if await self._database.fetch(f"SELECT 1 FROM webhooks WHERE {_FREE} LIMIT 1"):  # mostly there are none

            async def work(tx: Transaction) -> None:
                await tx.fetch(
                    f"UPDATE webhooks SET gateway_id = ?, fence = fence + 1 WHERE {_FREE} "
                    "AND EXISTS (SELECT 1 FROM gateways g WHERE g.id = ?)",
                    (gateway_id, gateway_id),
                )

            await self._database.write(work)
        rows = await self._database.fetch(
            "SELECT id, fence FROM webhooks WHERE reason IS NULL "
            "AND gateway_id IN (SELECT id FROM gateways WHERE id = ?) ORDER BY id",
            (gateway_id,),
        )
        return [Hold(webhook_id, gateway_id, fence) for webhook_id, fence in rows]

    async def let_webhooks_go(self, gateway_id: str) -> None:
        async def work(tx: Transaction) -> None:
            if await tx.fetch("UPDATE webhooks SET gateway_id = NULL WHERE gateway_id = ? RETURNING id", (gateway_id,)):
                tx.announce(lambda: "webhook free")

        await self._database.write(work)

    async def pass_over(self, positions: Mapping[Hold, int]) -> None:
        async def work(tx: Transaction) -> None:
            for hold, position in positions.items():
                await _move(tx, hold, position)

        await self._database.write(work)

    async def progress(
        self,
        hold: Hold,
        revision: int,
        progress: Progress,
        delivery: Delivery | None,
        keep: int,
        told: Callable[[Told], None],
    ) -> bool:
        async def work(tx: Transaction) -> bool:
            now = await _move(tx, hold, progress.position)
            if now is None:
                return False
            if now == revision:
                reason = None if progress.disabled is None else progress.disabled.value
                changed = await tx.fetch(
                    "UPDATE webhooks SET failures = ?, failing_since = ?, next_at = ?, reason = coalesce(reason, ?) "
                    "WHERE id = ? AND reason IS NULL RETURNING id",
                    (progress.failures, progress.failing_since, progress.next_at, reason, hold.webhook_id),
                )
                if changed and progress.note is not None:
                    write_note(tx, progress.note)
                if changed and progress.event is not None:
                    OutboxOf(tx).tell(progress.event, told)
            if delivery is not None:
                await _log(tx, delivery, keep)
            return True

        return await self._database.write(work)

    async def add_delivery(self, delivery: Delivery, keep: int) -> bool:
        async def work(tx: Transaction) -> bool:
            there = await tx.fetch("SELECT 1 FROM webhooks WHERE id = ?", (delivery.webhook_id,))
            if there:
                await _log(tx, delivery, keep)
            return bool(there)

        return await self._database.write(work)

    async def pending_delivery(self, webhook_id: str) -> Delivery | None:
        rows = await self._database.fetch(
            f"SELECT number, {_LOG} FROM webhook_deliveries WHERE webhook_id = ? AND state = 'pending' LIMIT 1",
            (webhook_id,),
        )
        return _delivery(rows[0]) if rows else None

    async def delivery(self, webhook_id: str, delivery_id: str) -> Delivery | None:
        rows = await self._database.fetch(
            f"SELECT number, {_LOG} FROM webhook_deliveries WHERE webhook_id = ? AND id = ?", (webhook_id, delivery_id)
        )
        return _delivery(rows[0]) if rows else None

    async def deliveries(self, webhook_id: str, limit: int, before: int | None = None) -> list[Delivery]:
        bound, values = ("", ()) if before is None else ("AND number < ?", (before,))
        rows = await self._database.fetch(
            f"SELECT number, {_LOG} FROM webhook_deliveries WHERE webhook_id = ? {bound} ORDER BY number DESC LIMIT ?",
            (webhook_id, *values, limit),
        )
        return [_delivery(row) for row in rows]

    def _values(self, webhook: Webhook) -> tuple[object, ...]:
        """In the order of the columns."""
        seal = self._sealed_with()
        return (
            webhook.id,
            webhook.app_id,
            webhook.tenant_id,
            webhook.url,
            seal.close(webhook.secret, webhook.id),
            webhook.created_at,
            webhook.updated_at,
            webhook.label,
            " ".join(webhook.events),
            None if webhook.former is None else seal.close(webhook.former, webhook.id),
            webhook.former_until,
            None if webhook.reason is None else webhook.reason.value,
            webhook.position,
            webhook.failures,
            webhook.failing_since,
            webhook.next_at,
            webhook.revision,
        )

    def _webhook(self, row: Row) -> Webhook:
        named = dict(zip(_COLUMNS.split(", "), row, strict=True))
        seal, owner = self._sealed_with(), str(named["id"])
        former, reason = named["former"], named["reason"]
        return Webhook(
            **named
            | {
                "secret": seal.open(bytes(named["secret"]), owner),
                "former": None if former is None else seal.open(bytes(former), owner),
                "events": tuple(named["events"].split()),
                "reason": None if reason is None else DisabledReason(reason),
            }
        )

    def _sealed_with(self) -> Seal:
        if self._seal is None:
            raise StoreError("this database was opened without its vault key, and keeps no secrets")
        return self._seal


async def _move(tx: Transaction, hold: Hold, position: int) -> int | None:
    """Not back; the revision, or ``None`` if it is not held so any more."""
    rows = await tx.fetch(
        "UPDATE webhooks SET position = CASE WHEN position < ? THEN ? ELSE position END "
        "WHERE id = ? AND gateway_id = ? AND fence = ? RETURNING revision",
        (position, position, hold.webhook_id, hold.gateway_id, hold.fence),
    )
    return rows[0][0] if rows else None


async def _log(tx: Transaction, delivery: Delivery, keep: int) -> None:
    """Insert, or replace the one of that id."""
    attempts = [[each.at, each.seconds, each.status, each.failure] for each in delivery.attempts]
    text = json.dumps(attempts, separators=(",", ":"))
    await tx.fetch(
        f"INSERT INTO webhook_deliveries ({_LOG}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE "
        "SET state = excluded.state, attempts = excluded.attempts, tries = excluded.tries, next_at = excluded.next_at",
        (
            delivery.id,
            delivery.webhook_id,
            delivery.kind.value,
            delivery.event_id,
            delivery.type,
            delivery.created_at,
            delivery.state.value,
            text,
            delivery.tries,
            delivery.next_at,
            delivery.body,
        ),
    )
    await tx.fetch(
        "DELETE FROM webhook_deliveries WHERE webhook_id = ? AND number <= (SELECT number FROM webhook_deliveries "
        "WHERE webhook_id = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
        (delivery.webhook_id, delivery.webhook_id, keep),
    )


def _delivery(row: Row) -> Delivery:
    number, delivery_id, webhook_id, kind, event_id, type_, created_at, state, attempts, tries, next_at, body = row
    made = [
        Attempt(at, seconds, status, None if failure is None else Failure(failure))
        for at, seconds, status, failure in json.loads(attempts)
    ]
    return Delivery(
        delivery_id,
        webhook_id,
        DeliveryKind(kind),
        event_id,
        type_,
        created_at,
        DeliveryState(state),
        tuple(made),
        tries,
        next_at,
        body,
        number,
    )
