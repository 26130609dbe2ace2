"""Cards of app sessions. They go with their session."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0017"
down_revision = "0016"

upgrade = steps(
    """
    CREATE TABLE app_cards (
        session_id TEXT NOT NULL REFERENCES app_sessions (id) ON DELETE CASCADE,
        name TEXT NOT NULL,
        position INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (session_id, name)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX app_cards_by_position ON app_cards (position)",
    "CREATE INDEX app_sessions_on_vehicle ON app_sessions (vehicle_id) WHERE state = 'active'",
)
