"""The issuer's keys and their rotation, the statements that tell vehicles, and tokens of before a change."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0006"
down_revision = "0005"

upgrade = steps(
    """
    CREATE TABLE issuer_keys (
        ordinal INTEGER PRIMARY KEY,
        issuer TEXT NOT NULL,
        kid BLOB NOT NULL UNIQUE,
        public_key BLOB NOT NULL UNIQUE,
        signer TEXT NOT NULL,
        state TEXT NOT NULL,
        made_at INTEGER NOT NULL,
        activated_at INTEGER,
        retire_at INTEGER,
        retired_at INTEGER
    ) STRICT
    """,
    "CREATE UNIQUE INDEX issuer_keys_next ON issuer_keys (state) WHERE state = 'next'",
    "CREATE UNIQUE INDEX issuer_keys_current ON issuer_keys (state) WHERE state = 'current'",
    """
    CREATE TABLE issuer_statements (
        sequence INTEGER PRIMARY KEY,
        kid BLOB NOT NULL,
        signed BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE issuer_key_acks (
        vehicle_id TEXT PRIMARY KEY REFERENCES vehicles (id),
        sequence INTEGER NOT NULL,
        kid BLOB NOT NULL,
        ack BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE former_tokens (
        key_id TEXT PRIMARY KEY REFERENCES digital_keys (id),
        vehicle_id TEXT NOT NULL REFERENCES vehicles (id),
        cwt BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX former_tokens_by_vehicle ON former_tokens (vehicle_id)",
)
