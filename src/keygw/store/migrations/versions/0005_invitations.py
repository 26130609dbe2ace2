"""Keys that outlive their tokens, and invitations."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0005"
down_revision = "0004"

upgrade = steps(
    "ALTER TABLE digital_keys ADD COLUMN token_expires_at INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE digital_keys ADD COLUMN renew_from INTEGER",
    # Until now a key ended with its one token. Owner keys of the full term (a year) may be prolonged from here on.
    "UPDATE digital_keys SET token_expires_at = expires_at",
    """
    UPDATE digital_keys SET renew_from = expires_at - (expires_at - issued_at) / 3
        WHERE role = 1 AND expires_at - issued_at = 31536000
    """,
    """
    CREATE TABLE invitations (
        position INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        vehicle_id TEXT NOT NULL REFERENCES vehicles (id),
        parent_id TEXT NOT NULL REFERENCES digital_keys (id),
        app_id TEXT NOT NULL,
        entitlements INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        secret_hash BLOB NOT NULL,
        code_hash BLOB,
        key_expires_at INTEGER,
        key_lifetime INTEGER,
        label TEXT NOT NULL,
        state TEXT NOT NULL,
        device_key BLOB,
        key_id TEXT REFERENCES digital_keys (id),
        wrong_codes INTEGER NOT NULL,
        other_claims INTEGER NOT NULL,
        version INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX invitations_by_vehicle ON invitations (vehicle_id)",
    "CREATE INDEX invitations_unsettled ON invitations (parent_id) WHERE state IN ('open', 'claimed')",
)
