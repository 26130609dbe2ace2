"""The credential service's port in SQL."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from keygw.credentials.lifecycle import Hold
from keygw.credentials.ports import INDEX_MAX, ListRecord, T, VehicleRecord, Work
from keygw.credentials.values import KeyToken
from keygw.model.device import Device
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.errors import Conflict
from keygw.model.receipt import Receipt
from keygw.model.vehicle import Vehicle
from keygw.store.audit_store import SqlAuditWrites
from keygw.store.credential_reads import SqlReads
from keygw.store.device_store import SqlDeviceWrites, device_of
from keygw.store.errors import Duplicate
from keygw.store.group import Row, Storage, Transaction
from keygw.store.invitation_store import SqlInvitationWrites
from keygw.store.issuer_store import SqlIssuerKeyWrites
from keygw.store.life_store import SqlLifeWrites
from keygw.store.once_store import SqlOnceWrites
from keygw.store.outbox_store import SqlOutboxWrites
from keygw.store.status_store import SqlStatusWrites

_ISSUED, _VEHICLES, _RESTORED = "credentials.last_issued_at", "credentials.vehicles", "credentials.restored"
"""What the works of one group share (``Transaction.memo``): the first that asks asks for all."""

_ADD_KEY = """
    INSERT INTO digital_keys (id, vehicle_id, device_id, role, entitlements, key_index, not_before, expires_at,
        issued_at, state, parent_id, depth, max_depth, epoch, label, version, jwt, cwt, signed_grant, token_expires_at,
        renew_from, profile)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@lru_cache(maxsize=1024)
def _spoils_vehicles(sql: str) -> bool:
    """Whether what is known of vehicles may be wrong after it. There are as many statements as stand in the code."""
    return "UPDATE vehicles" in sql or "INTO vehicle_reservations" in sql or "FROM vehicle_reservations" in sql


