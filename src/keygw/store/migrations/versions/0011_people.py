"""Tenants, operators with roles, people's accounts; limits that a tenant has of its own."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0011"
down_revision = "0010"

upgrade = steps(
    """
    CREATE TABLE tenants (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT
    """,
    # Everything there was until now belongs to it.
    "INSERT INTO tenants (id, name, created_at) VALUES ('default', 'Default', 0)",
    "ALTER TABLE vehicles ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'default'",
    """
    CREATE TABLE operators (
        id TEXT PRIMARY KEY,
        tenant_id TEXT REFERENCES tenants (id),
        name TEXT NOT NULL,
        role TEXT NOT NULL,
        token_hash BLOB NOT NULL UNIQUE,
        created_at INTEGER NOT NULL,
        expires_at INTEGER NOT NULL,
        revoked INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    """
    CREATE TABLE ended_bootstraps (
        token_hash BLOB PRIMARY KEY,
        at INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE people (
        id TEXT PRIMARY KEY,
        tenant_id TEXT NOT NULL REFERENCES tenants (id),
        name TEXT NOT NULL,
        created_at INTEGER NOT NULL,
        state TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX people_by_tenant ON people (tenant_id)",
    "ALTER TABLE apps ADD COLUMN tenant_id TEXT NOT NULL DEFAULT 'default'",
    "ALTER TABLE apps ADD COLUMN person_id TEXT REFERENCES people (id)",
    "CREATE INDEX apps_by_tenant ON apps (tenant_id)",
    "CREATE INDEX apps_by_person ON apps (person_id) WHERE person_id IS NOT NULL",
    """
    CREATE TABLE key_people (
        key_id TEXT PRIMARY KEY REFERENCES digital_keys (id),
        person_id TEXT NOT NULL REFERENCES people (id)
    ) STRICT
    """,
    "CREATE INDEX key_people_by_person ON key_people (person_id)",
    """
    CREATE TABLE tenant_limits (
        tenant_id TEXT NOT NULL REFERENCES tenants (id),
        name TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (tenant_id, name)
    ) STRICT
    """,
)
