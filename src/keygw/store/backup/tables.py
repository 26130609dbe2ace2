"""What a backup needs of a database, whichever it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from keygw.model.errors import StoreError
from keygw.store.group import Row

BATCH = 500
"""Rows that are read or written in one go."""

Dialect = Literal["sqlite", "postgresql"]
Progress = Callable[[str, int], None]
"""Told what is being worked on, and how many rows of it are done."""


@dataclass(frozen=True, slots=True)
class Table:
    """``references``: column -> (table, column) that must hold its value."""

    name: str
    columns: tuple[str, ...]
    references: tuple[tuple[str, str, str], ...] = ()


class Source(Protocol):
    """One moment of a database: what is committed later is not seen, and nobody waits for it. Close it in the end."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Dialect: ...

    @property
    def version(self) -> int:
        """Of the schema."""

    async def tables(self) -> list[Table]:
        """All but the version table, each after those it refers to."""

    def rows(self, table: Table) -> AsyncIterator[list[Row]]: ...
    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]: ...
    async def faults(self) -> list[str]:
        """What the database itself finds wrong with its files."""

    async def close(self) -> None: ...


class Target(Protocol):
    """A database that is empty until ``finish``, which makes everything stand at once, or nothing."""

    dialect: Dialect

    async def create(self, statements: Sequence[str]) -> None: ...
    async def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None: ...
    async def finish(self, version: int) -> None: ...
    async def abandon(self) -> None:
        """After ``finish`` it does nothing."""


def in_order(tables: Iterable[Table]) -> list[Table]:
    """Each after those it refers to; of those that are free to go, by name."""
    waiting = {table.name: table for table in tables}
    ordered: list[Table] = []
    while waiting:
        free = [
            table
            for table in waiting.values()
            if not any(other != table.name and other in waiting for _, other, _ in table.references)
        ]
        if not free:
            raise StoreError(f"the tables {', '.join(sorted(waiting))} refer to each other in a circle")
        first = min(free, key=lambda table: table.name)
        ordered.append(waiting.pop(first.name))
    return ordered
