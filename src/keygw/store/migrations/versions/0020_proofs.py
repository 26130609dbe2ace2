"""Apps whose own token is bound to a key, and machines that command cars without one.

Who was registered before goes on as it was: as a machine.
"""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0020"
down_revision = "0019"

upgrade = steps(
    "ALTER TABLE apps ADD COLUMN machine INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE apps ADD COLUMN thumbprint TEXT",
    "UPDATE apps SET machine = 1 WHERE id NOT IN (SELECT app_id FROM oauth_grants)",
)
