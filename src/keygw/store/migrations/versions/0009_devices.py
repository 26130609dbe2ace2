"""What is proven of device keys, the profile that a key was asked for by, and what the limits count."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0009"
down_revision = "0008"

upgrade = steps(
    "ALTER TABLE devices ADD COLUMN attestation TEXT NOT NULL DEFAULT 'none'",
    "ALTER TABLE devices ADD COLUMN attestation_format TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE devices ADD COLUMN model TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE devices ADD COLUMN attested_at INTEGER",
    "ALTER TABLE devices ADD COLUMN registered_at INTEGER",
    "CREATE INDEX devices_by_app ON devices (app_id) WHERE app_id IS NOT NULL",
    "ALTER TABLE digital_keys ADD COLUMN profile TEXT NOT NULL DEFAULT ''",
    # Friends' keys stay without: they are judged by their entitlements.
    "UPDATE digital_keys SET profile = 'owner' WHERE role = 1",
    "CREATE INDEX digital_keys_by_parent ON digital_keys (parent_id) WHERE parent_id IS NOT NULL",
    "ALTER TABLE invitations ADD COLUMN profile TEXT NOT NULL DEFAULT ''",
    """
    CREATE TABLE device_challenges (
        digest BLOB PRIMARY KEY,
        app_id TEXT NOT NULL,
        expires_at INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX device_challenges_by_app ON device_challenges (app_id, expires_at)",
)
