"""Which apps have acted for a person that do not any more: what they left behind is the person's all the same."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0016"
down_revision = "0015"

upgrade = steps(
    """
    CREATE TABLE person_apps (
        person_id TEXT NOT NULL REFERENCES people (id),
        app_id TEXT NOT NULL REFERENCES apps (id),
        PRIMARY KEY (person_id, app_id)
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX person_apps_by_app ON person_apps (app_id)",
)
