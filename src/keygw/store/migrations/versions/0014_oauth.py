"""The authorization server: clients, grants, requests that wait for a person's word, proofs that were seen."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0014"
down_revision = "0013"

upgrade = steps(
    "ALTER TABLE apps ADD COLUMN home_id TEXT",
    """
    CREATE TABLE oauth_clients (
        id TEXT PRIMARY KEY,
        tenant_id TEXT NOT NULL REFERENCES tenants (id),
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        home_id TEXT REFERENCES apps (id),
        used_at INTEGER
    ) STRICT
    """,
    "CREATE INDEX oauth_clients_unused ON oauth_clients (tenant_id, created_at) WHERE used_at IS NULL",
    """
    CREATE TABLE oauth_grants (
        app_id TEXT PRIMARY KEY REFERENCES apps (id),
        client_id TEXT NOT NULL REFERENCES oauth_clients (id),
        home_id TEXT NOT NULL REFERENCES apps (id),
        thumbprint TEXT NOT NULL,
        kind TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        auth_time INTEGER NOT NULL,
        refresh_hash BLOB NOT NULL,
        refresh_former BLOB,
        key_ids TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX oauth_grants_by_client ON oauth_grants (client_id)",
    "CREATE INDEX oauth_grants_by_home ON oauth_grants (home_id)",
    """
    CREATE TABLE oauth_requests (
        id TEXT PRIMARY KEY,
        client_id TEXT NOT NULL REFERENCES oauth_clients (id),
        tenant_id TEXT NOT NULL,
        secret_hash BLOB NOT NULL UNIQUE,
        user_code TEXT NOT NULL UNIQUE,
        scopes TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        answer TEXT NOT NULL,
        approved_by TEXT,
        asked_at INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX oauth_requests_by_client ON oauth_requests (client_id)",
    """
    CREATE TABLE oauth_proofs (
        digest BLOB PRIMARY KEY,
        until INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX oauth_proofs_by_end ON oauth_proofs (until)",
)
