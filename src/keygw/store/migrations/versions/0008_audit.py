"""What was done and by whom, what is still to be told, and which requests have been answered."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0008"
down_revision = "0007"

upgrade = steps(
    """
    CREATE TABLE audit (
        sequence INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        actor TEXT NOT NULL,
        action TEXT NOT NULL,
        tenant_id TEXT,
        vehicle_id TEXT,
        key_id TEXT,
        device_id TEXT,
        outcome TEXT NOT NULL,
        data BLOB NOT NULL,
        hash BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX audit_by_vehicle ON audit (vehicle_id)",
    """
    CREATE TABLE audit_checkpoints (
        sequence INTEGER PRIMARY KEY,
        first INTEGER NOT NULL,
        at INTEGER NOT NULL,
        kid BLOB NOT NULL,
        signed BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE outbox (
        id INTEGER PRIMARY KEY,
        type TEXT NOT NULL,
        vehicle_id TEXT,
        data TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE outbox_cursors (
        consumer TEXT PRIMARY KEY,
        position INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE idempotency (
        app_id TEXT NOT NULL,
        idempotency_key TEXT NOT NULL,
        fingerprint BLOB NOT NULL,
        resource TEXT NOT NULL,
        status INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        PRIMARY KEY (app_id, idempotency_key)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX idempotency_by_age ON idempotency (created_at)",
)
