"""What apps send into cars, and what ends a session by itself. Offers go with their session."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0018"
down_revision = "0017"

upgrade = steps(
    "ALTER TABLE app_sessions ADD COLUMN closes_on TEXT NOT NULL DEFAULT ''",
    """
    CREATE TABLE app_offers (
        id TEXT PRIMARY KEY,
        session_id TEXT NOT NULL REFERENCES app_sessions (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        state TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE UNIQUE INDEX app_offers_of_session ON app_offers (session_id, kind)",
    "CREATE INDEX app_offers_by_time ON app_offers (created_at)",
)
