"""Offers of app sessions in SQL."""

from __future__ import annotations

import json
from collections.abc import Callable

from keygw.bridge.offer_ports import OFFER_SECONDS, Destination, Offer, OfferState, Voice
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.store.group import Row, Storage, Transaction
from keygw.store.outbox_store import OutboxOf

_FROM = (
    "SELECT o.id, o.session_id, s.app_id, COALESCE(a.name, ''), s.vehicle_id, o.kind, o.body, o.created_at, o.state "
    "FROM app_offers o JOIN app_sessions s ON s.id = o.session_id LEFT JOIN apps a ON a.id = s.app_id"
)


class SqlOffers:
    """``bridge.offer_ports.OfferStore``."""

    _database: Storage

    async def put_offer(self, offer: Offer, now: int) -> Offer | None:
        async def work(tx: Transaction) -> Offer | None:
            heard = "UPDATE app_sessions SET heard_at = ? WHERE id = ? AND state = 'active' RETURNING id"
            if not await tx.fetch(heard, (now, offer.session_id)):
                return None
            there = await tx.fetch(
                f"{_FROM} WHERE o.session_id = ? AND o.kind = ? AND o.body = ? AND o.state = 'offered' "
                "AND o.created_at > ?",
                (offer.session_id, offer.kind.value, _body(offer), now - OFFER_SECONDS),
            )
            if there:
                return _offer(there[0])
            await tx.fetch(
                "DELETE FROM app_offers WHERE session_id = ? AND kind = ?", (offer.session_id, offer.kind.value)
            )
            await tx.fetch(
                "INSERT INTO app_offers (id, session_id, kind, body, state, created_at) VALUES (?, ?, ?, ?, ?, ?)",
                (offer.id, offer.session_id, offer.kind.value, _body(offer), offer.state.value, offer.created_at),
            )
            return offer

        return await self._database.write(work)

    async def offer(self, offer_id: str) -> Offer | None:
        rows = await self._database.fetch(f"{_FROM} WHERE o.id = ?", (offer_id,))
        return _offer(rows[0]) if rows else None

    async def offers_on(self, vehicle_id: str, since: int, most: int) -> list[Offer]:
        rows = await self._database.fetch(
            f"{_FROM} WHERE s.vehicle_id = ? AND s.state = 'active' AND o.created_at > ? "
            "ORDER BY o.created_at DESC, o.id LIMIT ?",
            (vehicle_id, since, most),
        )
        return [_offer(row) for row in reversed(rows)]

    async def answer_offer(
        self, offer: Offer, state: OfferState, event: OutboxEvent, told: Callable[[Told], None]
    ) -> bool:
        async def work(tx: Transaction) -> bool:
            rows = await tx.fetch(
                "UPDATE app_offers SET state = ? WHERE id = ? AND state = 'offered' AND session_id IN "
                "(SELECT id FROM app_sessions WHERE id = ? AND state = 'active') RETURNING id",
                (state.value, offer.id, offer.session_id),
            )
            if rows:
                OutboxOf(tx).tell(event, told)
            return bool(rows)

        return await self._database.write(work)

    async def drop_offers(self, until: int) -> None:
        if not await self._database.fetch("SELECT 1 FROM app_offers WHERE created_at <= ? LIMIT 1", (until,)):
            return  # a write is a place in the writer's queue

        async def work(tx: Transaction) -> None:
            await tx.fetch("DELETE FROM app_offers WHERE created_at <= ?", (until,))

        await self._database.write(work)


def _body(offer: Offer) -> str:
    what = offer.what
    told = [what.name, what.latitude, what.longitude] if isinstance(what, Destination) else [what.intent, what.text]
    return json.dumps(told, separators=(",", ":"))


def _offer(row: Row) -> Offer:
    offer_id, session_id, app_id, app_name, vehicle_id, kind, body, created_at, state = row
    told = json.loads(body)
    what = Destination(*told) if kind == "destination" else Voice(*told)
    return Offer(offer_id, session_id, app_id, app_name, vehicle_id, what, created_at, OfferState(state))
