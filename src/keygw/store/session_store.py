"""App sessions in SQL."""

from __future__ import annotations

from collections.abc import Callable

from keygw.bridge.app_session import AppSession, CloseReason, SessionState
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.store.group import Row, Storage, Transaction
from keygw.store.outbox_store import OutboxOf

_COLUMNS = "id, app_id, tenant_id, vehicle_id, wanted, created_at, updated_at, heard_at, state, reason, closes_on"
_SELECT = f"SELECT {_COLUMNS} FROM app_sessions"  # noqa: S608 - our own words


class SqlSessions:
    """``bridge.session_ports.SessionStore``."""

    _database: Storage

    async def add_session(
        self, session: AppSession, most: int, keep: int, event: OutboxEvent, told: Callable[[Told], None]
    ) -> bool:
        async def work(tx: Transaction) -> bool:
            rows = await tx.fetch(
                "SELECT COUNT(*) FROM app_sessions WHERE app_id = ? AND state <> 'closed'", (session.app_id,)
            )
            if rows[0][0] >= most:
                return False
            await tx.fetch(
                "DELETE FROM app_sessions WHERE app_id = ? AND state = 'closed' AND id NOT IN (SELECT id FROM "
                "app_sessions WHERE app_id = ? AND state = 'closed' ORDER BY updated_at DESC, id LIMIT ?)",
                (session.app_id, session.app_id, keep),
            )
            await tx.fetch(
                f"INSERT INTO app_sessions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - our own words
                _values(session),
            )
            OutboxOf(tx).tell(event, told)
            return True

        return await self._database.write(work)

    async def save_session(
        self, session: AppSession, was: AppSession, event: OutboxEvent | None, told: Callable[[Told], None]
    ) -> bool:
        async def work(tx: Transaction) -> bool:
            rows = await tx.fetch(
                "UPDATE app_sessions SET wanted = ?, updated_at = ?, heard_at = ?, state = ?, reason = ? "
                "WHERE id = ? AND state = ? AND updated_at = ? RETURNING id",
                (*_values(session)[4:5], *_values(session)[6:10], session.id, was.state.value, was.updated_at),
            )
            if rows and session.state is SessionState.CLOSED:
                await tx.fetch("DELETE FROM app_cards WHERE session_id = ?", (session.id,))
                await tx.fetch("DELETE FROM app_offers WHERE session_id = ?", (session.id,))
            if rows and event is not None:
                OutboxOf(tx).tell(event, told)
            return bool(rows)

        return await self._database.write(work)

    async def session(self, session_id: str) -> AppSession | None:
        rows = await self._database.fetch(f"{_SELECT} WHERE id = ?", (session_id,))
        return _session(rows[0]) if rows else None

    async def sessions_of(self, app_id: str) -> list[AppSession]:
        rows = await self._database.fetch(f"{_SELECT} WHERE app_id = ? ORDER BY created_at, id", (app_id,))
        return [_session(row) for row in rows]

    async def sessions_at(self, vehicle_id: str) -> list[AppSession]:
        rows = await self._database.fetch(
            f"{_SELECT} WHERE vehicle_id = ? AND state = 'active' ORDER BY created_at, id", (vehicle_id,)
        )
        return [_session(row) for row in rows]

    async def sessions_due(self, silent: int, suspended: int, limit: int) -> list[AppSession]:
        rows = await self._database.fetch(
            f"{_SELECT} WHERE (state = 'active' AND heard_at <= ?) OR (state = 'suspended' AND updated_at <= ?) "
            "ORDER BY updated_at, id LIMIT ?",
            (silent, suspended, limit),
        )
        return [_session(row) for row in rows]


def _values(session: AppSession) -> tuple[object, ...]:
    return (
        session.id,
        session.app_id,
        session.tenant_id,
        session.vehicle_id,
        " ".join(session.wanted),
        session.created_at,
        session.updated_at,
        session.heard_at,
        session.state.value,
        None if session.reason is None else session.reason.value,
        " ".join(session.closes_on),
    )


def _session(row: Row) -> AppSession:
    session_id, app_id, tenant_id, vehicle_id, wanted, created_at, updated_at, heard_at, state, reason, closes_on = row
    return AppSession(
        session_id,
        app_id,
        tenant_id,
        vehicle_id,
        tuple(wanted.split()),
        created_at,
        updated_at,
        heard_at,
        SessionState(state),
        None if reason is None else CloseReason(reason),
        tuple(CloseReason(each) for each in closes_on.split()),
    )
