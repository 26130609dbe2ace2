"""Issuer keys in SQL: the parts of the credential service's port that are about them."""

from __future__ import annotations

from keygw.credentials.issuer_keys import IssuerKeyRecord, IssuerKeyState
from keygw.credentials.issuer_ports import StatementRecord
from keygw.model.errors import Conflict
from keygw.store.errors import Duplicate
from keygw.store.group import Fetch, Row, Transaction

# In a signed object of the issuer the kid stands at the same place: bytes 8 to 15 (token.envelope), counted from 1.
_SIGNED_BY = """
    SELECT vehicle_id FROM (
        SELECT k.vehicle_id AS vehicle_id FROM digital_keys k
        WHERE substr(k.cwt, 8, 8) = ? AND k.state IN ('active', 'suspended') AND k.expires_at > ?
        UNION
        SELECT l.vehicle_id FROM revocation_lists l
        JOIN vehicles v ON v.id = l.vehicle_id AND v.list_sequence = l.sequence
        WHERE substr(l.signed, 8, 8) = ?
    ) AS found
    WHERE vehicle_id > ? ORDER BY vehicle_id LIMIT ?
"""
_KEY = """
    SELECT ordinal, issuer, kid, public_key, signer, state, made_at, activated_at, retire_at, retired_at
    FROM issuer_keys
"""


class SqlIssuerKeyReads:
    """``IssuerKeyReads`` over whatever answers a statement."""

    _fetch: Fetch

    async def issuer_keys(self) -> list[IssuerKeyRecord]:
        return [_key(row) for row in await self._fetch(f"{_KEY} ORDER BY ordinal")]

    async def vehicles_signed_by(self, kid: bytes, at: int, after: str, limit: int) -> list[str]:
        return [str(row[0]) for row in await self._fetch(_SIGNED_BY, (kid, at, kid, after, limit))]

    async def longest_token(self, kid: bytes) -> int:
        rows = await self._fetch("SELECT max(token_expires_at) FROM digital_keys WHERE substr(cwt, 8, 8) = ?", (kid,))
        return int(rows[0][0] or 0)

    async def issuer_statements(self, after: int) -> list[StatementRecord]:
        sql = "SELECT sequence, kid, signed FROM issuer_statements WHERE sequence > ? ORDER BY sequence"
        return [StatementRecord(row[0], bytes(row[1]), bytes(row[2])) for row in await self._fetch(sql, (after,))]

    async def issuer_key_ack(self, vehicle_id: str) -> int:
        rows = await self._fetch("SELECT sequence FROM issuer_key_acks WHERE vehicle_id = ?", (vehicle_id,))
        return int(rows[0][0]) if rows else 0

    async def vehicles_told(self, sequence: int) -> int:
        rows = await self._fetch("SELECT count(*) FROM issuer_key_acks WHERE sequence >= ?", (sequence,))
        return int(rows[0][0])

    async def former_token(self, key_id: str) -> bytes | None:
        rows = await self._fetch("SELECT cwt FROM former_tokens WHERE key_id = ?", (key_id,))
        return bytes(rows[0][0]) if rows else None


def _keys_changed() -> str:
    return "issuer keys"


class SqlIssuerKeyWrites(SqlIssuerKeyReads):
    """``IssuerKeyWrites`` in an open transaction."""

    _transaction: Transaction

    async def add_issuer_key(self, record: IssuerKeyRecord) -> None:
        self._transaction.announce(_keys_changed)
        try:
            await self._fetch(
                "INSERT INTO issuer_keys (ordinal, issuer, kid, public_key, signer, state, made_at, activated_at, "
                "retire_at, retired_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    record.ordinal,
                    record.issuer,
                    record.kid,
                    record.public_key,
                    record.signer,
                    record.state.value,
                    record.made_at,
                    record.activated_at,
                    record.retire_at,
                    record.retired_at,
                ),
            )
        except Duplicate as error:
            raise _taken() from error

    async def save_issuer_key(self, record: IssuerKeyRecord) -> None:
        self._transaction.announce(_keys_changed)
        try:
            await self._fetch(
                "UPDATE issuer_keys SET state = ?, activated_at = ?, retire_at = ?, retired_at = ? WHERE kid = ?",
                (record.state.value, record.activated_at, record.retire_at, record.retired_at, record.kid),
            )
        except Duplicate as error:
            raise _taken() from error

    async def add_issuer_statement(self, record: StatementRecord) -> None:
        try:
            await self._fetch(
                "INSERT INTO issuer_statements (sequence, kid, signed) VALUES (?, ?, ?)",
                (record.sequence, record.kid, record.signed),
            )
        except Duplicate as error:
            raise _taken() from error

    async def acknowledge_issuer_key(self, vehicle_id: str, sequence: int, kid: bytes, ack: bytes) -> None:
        await self._fetch(
            "INSERT INTO issuer_key_acks (vehicle_id, sequence, kid, ack) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (vehicle_id) DO UPDATE SET sequence = excluded.sequence, kid = excluded.kid, "
            "ack = excluded.ack",
            (vehicle_id, sequence, kid, ack),
        )

    async def keep_former_token(self, key_id: str, vehicle_id: str, cwt: bytes) -> None:
        await self._fetch(
            "INSERT INTO former_tokens (key_id, vehicle_id, cwt) VALUES (?, ?, ?) ON CONFLICT (key_id) DO NOTHING",
            (key_id, vehicle_id, cwt),
        )

    async def drop_former_tokens(self, vehicle_id: str) -> None:
        await self._fetch("DELETE FROM former_tokens WHERE vehicle_id = ?", (vehicle_id,))


def _taken() -> Conflict:
    return Conflict("another issuer key was made or activated meanwhile: look at them again", code="issuer_key_exists")


def _key(row: Row) -> IssuerKeyRecord:
    return IssuerKeyRecord(
        ordinal=row[0],
        issuer=row[1],
        kid=bytes(row[2]),
        public_key=bytes(row[3]),
        signer=row[4],
        state=IssuerKeyState(row[5]),
        made_at=row[6],
        activated_at=row[7],
        retire_at=row[8],
        retired_at=row[9],
    )
