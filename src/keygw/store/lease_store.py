"""Leases in SQL. Whoever writes is the only writer of the deployment, so what a work reads here still stands when it
writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from keygw.bridge.lease_ports import Lease
from keygw.model.errors import StoreError
from keygw.store.group import Row, Storage, Transaction

HELD = "EXISTS (SELECT 1 FROM leases l WHERE l.vehicle_id = commands.vehicle_id AND l.gateway_id = ? AND l.fence = ?)"
"""Of an UPDATE of ``commands``, with gateway id and fence: true while the lease is that gateway's."""


class SqlLeases:
    """``bridge.lease_ports.LeaseStore``."""

    _database: Storage

    async def join(self, gateway_id: str) -> None:
        await self._put("INSERT INTO gateways (id, beat) VALUES (?, 0)", (gateway_id,))

    async def beat(self, gateway_id: str) -> dict[str, int] | None:
        async def work(tx: Transaction) -> dict[str, int] | None:
            if not await tx.fetch("UPDATE gateways SET beat = beat + 1 WHERE id = ? RETURNING id", (gateway_id,)):
                return None
            return {row[0]: row[1] for row in await tx.fetch("SELECT id, beat FROM gateways ORDER BY id")}

        return await self._database.write(work)

    async def bury(self, gateway_id: str, count: int, heir: str) -> list[Lease]:
        async def work(tx: Transaction) -> list[Lease]:
            if not await tx.fetch("DELETE FROM gateways WHERE id = ? AND beat = ? RETURNING id", (gateway_id, count)):
                return []
            rows = await tx.fetch(
                "UPDATE leases SET gateway_id = ?, fence = fence + 1, heard = NULL WHERE gateway_id = ? "
                "RETURNING vehicle_id, fence",
                (heir, gateway_id),
            )
            for row in rows:
                tx.announce(partial("heard {}".format, row[0]))
            return [Lease(vehicle_id, heir, fence) for vehicle_id, fence in rows]

        return await self._database.write(work)

    async def leave(self, gateway_id: str) -> None:
        async def work(tx: Transaction) -> None:
            await tx.fetch("DELETE FROM gateways WHERE id = ?", (gateway_id,))
            rows = await tx.fetch(
                "UPDATE leases SET gateway_id = NULL, heard = NULL WHERE gateway_id = ? RETURNING vehicle_id",
                (gateway_id,),
            )
            for row in rows:
                tx.announce(partial("heard {}".format, row[0]))
                tx.announce(partial("free {}".format, row[0]))

        await self._database.write(work)

    async def take(self, vehicle_id: str, gateway_id: str) -> Lease:
        return await self._database.write(lambda tx: take_lease(tx, vehicle_id, gateway_id))

    async def give_back(self, lease: Lease) -> bool:
        async def work(tx: Transaction) -> bool:
            given = await tx.fetch(
                "UPDATE leases SET gateway_id = NULL, heard = NULL "
                "WHERE vehicle_id = ? AND gateway_id = ? AND fence = ? AND NOT EXISTS "
                "(SELECT 1 FROM commands WHERE vehicle_id = leases.vehicle_id "
                "AND state IN ('accepted', 'queued', 'sent', 'acknowledged')) "
                "RETURNING vehicle_id",
                (lease.vehicle_id, lease.gateway_id, lease.fence),
            )
            if given:
                tx.announce(lambda: f"heard {lease.vehicle_id}")
            return bool(given)

        return await self._database.write(work)

    async def lease(self, vehicle_id: str) -> Lease | None:
        rows = await self._database.fetch(
            "SELECT vehicle_id, gateway_id, fence FROM leases WHERE vehicle_id = ? AND gateway_id IS NOT NULL",
            (vehicle_id,),
        )
        return Lease(*rows[0]) if rows else None

    async def tell_heard(self, heard: Mapping[Lease, str | None]) -> None:
        async def work(tx: Transaction) -> None:
            for lease, text in heard.items():
                told = await tx.fetch(
                    "UPDATE leases SET heard = ? WHERE vehicle_id = ? AND gateway_id = ? AND fence = ? "
                    "RETURNING vehicle_id",
                    (text, lease.vehicle_id, lease.gateway_id, lease.fence),
                )
                if told:
                    tx.announce(partial("heard {}".format, lease.vehicle_id))

        await self._database.write(work)

    async def heard(self, vehicle_id: str | None = None) -> dict[str, str | None]:
        only, values = ("", ()) if vehicle_id is None else ("WHERE vehicle_id = ?", (vehicle_id,))
        rows = await self._database.fetch(f"SELECT vehicle_id, heard FROM leases {only}", values)  # noqa: S608 - ours
        return {row[0]: row[1] for row in rows}

    async def announce(self, text: str) -> None:
        async def work(tx: Transaction) -> None:
            tx.announce(lambda: text)

        await self._database.write(work)

    async def _put(self, sql: str, values: Sequence[object]) -> list[Row]:
        """One statement, committed."""
        return await self._database.write(lambda tx: tx.fetch(sql, values))


async def take_lease(tx: Transaction, vehicle_id: str, gateway_id: str) -> Lease:
    """The lease as it is after this gateway has reached for it. ``StoreError`` if this gateway has been buried.

    Who is none of the gateways has nothing: what it took after its burial nobody else would take over.
    """
    rows = await tx.fetch(
        "SELECT gateway_id, fence FROM leases WHERE vehicle_id = ? AND gateway_id IN (SELECT id FROM gateways)",
        (vehicle_id,),
    )
    if rows:
        return Lease(vehicle_id, rows[0][0], rows[0][1])
    if not await tx.fetch("SELECT 1 FROM gateways WHERE id = ?", (gateway_id,)):
        raise StoreError("this gateway was taken for dead, and begins anew", code="store_busy", retryable=True)
    taken = await tx.fetch(
        "INSERT INTO leases (vehicle_id, gateway_id, fence) VALUES (?, ?, 1) ON CONFLICT (vehicle_id) DO UPDATE "
        "SET gateway_id = excluded.gateway_id, fence = leases.fence + 1 RETURNING fence",
        (vehicle_id, gateway_id),
    )
    return Lease(vehicle_id, gateway_id, taken[0][0])
