"""The history of the schema: one file below ``versions`` for each step, run by Alembic, written for both databases.

Nothing here imports Alembic: whether there is anything to do is known from ``REVISIONS`` and one query. A released
revision is never edited, only followed. To add one: ``versions/NNNN_name.py`` that names the last one as its
``down_revision``, and its number at the end of ``REVISIONS``.
"""

from __future__ import annotations

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0019",
    "0020",
)
"""Oldest first. ``REVISIONS[n - 1]`` makes schema version n."""

VERSION_TABLE = "keygw_schema"
"""Where Alembic keeps the revision. Not its usual name: a database of another program that uses Alembic is not ours."""
