"""Events: what happened, as a value that is encoded once and handed to everybody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

SOURCE = "urn:keygw:gateway"
GAP = "keygw.gap"
_LAST = 253402300799
"""The end of the year 9999, after which RFC 3339 has no word."""


@dataclass(frozen=True, slots=True)
class Event:
    """``id`` is ``<boot>-<sequence>``, or empty for a gap, which nobody can resume from.

    ``subject``: the vehicle id, if there is one. ``audience``: the app id that alone may see it (``None``: scopes and
    keys decide). ``coalesce``: a later event with the same value makes this one superfluous; ``None``: never drop it.
    ``json``: the CloudEvents 1.0 form, one line of text.
    """

    id: str
    sequence: int
    type: str
    subject: str | None
    time: float
    data: Mapping[str, Any]
    json: str
    audience: str | None = None
    coalesce: str | None = None


def rfc3339(seconds: float) -> str:
    """Unix seconds -> ``2026-01-31T12:00:00.000Z``. What lies outside 1970 to 9999 is told as the nearer end of it."""
    when = datetime.fromtimestamp(min(max(0.0, seconds), _LAST), UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_event(
    boot: str,
    sequence: int,
    kind: str,
    subject: str | None,
    time: float,
    data: Mapping[str, Any],
    *,
    audience: str | None = None,
    coalesce: str | None = None,
    lasting: str | None = None,
) -> Event:
    """An event with its CloudEvents text. ``data`` must be plain JSON values.

    ``lasting``: the CloudEvents ``id`` of one that is the same event in every run; else that of this run serves."""
    event_id = f"{boot}-{sequence}-gap" if kind == GAP else f"{boot}-{sequence}"
    envelope = {
        "specversion": "1.0",
        "id": lasting or event_id,
        "source": SOURCE,
        "type": kind,
        **({"subject": subject} if subject is not None else {}),
        "time": rfc3339(time),
        "datacontenttype": "application/json",
        "sequence": str(sequence),
        "data": data,
    }
    text = json.dumps(envelope, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    shown = "" if kind == GAP else event_id
    return Event(shown, sequence, kind, subject, time, data, text, audience, coalesce)
