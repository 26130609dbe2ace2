"""The grant on which a shared key stands."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0004"
down_revision = "0003"

upgrade = steps(
    "ALTER TABLE digital_keys ADD COLUMN signed_grant BLOB",
)
