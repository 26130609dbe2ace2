"""Tenants and operators in SQL, and accounts with them: that part of the bridge's port."""

from __future__ import annotations

from keygw.bridge.people_ports import Note
from keygw.bridge.records import Operator
from keygw.bridge.roles import OperatorRole
from keygw.model.errors import Conflict
from keygw.model.tenant import Tenant
from keygw.store.group import Row, Storage, Transaction
from keygw.store.notes import write_note
from keygw.store.person_store import SqlLimits, SqlPersons
from keygw.store.privacy_store import SqlPrivacy

_TENANT = "SELECT id, name, created_at FROM tenants"
_OPERATOR = "SELECT id, tenant_id, name, role, created_at, expires_at, token_hash, revoked FROM operators"
_ENDED = "SELECT 1 FROM ended_bootstraps WHERE token_hash = ?"


class SqlPeople(SqlPersons, SqlLimits, SqlPrivacy):
    """``bridge.people_ports``. Each write is a transaction of its own, durable on return."""

    _database: Storage

    async def add_tenant(self, tenant: Tenant, note: Note) -> None:
        async def work(tx: Transaction) -> None:
            rows = await tx.fetch(
                "INSERT INTO tenants (id, name, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
                (tenant.id, tenant.name, tenant.created_at),
            )
            if not rows:
                raise Conflict("a tenant with this id is there already", code="tenant_exists")
            write_note(tx, note)

        await self._database.write(work)

    async def tenant(self, tenant_id: str) -> Tenant | None:
        rows = await self._database.fetch(f"{_TENANT} WHERE id = ?", (tenant_id,))
        return Tenant(*rows[0]) if rows else None

    async def tenants(self) -> list[Tenant]:
        return [Tenant(*row) for row in await self._database.fetch(f"{_TENANT} ORDER BY created_at, id")]

    async def add_operator(self, operator: Operator, note: Note) -> None:
        values = (
            operator.id,
            operator.tenant_id,
            operator.name,
            operator.role.value,
            operator.created_at,
            operator.expires_at,
            operator.token_hash,
            int(operator.revoked),
        )

        async def work(tx: Transaction) -> None:
            rows = await tx.fetch(
                "INSERT INTO operators (id, tenant_id, name, role, created_at, expires_at, token_hash, revoked) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
                values,
            )
            if not rows:
                raise Conflict("an operator with this id or token is there already", code="operator_exists")
            write_note(tx, note)

        await self._database.write(work)

    async def operator(self, operator_id: str) -> Operator | None:
        rows = await self._database.fetch(f"{_OPERATOR} WHERE id = ?", (operator_id,))
        return _operator(rows[0]) if rows else None

    async def operator_by_token(self, token_hash: bytes) -> Operator | None:
        rows = await self._database.fetch(f"{_OPERATOR} WHERE token_hash = ?", (token_hash,))
        return _operator(rows[0]) if rows else None

    async def operators(self, tenant_id: str | None = None) -> list[Operator]:
        where, values = ("", ()) if tenant_id is None else ("WHERE tenant_id = ?", (tenant_id,))
        rows = await self._database.fetch(f"{_OPERATOR} {where} ORDER BY created_at, id", values)
        return [_operator(row) for row in rows]

    async def replace_operator_token(self, operator_id: str, token_hash: bytes, expires_at: int, note: Note) -> bool:
        async def work(tx: Transaction) -> bool:
            rows = await tx.fetch(
                "UPDATE operators SET token_hash = ?, expires_at = ? WHERE id = ? AND revoked = 0 RETURNING id",
                (token_hash, expires_at, operator_id),
            )
            if rows:
                write_note(tx, note)
            return bool(rows)

        return await self._database.write(work)

    async def revoke_operator(self, operator_id: str, bootstrap: bytes, now: int, note: Note) -> bool:
        async def work(tx: Transaction) -> bool:
            rows = await tx.fetch(
                "UPDATE operators SET revoked = 1 WHERE id = ? AND revoked = 0 RETURNING id", (operator_id,)
            )
            if not rows:
                return False
            if await tx.fetch(_ENDED, (bootstrap,)):
                await _check_admin(tx, now)
            write_note(tx, note)
            return True

        return await self._database.write(work)

    async def end_bootstrap(self, token_hash: bytes, now: int, note: Note) -> bool:
        async def work(tx: Transaction) -> bool:
            await _check_admin(tx, now)
            rows = await tx.fetch(
                "INSERT INTO ended_bootstraps (token_hash, at) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING at",
                (token_hash, now),
            )
            if rows:
                write_note(tx, note)
            return bool(rows)

        return await self._database.write(work)

    async def bootstrap_ended(self, token_hash: bytes) -> bool:
        return bool(await self._database.fetch(_ENDED, (token_hash,)))


async def _check_admin(tx: Transaction, now: int) -> None:
    """Whoever closes the last door is told so in time."""
    rows = await tx.fetch(
        "SELECT 1 FROM operators WHERE tenant_id IS NULL AND role = ? AND revoked = 0 AND expires_at > ? LIMIT 1",
        (OperatorRole.ADMIN.value, now),
    )
    if not rows:
        raise Conflict("without it no admin of the whole gateway would be left: add one first", code="last_admin")


def _operator(row: Row) -> Operator:
    operator_id, tenant_id, name, role, created_at, expires_at, token_hash, revoked = row
    return Operator(operator_id, tenant_id, name, OperatorRole(role), created_at, expires_at, token_hash, bool(revoked))
