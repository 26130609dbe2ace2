"""Which gateway lives, and which one has the link of which vehicle."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0012"
down_revision = "0011"

upgrade = steps(
    """
    CREATE TABLE gateways (
        id TEXT PRIMARY KEY,
        beat INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE leases (
        vehicle_id TEXT PRIMARY KEY,
        gateway_id TEXT,
        fence INTEGER NOT NULL,
        heard TEXT
    ) STRICT
    """,
    "CREATE INDEX leases_of_gateway ON leases (gateway_id) WHERE gateway_id IS NOT NULL",
    """
    CREATE INDEX commands_of_vehicle ON commands (vehicle_id)
        WHERE state IN ('accepted', 'queued', 'sent', 'acknowledged', 'unknown')
    """,
)
