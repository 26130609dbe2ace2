"""The questions of the credential service's port in SQL, and how a row becomes a value."""

from __future__ import annotations

from keygw.credentials.lifecycle import Hold
from keygw.credentials.ports import KeyRecord, ListRecord, VehicleRecord
from keygw.credentials.values import KeyToken
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.entitlement import Entitlement
from keygw.model.receipt import Receipt
from keygw.model.vehicle import Vehicle
from keygw.store.audit_store import SqlAuditReads
from keygw.store.device_store import SqlDeviceReads
from keygw.store.group import Fetch, Row
from keygw.store.invitation_store import SqlInvitationReads
from keygw.store.issuer_store import SqlIssuerKeyReads
from keygw.store.life_store import SqlLifeReads
from keygw.store.marks import is_unconfirmed
from keygw.store.once_store import SqlOnceReads
from keygw.store.outbox_store import SqlOutboxReads
from keygw.store.status_store import SqlStatusReads

_VEHICLE = """
    SELECT id, name, public_key, advertising_key, epoch, list_sequence, acknowledged_sequence, receipts_through,
           ticket_counter, issued_before, next_index, app_id, tenant_id
    FROM vehicles LEFT JOIN vehicle_reservations ON vehicle_id = id
"""
_ONE_VEHICLE = f"{_VEHICLE} WHERE id = ?"
# Sharing goes two levels deep at most (credentials.values.MAX_DEPTH): parent and grandparent are all there is above.
_KEY = """
    SELECT k.id, k.vehicle_id, k.device_id, k.role, k.entitlements, k.key_index, k.not_before, k.expires_at,
           k.issued_at, k.state, k.parent_id, k.depth, k.max_depth, k.epoch, k.label, k.version,
           k.hold, k.met, k.renew_from, k.list_sequence, p.state, p.list_sequence, g.state, g.list_sequence,
           v.list_sequence, v.acknowledged_sequence, k.profile
    FROM digital_keys k
    JOIN vehicles v ON v.id = k.vehicle_id
    LEFT JOIN digital_keys p ON p.id = k.parent_id
    LEFT JOIN digital_keys g ON g.id = p.parent_id
"""
_RECEIPT = """
    SELECT vehicle_id, sequence, number, key_id, action, outcome, lock_before, lock_after, boot_epoch, session,
           previous, at, signed
    FROM receipts
"""


