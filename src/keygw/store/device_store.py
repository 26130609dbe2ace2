"""Devices and their challenges: the parts of the credential service's port that are about them."""

from __future__ import annotations

from keygw.credentials.device_ports import Holder
from keygw.model.device import AttestationLevel, Device, DeviceKind
from keygw.store.group import Fetch, Row, Transaction

_DEVICE = """
    SELECT id, kind, public_key, label, app_id, attestation, attestation_format, model, attested_at, registered_at
    FROM devices
"""
_LIVE_KEY = """
    SELECT 1 FROM digital_keys WHERE expires_at > ? AND state NOT IN ('revoking', 'revoked')
"""
_KNOWN = """
    WHERE app_id IS NOT NULL OR EXISTS (SELECT 1 FROM digital_keys WHERE digital_keys.device_id = devices.id)
"""
_HOLDER = f"""
    SELECT id, kind, public_key, label, app_id, attestation, attestation_format, model, attested_at, registered_at,
           coalesce((SELECT lost FROM device_losses WHERE device_id = id), 0),
           (SELECT count(*) FROM ({_LIVE_KEY} AND device_id = devices.id LIMIT ?) live)
    FROM devices WHERE id = ?
"""  # noqa: S608 - our own words


class SqlDeviceReads:
    """``DeviceReads`` over whatever answers a statement."""

    _fetch: Fetch

    async def device(self, device_id: str) -> Device | None:
        rows = await self._fetch(f"{_DEVICE} WHERE id = ?", (device_id,))
        return device_of(rows[0]) if rows else None

    async def devices(self, app_id: str | None = None) -> list[Device]:
        where, values = (_KNOWN, ()) if app_id is None else ("WHERE app_id = ?", (app_id,))
        return [device_of(row) for row in await self._fetch(f"{_DEVICE} {where} ORDER BY id", values)]

    async def registered_count(self, app_id: str) -> int:
        sql = "SELECT count(*) FROM devices WHERE app_id = ? AND registered_at IS NOT NULL"
        return int((await self._fetch(sql, (app_id,)))[0][0])

    async def holder(self, device_id: str, at: int, most: int) -> Holder:
        rows = await self._fetch(_HOLDER, (at, most, device_id))
        return Holder(device_of(rows[0]), bool(rows[0][10]), rows[0][11]) if rows else Holder()

    async def unexpired_of_owner(self, owner_key_id: str, at: int, most: int) -> int:
        # Two levels are all there are (credentials.values.MAX_DEPTH).
        below = "SELECT id FROM digital_keys WHERE parent_id = ?"
        sql = f"{_LIVE_KEY} AND (parent_id = ? OR parent_id IN ({below})) LIMIT ?"
        return len(await self._fetch(sql, (at, owner_key_id, owner_key_id, most)))


class SqlDeviceWrites(SqlDeviceReads):
    """``DeviceWrites`` in an open transaction."""

    _transaction: Transaction

    async def save_device(self, device: Device) -> Device:
        self._transaction.announce(lambda: f"device {device.id}")
        rows = await self._fetch(
            "INSERT INTO devices (id, kind, public_key, label, app_id, attestation, attestation_format, model, "
            "attested_at, registered_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET label = excluded.label, app_id = excluded.app_id, "
            "attestation = excluded.attestation, attestation_format = excluded.attestation_format, "
            "model = excluded.model, attested_at = excluded.attested_at, registered_at = excluded.registered_at "
            "RETURNING id, kind, public_key, label, app_id, attestation, attestation_format, model, attested_at, "
            "registered_at",
            (
                device.id,
                device.kind.value,
                device.public_key,
                device.label,
                device.app_id,
                device.attestation.value,
                device.attestation_format,
                device.model,
                device.attested_at,
                device.registered_at,
            ),
        )
        return device_of(rows[0])

    async def forget_device(self, device_id: str) -> None:
        self._transaction.announce(lambda: f"device {device_id}")
        await self._fetch(
            "UPDATE devices SET label = '', app_id = NULL, attestation = 'none', attestation_format = '', model = '', "
            "attested_at = NULL, registered_at = NULL WHERE id = ?",
            (device_id,),
        )

    async def add_challenge(self, digest: bytes, app_id: str, expires_at: int, now: int, most: int) -> None:
        await self._fetch("DELETE FROM device_challenges WHERE expires_at <= ?", (now,))
        await self._fetch(
            "INSERT INTO device_challenges (digest, app_id, expires_at) VALUES (?, ?, ?)", (digest, app_id, expires_at)
        )
        await self._fetch(
            "DELETE FROM device_challenges WHERE app_id = ? AND digest NOT IN (SELECT digest FROM device_challenges "
            "WHERE app_id = ? ORDER BY expires_at DESC, digest LIMIT ?)",
            (app_id, app_id, most),
        )

    async def take_challenge(self, digest: bytes, app_id: str, now: int) -> bool:
        rows = await self._fetch(
            "DELETE FROM device_challenges WHERE digest = ? AND app_id = ? AND expires_at > ? RETURNING digest",
            (digest, app_id, now),
        )
        return bool(rows)


def device_of(row: Row) -> Device:
    return Device(
        id=row[0],
        kind=DeviceKind(row[1]),
        public_key=row[2],
        label=row[3],
        app_id=row[4],
        attestation=AttestationLevel(row[5]),
        attestation_format=row[6],
        model=row[7],
        attested_at=row[8],
        registered_at=row[9],
    )
