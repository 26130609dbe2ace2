"""How a database tells that it is keygw's, and of which release. The tables are made below ``migrations``.

Times are Unix seconds. Keys, lists and receipts are only ever added to: the history stays.
"""

from __future__ import annotations

from keygw.store.migrations import REVISIONS

APPLICATION_ID = 0x6B657967
"""In the header of the SQLite file, so that another program's database is never taken for ours."""

SCHEMA_VERSION = len(REVISIONS)
"""Of this release. The header of the SQLite file counts it too, so that a release from before Alembic refuses it."""
