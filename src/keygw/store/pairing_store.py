"""Pairings in SQL."""

from __future__ import annotations

from keygw.bridge.pairing_ports import GRACE_SECONDS, INTERRUPTED, Guesses, Pairing, PairingState
from keygw.store.group import Storage, Transaction

_COLUMNS = "id, app_id, tenant_id, name, created_at, expires_at, state, reason, vehicle_id, key_id"
_UNSETTLED = "state IN ('searching', 'proving', 'enrolled')"


class SqlPairings:
    """``bridge.pairing_ports.PairingStore``."""

    _database: Storage

    async def add_pairing(self, pairing: Pairing, keep: int) -> bool:
        values = (
            pairing.id,
            pairing.app_id,
            pairing.tenant_id,
            pairing.name,
            pairing.created_at,
            pairing.expires_at,
            pairing.state.value,
            pairing.reason,
            pairing.vehicle_id,
            pairing.key_id,
        )

        async def work(tx: Transaction) -> bool:
            if await tx.fetch(
                f"SELECT 1 FROM pairings WHERE app_id = ? AND {_UNSETTLED} AND expires_at >= ?",  # noqa: S608 - our own words
                (pairing.app_id, pairing.created_at - GRACE_SECONDS),
            ):
                return False
            await tx.fetch(f"INSERT INTO pairings ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)  # noqa: S608 - our own words
            await tx.fetch(
                "DELETE FROM pairings WHERE app_id = ? AND id <> ? AND id NOT IN "
                "(SELECT id FROM pairings WHERE app_id = ? ORDER BY created_at DESC, id LIMIT ?)",
                (pairing.app_id, pairing.id, pairing.app_id, keep),
            )
            return True

        return await self._database.write(work)

    async def save_pairing(self, pairing: Pairing, was: PairingState) -> bool:
        async def work(tx: Transaction) -> bool:
            return bool(
                await tx.fetch(
                    "UPDATE pairings SET state = ?, reason = ?, vehicle_id = ?, key_id = ? "
                    "WHERE id = ? AND state = ? RETURNING id",
                    (
                        pairing.state.value,
                        pairing.reason,
                        pairing.vehicle_id,
                        pairing.key_id,
                        pairing.id,
                        was.value,
                    ),
                )
            )

        return await self._database.write(work)

    async def drop_pairing(self, pairing_id: str, now: int) -> bool:
        async def work(tx: Transaction) -> bool:
            await tx.fetch(
                "DELETE FROM pairings WHERE id = ? AND (state <> 'enrolled' OR expires_at < ?)",
                (pairing_id, now - GRACE_SECONDS),
            )
            if await tx.fetch("SELECT 1 FROM pairings WHERE id = ?", (pairing_id,)):
                return False
            tx.announce(lambda: f"pairing {pairing_id}")
            return True

        return await self._database.write(work)

    async def interrupt_pairings(self) -> int:
        async def work(tx: Transaction) -> int:
            rows = await tx.fetch(
                f"UPDATE pairings SET state = 'failed', reason = ? WHERE {_UNSETTLED} RETURNING id",  # noqa: S608 - our own words
                (INTERRUPTED,),
            )
            return len(rows)

        return await self._database.write(work)

    async def pairing(self, pairing_id: str) -> Pairing | None:
        rows = await self._database.fetch(f"SELECT {_COLUMNS} FROM pairings WHERE id = ?", (pairing_id,))  # noqa: S608 - our own words
        if not rows:
            return None
        pairing_id, app_id, tenant_id, name, created_at, expires_at, state, reason, vehicle_id, key_id = rows[0]
        return Pairing(
            pairing_id,
            app_id,
            tenant_id,
            name,
            created_at,
            expires_at,
            PairingState(state),
            reason,
            vehicle_id,
            key_id,
        )

    async def guesses(self, app_id: str) -> Guesses:
        rows = await self._database.fetch("SELECT wrong, last FROM pairing_guesses WHERE app_id = ?", (app_id,))
        return Guesses(*rows[0]) if rows else Guesses(0, 0)

    async def note_guess(self, app_id: str, wrong: bool, at: int, most: int) -> None:
        async def work(tx: Transaction) -> None:
            if not wrong:
                await tx.fetch("DELETE FROM pairing_guesses WHERE app_id = ?", (app_id,))
                return
            await tx.fetch(
                "INSERT INTO pairing_guesses (app_id, wrong, last) VALUES (?, 1, ?) ON CONFLICT (app_id) DO UPDATE "
                "SET wrong = pairing_guesses.wrong % ? + 1, last = excluded.last",
                (app_id, at, most),
            )

        await self._database.write(work)
