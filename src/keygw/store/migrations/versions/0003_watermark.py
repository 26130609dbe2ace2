"""The watermark of a vehicle's revocation lists."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0003"
down_revision = "0002"

upgrade = steps(
    "ALTER TABLE vehicles ADD COLUMN issued_before INTEGER NOT NULL DEFAULT 0",
)
