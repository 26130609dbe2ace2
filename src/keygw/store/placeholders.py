"""SQL is written once, with ``?`` for each value in turn; PostgreSQL counts them: ``$1``, ``$2``."""

from __future__ import annotations

import re
from itertools import count

_TOKENS = re.compile(r"'(?:[^']|'')*'|\?")


def numbered(sql: str) -> str:
    """``$n`` in place of each ``?`` that does not stand in quotes."""
    numbers = count(1)
    return _TOKENS.sub(lambda match: f"${next(numbers)}" if match.group() == "?" else match.group(), sql)
