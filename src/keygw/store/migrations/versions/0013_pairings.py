"""Pairings, and the wrong codes of each app, so that every gateway on the database knows them."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0013"
down_revision = "0012"

upgrade = steps(
    """
    CREATE TABLE pairings (
        id TEXT PRIMARY KEY,
        app_id TEXT NOT NULL,
        tenant_id TEXT,
        name TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        vehicle_id TEXT,
        key_id TEXT
    ) STRICT
    """,
    "CREATE INDEX pairings_of_app ON pairings (app_id, created_at)",
    """
    CREATE TABLE pairing_guesses (
        app_id TEXT PRIMARY KEY,
        wrong INTEGER NOT NULL,
        last INTEGER NOT NULL
    ) STRICT
    """,
)
