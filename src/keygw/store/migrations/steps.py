"""What a revision is made of: portable DDL, told one statement after the other."""

from __future__ import annotations

from collections.abc import Callable

Run = Callable[[str], None]
"""Takes one statement in SQLite's words; ``dialect`` says them in PostgreSQL's."""


def steps(*statements: str) -> Callable[[Run], None]:
    """The ``upgrade`` of a revision that runs these in order, without parameters and without looking at any row."""

    def upgrade(run: Run) -> None:
        for statement in statements:
            run(statement)

    return upgrade
