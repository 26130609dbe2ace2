"""Webhooks, how far each is, which gateway delivers it, and the log of its deliveries."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0019"
down_revision = "0018"

upgrade = steps(
    """
    CREATE TABLE webhooks (
        id TEXT PRIMARY KEY,
        app_id TEXT NOT NULL,
        tenant_id TEXT,
        url TEXT NOT NULL,
        label TEXT NOT NULL,
        events TEXT NOT NULL,
        secret BLOB NOT NULL,
        former BLOB,
        former_until INTEGER,
        created_at INTEGER NOT NULL,
        updated_at INTEGER NOT NULL,
        reason TEXT,
        position INTEGER NOT NULL,
        failures INTEGER NOT NULL,
        failing_since REAL,
        next_at REAL,
        revision INTEGER NOT NULL,
        gateway_id TEXT,
        fence INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX webhooks_of_app ON webhooks (app_id)",
    """
    CREATE TABLE webhook_deliveries (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        event_id TEXT NOT NULL,
        type TEXT NOT NULL,
        created_at REAL NOT NULL,
        state TEXT NOT NULL,
        attempts TEXT NOT NULL,
        tries INTEGER NOT NULL,
        next_at REAL,
        body TEXT
    ) STRICT
    """,
    "CREATE INDEX webhook_deliveries_of ON webhook_deliveries (webhook_id, number)",
    "CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (webhook_id) WHERE state = 'pending'",
)