class SqlReads(
    SqlInvitationReads,
    SqlLifeReads,
    SqlDeviceReads,
    SqlIssuerKeyReads,
    SqlStatusReads,
    SqlAuditReads,
    SqlOutboxReads,
    SqlOnceReads,
):
    """``CredentialReads`` over whatever answers a statement: the reader, or an open transaction."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def last_issued_at(self) -> int:
        rows = await self._fetch("SELECT value FROM facts WHERE name = 'last_issued_at'")
        return int(rows[0][0]) if rows else 0

    async def restored_unconfirmed(self) -> bool:
        return await is_unconfirmed(self._fetch)

    async def vehicle(self, vehicle_id: str) -> VehicleRecord | None:
        rows = await self._fetch(_ONE_VEHICLE, (vehicle_id,))
        return _vehicle(rows[0]) if rows else None

    async def vehicles(self) -> list[VehicleRecord]:
        return [_vehicle(row) for row in await self._fetch(f"{_VEHICLE} ORDER BY id")]

    async def key(self, key_id: str) -> KeyRecord | None:
        rows = await self._fetch(f"{_KEY} WHERE k.id = ?", (key_id,))
        return _key(rows[0]) if rows else None

    async def key_token(self, key_id: str) -> KeyToken | None:
        rows = await self._fetch(
            "SELECT jwt, cwt, signed_grant, token_expires_at, renew_from FROM digital_keys WHERE id = ?", (key_id,)
        )
        return KeyToken(*rows[0]) if rows else None

    async def keys(self, vehicle_id: str | None = None, device_id: str | None = None) -> list[KeyRecord]:
        wanted = {"k.vehicle_id = ?": vehicle_id, "k.device_id = ?": device_id}
        wheres = [where for where, value in wanted.items() if value is not None]
        values = [value for value in wanted.values() if value is not None]
        where = f"WHERE {' AND '.join(wheres)}" if wheres else ""
        return [_key(row) for row in await self._fetch(f"{_KEY} {where} ORDER BY k.vehicle_id, k.key_index", values)]

    async def unexpired_keys(self, vehicle_id: str, at: int) -> list[KeyRecord]:
        sql = f"{_KEY} WHERE k.vehicle_id = ? AND k.expires_at > ? ORDER BY k.key_index"
        return [_key(row) for row in await self._fetch(sql, (vehicle_id, at))]

    async def unexpired_count(self, vehicle_id: str, at: int) -> int:
        sql = (
            "SELECT count(*) FROM digital_keys "
            "WHERE vehicle_id = ? AND expires_at > ? AND state NOT IN ('revoking', 'revoked')"
        )
        return int((await self._fetch(sql, (vehicle_id, at)))[0][0])

    async def revoking_keys(self, vehicle_id: str, through: int) -> list[KeyRecord]:
        sql = f"{_KEY} WHERE k.vehicle_id = ? AND k.state = 'revoking' AND k.list_sequence <= ? ORDER BY k.key_index"
        return [_key(row) for row in await self._fetch(sql, (vehicle_id, through))]

    async def revocation_list(self, vehicle_id: str, sequence: int) -> ListRecord | None:
        rows = await self._fetch(
            "SELECT vehicle_id, sequence, issued_at, signed, ack FROM revocation_lists "
            "WHERE vehicle_id = ? AND sequence = ?",
            (vehicle_id, sequence),
        )
        return ListRecord(*rows[0]) if rows else None

    async def receipt(self, vehicle_id: str, sequence: int) -> Receipt | None:
        rows = await self._fetch(f"{_RECEIPT} WHERE vehicle_id = ? AND sequence = ?", (vehicle_id, sequence))
        return _receipt(rows[0]) if rows else None

    async def receipts(self, vehicle_id: str, after: int, limit: int, key_id: str | None = None) -> list[Receipt]:
        of_key, values = ("AND key_id = ?", [key_id]) if key_id is not None else ("", [])
        sql = f"{_RECEIPT} WHERE vehicle_id = ? AND sequence > ? {of_key} ORDER BY sequence LIMIT ?"
        return [_receipt(row) for row in await self._fetch(sql, (vehicle_id, after, *values, limit))]

    async def receipt_run_end(self, vehicle_id: str, start: int) -> int:
        rows = await self._fetch(
            "SELECT min(sequence) FROM receipts here WHERE vehicle_id = ? AND sequence >= ? AND NOT EXISTS "
            "(SELECT 1 FROM receipts WHERE vehicle_id = here.vehicle_id AND sequence = here.sequence + 1)",
            (vehicle_id, start),
        )
        return int(rows[0][0])


def _vehicle(row: Row) -> VehicleRecord:
    return VehicleRecord(Vehicle(row[0], row[1], row[2], row[3], row[12]), *row[4:12])


def _key(row: Row) -> KeyRecord:
    key = DigitalKey(
        id=row[0],
        vehicle_id=row[1],
        device_id=row[2],
        role=Role(row[3]),
        entitlements=Entitlement(row[4]),
        index=row[5],
        not_before=row[6],
        expires_at=row[7],
        issued_at=row[8],
        state=KeyState(row[9]),
        parent_id=row[10],
        depth=row[11],
        max_depth=row[12],
        epoch=row[13],
        label=row[14],
        version=row[15],
        profile=row[26],
    )
    hold, met, renew_from, own, parent, parent_list, grandparent, grandparent_list, newest, acknowledged = row[16:26]
    return KeyRecord(
        key,
        own,
        above=tuple(KeyState(state) for state in (parent, grandparent) if state is not None),
        family_sequence=max(own, parent_list or 0, grandparent_list or 0),
        newest=newest,
        acknowledged=acknowledged,
        hold=Hold(hold),
        met=bool(met),
        renew_from=renew_from,
    )


def _receipt(row: Row) -> Receipt:
    return Receipt(
        vehicle_id=row[0],
        sequence=row[1],
        number=row[2],
        key_id=row[3],
        action=Action(row[4]),
        outcome=Outcome(row[5]),
        before=None if row[6] is None else bool(row[6]),
        after=None if row[7] is None else bool(row[7]),
        boot_epoch=row[8],
        session=row[9],
        previous=row[10],
        at=row[11],
        signed=row[12],
    )
