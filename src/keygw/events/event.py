"""Events: what happened, as a value that is encoded once and handed to everybody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keygw.model.times import rfc3339

SOURCE = "urn:keygw:gateway"
GAP = "keygw.gap"
BEGINNING = "0.0"
"""The position of before the first recorded event."""


@dataclass(frozen=True, slots=True)
class Event:
    """``id``: for ``Hub.subscribe``. ``<position>-<boot>-<sequence>``, where the position is the id of the newest
    *recorded* event by then, which any run of any gateway on the same books can resume from; that alone for one that is
    told from the books; empty for a gap.

    ``subject``: the vehicle id, if there is one. ``audience``: the app id that alone may see it (``None``: scopes and
    keys decide). ``coalesce``: a later event with the same value makes this one superfluous; ``None``: never drop it.
    ``json``: the CloudEvents 1.0 form, one line of text. ``place``: its number among those of its subject in this run,
    from 1; 0 for a gap and for one that is told from the books.
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
    place: int = 0


def make_event(
    boot: str,
    sequence: int,
    kind: str,
    subject: str | None,
    time: float,
    data: Mapping[str, Any],
    *,
    position: str = BEGINNING,
    audience: str | None = None,
    coalesce: str | None = None,
    recorded: bool = False,
    place: int = 0,
) -> Event:
    """An event of this run with its CloudEvents text. ``data`` must be plain JSON values.

    ``recorded``: it is the same event in every run, and ``position`` is its own: its CloudEvents ``id``."""
    local = f"{boot}-{sequence}-gap" if kind == GAP else f"{boot}-{sequence}"
    text = _cloud_event(position if recorded else local, kind, subject, time, data, sequence=str(sequence))
    shown = "" if kind == GAP else f"{position}-{local}"
    return Event(shown, sequence, kind, subject, time, data, text, audience, coalesce, place)


def recorded_event(
    position: str, kind: str, subject: str | None, data: Mapping[str, Any], audience: str | None = None
) -> Event:
    """One from the books, which another run may have told before: with no place among the events of this one."""
    time = recorded_at(position)
    return Event(position, 0, kind, subject, time, data, _cloud_event(position, kind, subject, time, data), audience)


def single_event(event_id: str, kind: str, time: float, data: Mapping[str, Any]) -> Event:
    """One that one consumer alone is told: with an id of its own, and no place among any others."""
    return Event(event_id, 0, kind, None, time, data, _cloud_event(event_id, kind, None, time, data))


def recorded_at(position: str) -> float:
    """When what is recorded there happened, Unix seconds."""
    return float(position.partition(".")[2])


def _cloud_event(
    event_id: str, kind: str, subject: str | None, time: float, data: Mapping[str, Any], **more: str
) -> str:
    envelope = {
        "specversion": "1.0",
        "id": event_id,
        "source": SOURCE,
        "type": kind,
        **({"subject": subject} if subject is not None else {}),
        "time": rfc3339(time),
        "datacontenttype": "application/json",
        **more,
        "data": data,
    }
    return json.dumps(envelope, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
