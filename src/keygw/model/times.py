"""Times as text."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

_LAST = 253402300799
"""The end of the year 9999, after which RFC 3339 has no word."""


@lru_cache(maxsize=1024)  # what a car tells at once has one time, and is asked for again
def rfc3339(seconds: float) -> str:
    """Unix seconds -> ``2026-01-31T12:00:00.000Z``. What lies outside 1970 to 9999 is told as the nearer end of it."""
    when = datetime.fromtimestamp(min(max(0.0, seconds), _LAST), UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
