"""Status lists: pages, and the place of each key in one of them."""

from __future__ import annotations

from keygw.store.migrations.steps import steps

revision = "0007"
down_revision = "0006"

upgrade = steps(
    """
    CREATE TABLE status_pages (
        number INTEGER PRIMARY KEY,
        base TEXT NOT NULL,
        version INTEGER NOT NULL,
        taken INTEGER NOT NULL
    ) STRICT
    """,
    # A key's place is taken before its token is signed, and the key stored after that: so the reference waits.
    """
    CREATE TABLE status_places (
        page INTEGER NOT NULL REFERENCES status_pages (number),
        place INTEGER NOT NULL,
        key_id TEXT NOT NULL UNIQUE REFERENCES digital_keys (id) DEFERRABLE INITIALLY DEFERRED,
        status INTEGER NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (page, place)
    ) STRICT
    """,
    "CREATE INDEX status_places_changed ON status_places (page, version) WHERE version > 0",
)
