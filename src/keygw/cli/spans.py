"""Times as people write them: ``72h``, ``90m``, ``2d``, or an ISO 8601 moment."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from keygw.cli.failure import usage

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(r"(\d{1,9})([smhd])", re.ASCII | re.IGNORECASE)


def seconds(text: str) -> int:
    """``"1h30m"`` -> 5400. A bare number is refused, because nobody knows its unit."""
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise usage("bad_duration", f"{text[:40]!r} is not a duration", "write it like 45m, 72h, 2d or 1h30m")
    total = sum(int(number) * _UNITS[unit.lower()] for number, unit in parts)
    if total <= 0:
        raise usage("bad_duration", "a duration must be longer than nothing", "write it like 45m, 72h or 2d")
    return total


def said(total: int) -> str:
    """The reverse of ``seconds``: 5400 -> ``"1h30m"``."""
    parts = []
    for unit, size in sorted(_UNITS.items(), key=lambda each: -each[1]):
        count, total = divmod(total, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def moment(text: str) -> str:
    """An ISO 8601 moment as RFC 3339 in UTC. Without a zone it is local time, as the person who typed it meant."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise usage(
            "bad_time", f"{text[:40]!r} is not a moment", "write it like 2026-12-24T18:00 (local) or 2026-12-24T17:00Z"
        ) from None
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
