"""Cards of app sessions in SQL."""

from __future__ import annotations

import json
from collections.abc import Callable

from keygw.bridge.card_ports import Button, Card
from keygw.bridge.driving import Template
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.store.group import Row, Storage, Transaction
from keygw.store.outbox_store import OutboxOf

_ACTIVE = "FROM app_cards c JOIN app_sessions s ON s.id = c.session_id AND s.state = 'active'"


class SqlCards:
    """``bridge.card_ports.CardStore``."""

    _database: Storage

    async def put_card(self, card: Card, most: int, now: int) -> bool | None:
        async def work(tx: Transaction) -> bool | None:
            others = await tx.fetch(
                "SELECT COUNT(*) FROM app_cards WHERE session_id = ? AND name <> ?", (card.session_id, card.name)
            )
            heard = "UPDATE app_sessions SET heard_at = ? WHERE id = ? AND state = 'active' RETURNING id"
            if not await tx.fetch(heard, (now, card.session_id)):
                return None
            if others[0][0] >= most:
                return False
            await tx.fetch("DELETE FROM app_cards WHERE session_id = ? AND name = ?", (card.session_id, card.name))
            await tx.fetch(
                "INSERT INTO app_cards (session_id, name, position, body) "
                "SELECT ?, ?, COALESCE(MAX(position), 0) + 1, ? FROM app_cards",
                (card.session_id, card.name, _body(card)),
            )
            return True

        return await self._database.write(work)

    async def drop_card(self, session_id: str, name: str) -> None:
        async def work(tx: Transaction) -> None:
            await tx.fetch("DELETE FROM app_cards WHERE session_id = ? AND name = ?", (session_id, name))

        await self._database.write(work)

    async def cards_on(self, vehicle_id: str, most: int) -> list[Card]:
        rows = await self._database.fetch(
            f"SELECT c.session_id, s.app_id, c.name, c.body, COALESCE(a.name, '') {_ACTIVE} "
            "LEFT JOIN apps a ON a.id = s.app_id WHERE s.vehicle_id = ? ORDER BY c.position DESC LIMIT ?",
            (vehicle_id, most),
        )
        return [_card(row) for row in reversed(rows)]

    async def tell_of_card(self, card: Card, event: OutboxEvent, told: Callable[[Told], None]) -> bool:
        async def work(tx: Transaction) -> bool:
            rows = await tx.fetch(
                f"SELECT 1 {_ACTIVE} WHERE c.session_id = ? AND c.name = ? AND c.body = ?",
                (card.session_id, card.name, _body(card)),
            )
            if rows:
                OutboxOf(tx).tell(event, told)
            return bool(rows)

        return await self._database.write(work)


def _body(card: Card) -> str:
    buttons = [[each.name, each.label] for each in card.buttons]
    return json.dumps([card.template.value, card.title, list(card.lines), buttons], separators=(",", ":"))


def _card(row: Row) -> Card:
    session_id, app_id, name, body, app_name = row
    template, title, lines, buttons = json.loads(body)
    made = tuple(Button(*each) for each in buttons)
    return Card(session_id, app_id, name, Template(template), title, tuple(lines), made, app_name)
