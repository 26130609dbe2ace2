"""Which keys a vehicle has met, why one is suspended; lost devices, reserved vehicles, vehicles handed over."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0010"
down_revision = "0009"

upgrade = steps(
    "ALTER TABLE digital_keys ADD COLUMN met INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE digital_keys ADD COLUMN hold INTEGER NOT NULL DEFAULT 0",
    "UPDATE digital_keys SET met = 1 WHERE id IN (SELECT key_id FROM receipts)",
    # Until now somebody had asked for every suspension.
    "UPDATE digital_keys SET hold = 1 WHERE state = 'suspended'",
    "CREATE INDEX digital_keys_open ON digital_keys (expires_at) WHERE state IN ('active', 'suspended')",
    "CREATE INDEX invitations_open ON invitations (expires_at) WHERE state IN ('open', 'claimed')",
    """
    CREATE TABLE device_losses (
        device_id TEXT PRIMARY KEY REFERENCES devices (id),
        number INTEGER NOT NULL,
        lost INTEGER NOT NULL,
        at INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE vehicle_reservations (
        vehicle_id TEXT PRIMARY KEY REFERENCES vehicles (id),
        app_id TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE transfers (
        id TEXT PRIMARY KEY,
        vehicle_id TEXT NOT NULL REFERENCES vehicles (id),
        state TEXT NOT NULL,
        offered_by TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        secret_hash BLOB NOT NULL,
        app_id TEXT,
        version INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE UNIQUE INDEX transfers_offered ON transfers (vehicle_id) WHERE state = 'offered'",
)
