"""The newest pairing ticket that a vehicle has used."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0002"
down_revision = "0001"

upgrade = steps(
    "ALTER TABLE vehicles ADD COLUMN ticket_counter INTEGER NOT NULL DEFAULT 0",
)
