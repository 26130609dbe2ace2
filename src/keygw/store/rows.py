"""Many rows with few statements."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from keygw.store.group import Fetch, Row

_SIZES = (64, 16, 4, 1)
"""Rows in one statement: few different ones, so that each is prepared once and stays so."""


async def insert_many(fetch: Fetch, head: str, rows: Sequence[Row]) -> None:
    """``head``: ``INSERT INTO table (columns)``. All rows are of one width; they are written in their order."""
    at = 0
    for size in _SIZES:
        while len(rows) - at >= size:
            values = [value for row in rows[at : at + size] for value in row]
            await fetch(_statement(head, len(rows[at]), size), values)
            at += size


@lru_cache(maxsize=64)
def _statement(head: str, width: int, rows: int) -> str:
    row = f"({', '.join('?' * width)})"
    return f"{head} VALUES {', '.join([row] * rows)}"
