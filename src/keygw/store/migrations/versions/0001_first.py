"""Vehicles, devices, digital keys, lists, receipts; hosted keys; apps and their commands."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0001"
down_revision = None

upgrade = steps(
    """
    CREATE TABLE facts (
        name TEXT PRIMARY KEY,
        value ANY NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE vehicles (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        public_key BLOB NOT NULL,
        advertising_key BLOB NOT NULL,
        epoch INTEGER NOT NULL DEFAULT 0,
        next_index INTEGER NOT NULL DEFAULT 0,
        list_sequence INTEGER NOT NULL DEFAULT 0,
        acknowledged_sequence INTEGER NOT NULL DEFAULT 0,
        receipts_through INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE devices (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        public_key BLOB NOT NULL,
        label TEXT NOT NULL,
        app_id TEXT
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE digital_keys (
        id TEXT PRIMARY KEY,
        vehicle_id TEXT NOT NULL REFERENCES vehicles (id),
        device_id TEXT NOT NULL REFERENCES devices (id),
        role INTEGER NOT NULL,
        entitlements INTEGER NOT NULL,
        key_index INTEGER NOT NULL,
        not_before INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        issued_at INTEGER NOT NULL,
        state TEXT NOT NULL,
        parent_id TEXT REFERENCES digital_keys (id),
        depth INTEGER NOT NULL,
        max_depth INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        label TEXT NOT NULL,
        version INTEGER NOT NULL,
        list_sequence INTEGER NOT NULL DEFAULT 0,
        jwt TEXT NOT NULL,
        cwt BLOB NOT NULL,
        UNIQUE (vehicle_id, key_index)
    ) STRICT
    """,
    "CREATE INDEX digital_keys_by_end ON digital_keys (vehicle_id, expires_at)",
    "CREATE INDEX digital_keys_by_device ON digital_keys (device_id)",
    "CREATE INDEX digital_keys_revoking ON digital_keys (vehicle_id) WHERE state = 'revoking'",
    """
    CREATE TABLE revocation_lists (
        vehicle_id TEXT NOT NULL REFERENCES vehicles (id),
        sequence INTEGER NOT NULL,
        issued_at INTEGER NOT NULL,
        signed BLOB NOT NULL,
        ack BLOB,
        PRIMARY KEY (vehicle_id, sequence)
    ) STRICT
    """,
    """
    CREATE TABLE receipts (
        vehicle_id TEXT NOT NULL REFERENCES vehicles (id),
        sequence INTEGER NOT NULL,
        number INTEGER NOT NULL,
        key_id TEXT NOT NULL,
        action INTEGER NOT NULL,
        outcome INTEGER NOT NULL,
        lock_before INTEGER,
        lock_after INTEGER,
        boot_epoch INTEGER NOT NULL,
        session BLOB NOT NULL,
        previous BLOB NOT NULL,
        at INTEGER NOT NULL,
        signed BLOB NOT NULL,
        PRIMARY KEY (vehicle_id, sequence)
    ) STRICT
    """,
    """
    CREATE TABLE hosted_keys (
        device_id TEXT PRIMARY KEY,
        nonce BLOB NOT NULL,
        sealed BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE apps (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        token_hash BLOB NOT NULL UNIQUE,
        scopes TEXT NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL,
        revoked INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    """
    CREATE TABLE vehicle_claims (
        vehicle_id TEXT PRIMARY KEY,
        app_id TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX vehicle_claims_by_app ON vehicle_claims (app_id)",
    """
    CREATE TABLE commands (
        position INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        vehicle_id TEXT NOT NULL,
        app_id TEXT NOT NULL,
        idempotency_key TEXT NOT NULL,
        state TEXT NOT NULL,
        body TEXT NOT NULL,
        UNIQUE (app_id, idempotency_key)
    ) STRICT
    """,
    """
    CREATE INDEX commands_open ON commands (position)
        WHERE state IN ('accepted', 'queued', 'sent', 'acknowledged', 'unknown')
    """,
)
