"""Passkeys in SQL."""

from __future__ import annotations

from keygw.bridge.oauth.records import Passkey
from keygw.bridge.people_ports import Note
from keygw.model.errors import Conflict
from keygw.store.group import Row, Storage, Transaction
from keygw.store.notes import write_note

_COLUMNS = "id, person_id, home_id, name, credential_id, data, counter, synced, created_at, used_at"
_SELECT = f"SELECT {_COLUMNS} FROM passkeys"  # noqa: S608 - our own words
_INSERT = (
    f"INSERT INTO passkeys ({_COLUMNS}) VALUES ({', '.join('?' * 10)}) "  # noqa: S608 - our own words
    "ON CONFLICT DO NOTHING RETURNING id"
)


class SqlPasskeys:
    """``bridge.oauth.records.PasskeyStore``."""

    _database: Storage

    async def add_passkey(self, passkey: Passkey, most: int, note: Note) -> bool:
        values = (
            passkey.id,
            passkey.person_id,
            passkey.home_id,
            passkey.name,
            passkey.credential_id,
            passkey.data,
            passkey.counter,
            int(passkey.synced),
            passkey.created_at,
            passkey.used_at,
        )

        async def work(tx: Transaction) -> bool:
            rows = await tx.fetch("SELECT COUNT(*) FROM passkeys WHERE person_id = ?", (passkey.person_id,))
            if rows[0][0] >= most:
                return False
            if not await tx.fetch(_INSERT, values):
                raise Conflict("this passkey is known here already", code="passkey_exists")
            write_note(tx, note)
            return True

        return await self._database.write(work)

    async def passkey(self, passkey_id: str) -> Passkey | None:
        return await self._passkey("id", passkey_id)

    async def passkey_by_credential(self, credential_id: bytes) -> Passkey | None:
        return await self._passkey("credential_id", credential_id)

    async def passkeys_of(self, person_id: str) -> list[Passkey]:
        rows = await self._database.fetch(f"{_SELECT} WHERE person_id = ? ORDER BY created_at, id", (person_id,))
        return [_of(row) for row in rows]

    async def use_passkey(self, passkey_id: str, counter: int, at: int) -> bool:
        sql = (
            "UPDATE passkeys SET counter = ?, used_at = ? WHERE id = ? AND (counter < ? OR counter = 0 AND ? = 0) "
            "RETURNING id"
        )
        values = (counter, at, passkey_id, counter, counter)
        return bool(await self._database.write(lambda tx: tx.fetch(sql, values)))

    async def remove_passkey(self, passkey_id: str, note: Note) -> bool:
        async def work(tx: Transaction) -> bool:
            if not await tx.fetch("DELETE FROM passkeys WHERE id = ? RETURNING id", (passkey_id,)):
                return False
            write_note(tx, note)
            return True

        return await self._database.write(work)

    async def _passkey(self, column: str, value: object) -> Passkey | None:
        rows = await self._database.fetch(f"{_SELECT} WHERE {column} = ?", (value,))
        return _of(rows[0]) if rows else None


def _of(row: Row) -> Passkey:
    passkey_id, person_id, home_id, name, credential_id, data, counter, synced, created_at, used_at = row
    return Passkey(
        passkey_id,
        person_id,
        home_id,
        name,
        bytes(credential_id),
        bytes(data),
        counter,
        bool(synced),
        created_at,
        used_at,
    )
