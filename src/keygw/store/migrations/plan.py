"""What is left to do until the schema is this release's: the only module that imports Alembic.

Alembic works in its offline mode: it orders the revisions, keeps the version table, and answers statements. Whoever has
the database open runs them, in a transaction and under a lock of its own; no second driver, engine or event loop.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory

from keygw.store.migrations import REVISIONS, VERSION_TABLE
from keygw.store.migrations.dialect import for_postgres

Dialect = Literal["sqlite", "postgresql"]
_HERE = Path(__file__).parent


def plan(dialect: Dialect, version: int, *, stamped: bool, until: int = len(REVISIONS)) -> list[str]:
    """The statements that lead from schema ``version`` (0: nothing there) to ``until``, version table included.

    ``stamped``: whether the version table is there. SQLite files of the first releases have none; it is made for them.
    """
    if version == until:
        return []
    told: list[str] = []
    if version and not stamped:
        told += [
            f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
            f"INSERT INTO {VERSION_TABLE} (version_num) VALUES ('{REVISIONS[version - 1]}')",  # noqa: S608 - our own
        ]
    scripts = ScriptDirectory(_HERE)
    start = REVISIONS[version - 1] if version else None

    def revisions(heads: Iterable[str], context: MigrationContext) -> list[MigrationStep]:
        found = list(scripts.iterate_revisions(REVISIONS[until - 1], start or "base"))
        return [MigrationStep.upgrade_from_script(scripts.revision_map, each) for each in reversed(found)]

    context = MigrationContext.configure(
        dialect_name=dialect,
        opts={
            "as_sql": True,
            "starting_rev": start,
            "fn": revisions,
            "version_table": VERSION_TABLE,
            "output_buffer": _Output(told),
        },
    )
    context.run_migrations(run=lambda sql: told.append(for_postgres(sql) if dialect == "postgresql" else sql))
    return told


class _Output:
    """Where Alembic writes its own statements, one at a time, with remarks between."""

    def __init__(self, told: list[str]) -> None:
        self._told = told

    def write(self, text: str) -> None:
        statement = text.strip().removesuffix(";")
        if statement and not statement.startswith("--"):
            self._told.append(statement)

    def flush(self) -> None:
        """Alembic asks for it; there is nothing to flush."""
