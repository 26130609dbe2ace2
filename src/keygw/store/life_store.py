"""Lost devices, reservations, transfers, and what time has overtaken: that part of the credential service's port."""

from __future__ import annotations

from dataclasses import replace

from keygw.credentials.life_ports import Loss, Waiting
from keygw.credentials.transfer import Transfer, TransferState
from keygw.model.errors import Conflict
from keygw.store.group import Fetch, Row

_TRANSFER = """
    SELECT id, vehicle_id, offered_by, created_at, expires_at, secret_hash, state, app_id, version FROM transfers
"""


class SqlLifeReads:
    """``LifeReads`` over whatever answers a statement."""

    _fetch: Fetch

    async def loss(self, device_id: str) -> Loss | None:
        rows = await self._fetch("SELECT number, lost, at FROM device_losses WHERE device_id = ?", (device_id,))
        return Loss(rows[0][0], bool(rows[0][1]), rows[0][2]) if rows else None

    async def waiting_keys(self, before: int, at: int) -> list[Waiting]:
        rows = await self._fetch(
            """
            SELECT k.id, k.list_sequence, l.issued_at
            FROM vehicles v
            JOIN digital_keys k ON k.vehicle_id = v.id AND k.list_sequence > v.acknowledged_sequence
            JOIN revocation_lists l ON l.vehicle_id = v.id AND l.sequence = k.list_sequence
            WHERE v.acknowledged_sequence < v.list_sequence AND l.issued_at <= ?
              AND (k.state = 'revoking' OR (k.state IN ('active', 'suspended') AND k.expires_at > ?))
            ORDER BY l.issued_at, k.id
            """,
            (before, at),
        )
        return [Waiting(*row) for row in rows]

    async def keys_over(self, at: int, limit: int) -> list[str]:
        # The condition is spelled like that of the partial index, or SQLite would not use it.
        rows = await self._fetch(
            "SELECT id FROM digital_keys WHERE state IN ('active', 'suspended') AND expires_at <= ? "
            "ORDER BY expires_at LIMIT ?",
            (at, limit),
        )
        return [row[0] for row in rows]

    async def invitations_over(self, at: int, limit: int) -> list[str]:
        rows = await self._fetch(
            "SELECT id FROM invitations WHERE state IN ('open', 'claimed') AND expires_at <= ? "
            "ORDER BY expires_at LIMIT ?",
            (at, limit),
        )
        return [row[0] for row in rows]

    async def person_of(self, app_id: str) -> str | None:
        rows = await self._fetch("SELECT person_id FROM apps WHERE id = ?", (app_id,))
        return rows[0][0] if rows else None

    async def tenant_of(self, app_id: str) -> str | None:
        rows = await self._fetch("SELECT tenant_id FROM apps WHERE id = ?", (app_id,))
        return rows[0][0] if rows else None

    async def transfer(self, transfer_id: str) -> Transfer | None:
        rows = await self._fetch(f"{_TRANSFER} WHERE id = ?", (transfer_id,))
        return _transfer(rows[0]) if rows else None

    async def offered_transfer(self, vehicle_id: str) -> Transfer | None:
        rows = await self._fetch(f"{_TRANSFER} WHERE vehicle_id = ? AND state = 'offered'", (vehicle_id,))
        return _transfer(rows[0]) if rows else None


class SqlLifeWrites(SqlLifeReads):
    """``LifeWrites`` in an open transaction."""

    async def mark_met(self, key_id: str, vehicle_id: str) -> bool:
        rows = await self._fetch(
            "UPDATE digital_keys SET met = 1 WHERE id = ? AND vehicle_id = ? AND met = 0 RETURNING id",
            (key_id, vehicle_id),
        )
        return bool(rows)

    async def raise_epoch(self, vehicle_id: str, epoch: int) -> None:
        await self._fetch("UPDATE vehicles SET epoch = ? WHERE id = ? AND epoch < ?", (epoch, vehicle_id, epoch))

    async def set_loss(self, device_id: str, loss: Loss) -> None:
        await self._fetch(
            "INSERT INTO device_losses (device_id, number, lost, at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (device_id) DO UPDATE SET number = excluded.number, lost = excluded.lost, at = excluded.at",
            (device_id, loss.number, int(loss.lost), loss.at),
        )

    async def bind_owner_key(self, key_id: str, app_id: str) -> None:
        await self._fetch(
            "INSERT INTO key_people (key_id, person_id) "
            "SELECT ?, person_id FROM apps WHERE id = ? AND person_id IS NOT NULL",
            (key_id, app_id),
        )

    async def reserve(self, vehicle_id: str, holder_id: str | None) -> None:
        if holder_id is None:
            await self._fetch("DELETE FROM vehicle_reservations WHERE vehicle_id = ?", (vehicle_id,))
            return
        await self._fetch(
            "INSERT INTO vehicle_reservations (vehicle_id, app_id) VALUES (?, ?) "
            "ON CONFLICT (vehicle_id) DO UPDATE SET app_id = excluded.app_id",
            (vehicle_id, holder_id),
        )

    async def add_transfer(self, transfer: Transfer) -> None:
        rows = await self._fetch(
            "INSERT INTO transfers (id, vehicle_id, offered_by, created_at, expires_at, secret_hash, state, app_id, "
            "version) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
            (
                transfer.id,
                transfer.vehicle_id,
                transfer.offered_by,
                transfer.created_at,
                transfer.expires_at,
                transfer.secret_hash,
                transfer.state.value,
                transfer.app_id,
                transfer.version,
            ),
        )
        if not rows:
            raise Conflict("the vehicle is offered already: take that back first", code="transfer_offered")

    async def save_transfer(self, transfer: Transfer) -> Transfer:
        rows = await self._fetch(
            "UPDATE transfers SET state = ?, app_id = ?, version = version + 1 WHERE id = ? AND version = ? "
            "RETURNING version",
            (transfer.state.value, transfer.app_id, transfer.id, transfer.version),
        )
        if not rows:
            raise Conflict("somebody else changed the offer: try again", code="transfer_changed", retryable=True)
        return replace(transfer, version=rows[0][0])


def _transfer(row: Row) -> Transfer:
    name, vehicle_id, offered_by, created_at, expires_at, secret_hash, state, app_id, version = row
    return Transfer(
        name, vehicle_id, offered_by, created_at, expires_at, secret_hash, TransferState(state), app_id, version
    )
