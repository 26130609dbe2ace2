"""When a delivery that failed is tried again: growing pauses with jitter, for about three days."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

FIRST_SECONDS = 5.0
FACTOR = 4.0
LONGEST_SECONDS = 6 * 3600.0
"""Between two tries, whatever a receiver wishes for (``Retry-After``)."""
JITTER = 0.25
"""The part of a pause that is left to chance, so that endpoints that failed together do not come back together."""
GIVE_UP_SECONDS = 3 * 86_400.0
LEAST_TRIES = 10
"""Before giving up: a gateway that was down for days, or whose clock was set, has not tried for three days."""

_SECONDS = re.compile(r"[0-9]{1,10}", re.ASCII)
_MOST_LETTERS = 40


def next_try(
    failures: int, failing_since: float, now: float, *, chance: float, retry_after: float | None = None
) -> float | None:
    """When to try again (Unix seconds) after this failure; ``None``: never.

    ``failures``: in a row, this one too. ``failing_since``: the time of the first of them. ``chance``: from 0 to 1.
    ``retry_after``: the pause that the receiver asked for, seconds.
    """
    ends = failing_since + GIVE_UP_SECONDS
    if now >= ends and failures >= LEAST_TRIES:
        return None
    # The exponent is bounded, or a long row of failures would be too large for a float.
    pause = min(FIRST_SECONDS * FACTOR ** min(failures - 1, 32), LONGEST_SECONDS) * (1 - JITTER * chance)
    if retry_after is not None:
        pause = max(pause, min(retry_after, LONGEST_SECONDS))
    last = ends if now < ends else now + LONGEST_SECONDS
    return min(now + pause, last)


def parse_retry_after(text: str, now: float) -> float | None:
    """Seconds or a date (RFC 9110, section 10.2.3) -> seconds from ``now``, never less than 0; ``None`` for anything
    else: the receiver has said nothing."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    if len(text) > _MOST_LETTERS:
        return None
    try:
        date = parsedate_to_datetime(text)
        return max(0.0, (date if date.tzinfo is not None else date.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError, TypeError):
        return None