class _Transaction(
    SqlReads,
    SqlInvitationWrites,
    SqlLifeWrites,
    SqlDeviceWrites,
    SqlIssuerKeyWrites,
    SqlStatusWrites,
    SqlAuditWrites,
    SqlOutboxWrites,
    SqlOnceWrites,
):
    """``CredentialTransaction``."""

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(self._remembering)
        self._transaction = transaction
        self._memo = transaction.memo

    def _remembering(self, sql: str, parameters: Iterable[Any] = ()) -> Coroutine[Any, Any, list[Row]]:
        # Whoever writes these tables, by whatever statement, need not know of the memo.
        if _spoils_vehicles(sql):
            self._memo.pop(_VEHICLES, None)
        return self._transaction.fetch(sql, parameters)

    async def last_issued_at(self) -> int:
        at: int | None = self._memo.get(_ISSUED)
        if at is None:
            at = self._memo[_ISSUED] = await super().last_issued_at()
        return at

    async def vehicle(self, vehicle_id: str) -> VehicleRecord | None:
        known: dict[str, VehicleRecord] = self._memo.setdefault(_VEHICLES, {})
        found = known.get(vehicle_id)
        if found is None and (found := await super().vehicle(vehicle_id)) is not None:
            known[vehicle_id] = found
        return found

    async def restored_unconfirmed(self) -> bool:
        marked: bool | None = self._memo.get(_RESTORED)
        if marked is None:
            marked = self._memo[_RESTORED] = await super().restored_unconfirmed()
        return marked

    def after_commit(self, callback: Callable[[], None]) -> None:
        self._transaction.after_commit(callback)

    async def raise_last_issued_at(self, at: int) -> None:
        if at <= self._memo.get(_ISSUED, -1):
            return  # mostly: whoever issues has asked, and many issue within one second
        self._memo.pop(_ISSUED, None)
        await self._fetch(
            "INSERT INTO facts (name, value) VALUES ('last_issued_at', ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE excluded.value > facts.value",
            (at,),
        )

    async def add_vehicle(self, vehicle: Vehicle) -> None:
        rows = await self._fetch(
            "INSERT INTO vehicles (id, name, public_key, advertising_key, tenant_id) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING RETURNING id",
            (vehicle.id, vehicle.name, vehicle.public_key, vehicle.advertising_key, vehicle.tenant_id),
        )
        if not rows:
            raise Conflict("a vehicle with this id is registered", code="vehicle_exists")

    async def take_ticket(self, vehicle_id: str, counter: int) -> None:
        rows = await self._fetch(
            "UPDATE vehicles SET ticket_counter = ? WHERE id = ? AND ticket_counter < ? RETURNING id",
            (counter, vehicle_id, counter),
        )
        if not rows:
            raise Conflict("this pairing ticket, or a newer one, has been used", code="ticket_replayed")

    async def add_device(self, device: Device) -> Device:
        self._transaction.announce(lambda: f"device {device.id}")
        # Mostly the update changes nothing; it is there also because only a written row is answered.
        rows = await self._fetch(
            "INSERT INTO devices (id, kind, public_key, label, app_id) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET app_id = coalesce(devices.app_id, excluded.app_id) "
            "RETURNING id, kind, public_key, label, app_id, attestation, attestation_format, model, attested_at, "
            "registered_at",
            (device.id, device.kind.value, device.public_key, device.label, device.app_id),
        )
        return device_of(rows[0])

    async def take_index(self, vehicle_id: str) -> int | None:
        if await self.restored_unconfirmed():
            raise Conflict(
                "the database was restored from a backup, and does not know what was issued or revoked since: the "
                "operator confirms it with keygw restore --confirm",
                code="restored_unconfirmed",
            )
        vehicle = await self.vehicle(vehicle_id)
        if vehicle is None or vehicle.next_index > INDEX_MAX:
            return None
        index = vehicle.next_index
        # Past the memo, which is kept true here.
        await self._transaction.fetch("UPDATE vehicles SET next_index = ? WHERE id = ?", (index + 1, vehicle_id))
        self._memo[_VEHICLES][vehicle_id] = replace(vehicle, next_index=index + 1)
        return index

    async def add_key(self, key: DigitalKey, token: KeyToken) -> None:
        try:
            await self._fetch(_ADD_KEY, _key_row(key, token))
        except Duplicate as error:
            raise Conflict("the key's id or index is taken", code="key_exists") from error

    async def set_key_state(
        self, key: DigitalKey, state: KeyState, list_sequence: int | None = None, hold: Hold | None = None
    ) -> DigitalKey:
        rows = await self._fetch(
            "UPDATE digital_keys SET state = ?, list_sequence = coalesce(?, list_sequence), hold = coalesce(?, hold), "
            "version = version + 1 WHERE id = ? AND version = ? RETURNING version",
            (state.value, list_sequence, None if hold is None else int(hold), key.id, key.version),
        )
        return replace(key, state=state, version=_counted(rows))

    async def set_key_token(self, key: DigitalKey, token: KeyToken) -> DigitalKey:
        rows = await self._fetch(
            "UPDATE digital_keys SET jwt = ?, cwt = ?, token_expires_at = ?, renew_from = ?, "
            "issued_at = ?, expires_at = ?, version = version + 1 WHERE id = ? AND version = ? RETURNING version",
            (
                token.jwt,
                token.cwt,
                token.expires_at,
                token.renew_from,
                key.issued_at,
                key.expires_at,
                key.id,
                key.version,
            ),
        )
        return replace(key, version=_counted(rows))

    async def raise_issued_before(self, vehicle_id: str, at: int) -> None:
        await self._fetch(
            "UPDATE vehicles SET issued_before = ? WHERE id = ? AND issued_before < ?", (at, vehicle_id, at)
        )

    async def add_list(self, record: ListRecord) -> None:
        rows = await self._fetch(
            "UPDATE vehicles SET list_sequence = ? WHERE id = ? AND list_sequence = ? RETURNING id",
            (record.sequence, record.vehicle_id, record.sequence - 1),
        )
        await self._keep_list(record, rows)

    async def adopt_list(self, record: ListRecord, index: int) -> None:
        rows = await self._fetch(
            "UPDATE vehicles SET list_sequence = ? WHERE id = ? AND list_sequence < ? RETURNING id",
            (record.sequence, record.vehicle_id, record.sequence),
        )
        if rows:
            await self._fetch(
                "UPDATE vehicles SET next_index = ? WHERE id = ? AND next_index <= ?",
                (index + 1, record.vehicle_id, index),
            )
        await self._keep_list(record, rows)

    async def _keep_list(self, record: ListRecord, moved: Sequence[Row]) -> None:
        if not moved:
            raise Conflict("this is not the vehicle's next list", code="list_exists", retryable=True)
        await self._fetch(
            "INSERT INTO revocation_lists (vehicle_id, sequence, issued_at, signed, ack) VALUES (?, ?, ?, ?, ?)",
            (record.vehicle_id, record.sequence, record.issued_at, record.signed, record.ack),
        )

    async def acknowledge_list(self, vehicle_id: str, sequence: int, ack: bytes) -> None:
        await self._fetch(
            "UPDATE revocation_lists SET ack = ? WHERE vehicle_id = ? AND sequence = ?", (ack, vehicle_id, sequence)
        )
        await self._fetch(
            "UPDATE vehicles SET acknowledged_sequence = ? WHERE id = ? AND acknowledged_sequence < ?",
            (sequence, vehicle_id, sequence),
        )

    async def add_receipt(self, receipt: Receipt) -> None:
        rows = await self._fetch(
            "INSERT INTO receipts (vehicle_id, sequence, number, key_id, action, outcome, lock_before, lock_after, "
            "boot_epoch, session, previous, at, signed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT DO NOTHING RETURNING sequence",
            (
                receipt.vehicle_id,
                receipt.sequence,
                receipt.number,
                receipt.key_id,
                int(receipt.action),
                int(receipt.outcome),
                receipt.before,
                receipt.after,
                receipt.boot_epoch,
                receipt.session,
                receipt.previous,
                receipt.at,
                receipt.signed,
            ),
        )
        if not rows:
            raise Conflict("there is a receipt with this sequence", code="receipt_exists")

    async def set_receipts_through(self, vehicle_id: str, sequence: int) -> None:
        await self._fetch("UPDATE vehicles SET receipts_through = ? WHERE id = ?", (sequence, vehicle_id))


def _counted(rows: Sequence[Row]) -> int:
    """The row's new version; none was written if somebody else was quicker."""
    if not rows:
        raise Conflict("somebody else changed the key meanwhile: try again", code="key_changed", retryable=True)
    return int(rows[0][0])


def _key_row(key: DigitalKey, token: KeyToken) -> Row:
    """The values of ``_ADD_KEY``."""
    return (
        key.id,
        key.vehicle_id,
        key.device_id,
        int(key.role),
        int(key.entitlements),
        key.index,
        key.not_before,
        key.expires_at,
        key.issued_at,
        key.state.value,
        key.parent_id,
        key.depth,
        key.max_depth,
        key.epoch,
        key.label,
        key.version,
        token.jwt,
        token.cwt,
        token.grant,
        token.expires_at,
        token.renew_from,
        key.profile,
    )


class SqlCredentials(SqlReads):
    """``CredentialStore``: reads see what is committed, writes go through ``transaction``."""

    def __init__(self, database: Storage) -> None:
        super().__init__(database.fetch)
        self._database = database

    async def write(self, work: Work[T]) -> T:
        return await self._database.write(lambda transaction: work(_Transaction(transaction)))
