"""App sessions."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0015"
down_revision = "0014"

upgrade = steps(
    """
    CREATE TABLE app_sessions (
        id TEXT PRIMARY KEY,
        app_id TEXT NOT NULL,
        tenant_id TEXT,
        vehicle_id TEXT NOT NULL REFERENCES vehicles (id),
        wanted TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        heard_at INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT
    ) STRICT
    """,
    "CREATE INDEX app_sessions_of_app ON app_sessions (app_id, created_at)",
    "CREATE INDEX app_sessions_open ON app_sessions (updated_at) WHERE state <> 'closed'",
)
