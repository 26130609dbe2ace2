"""Apps whose own token is bound to a key, machines that command cars without one, passkeys, authorization codes.

Who was registered before goes on as it was: as a machine.
"""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0020"
down_revision = "0019"

upgrade = steps(
    "ALTER TABLE apps ADD COLUMN machine INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE apps ADD COLUMN thumbprint TEXT",
    """
    CREATE TABLE passkeys (
        id TEXT PRIMARY KEY,
        person_id TEXT NOT NULL REFERENCES people (id),
        home_id TEXT NOT NULL REFERENCES apps (id),
        name TEXT NOT NULL,
        credential_id BLOB NOT NULL UNIQUE,
        data BLOB NOT NULL,
        counter INTEGER NOT NULL,
        synced INTEGER NOT NULL,
        created_at INTEGER NOT NULL,
        used_at INTEGER
    ) STRICT
    """,
    "CREATE INDEX passkeys_by_person ON passkeys (person_id, created_at)",
    "ALTER TABLE oauth_clients ADD COLUMN redirect_uris TEXT NOT NULL DEFAULT ''",
    """
    CREATE TABLE oauth_codes (
        hash BLOB PRIMARY KEY,
        client_id TEXT NOT NULL,
        home_id TEXT NOT NULL,
        scopes TEXT NOT NULL,
        redirect_uri TEXT NOT NULL,
        challenge TEXT NOT NULL,
        thumbprint TEXT,
        expires_at INTEGER NOT NULL,
        uses INTEGER NOT NULL,
        grant_id TEXT
    ) STRICT
    """,
    "CREATE INDEX oauth_codes_by_end ON oauth_codes (expires_at)",
    "UPDATE apps SET machine = 1 WHERE id NOT IN (SELECT app_id FROM oauth_grants)",
)
