"""The newest recorded events, in memory: so that not each webhook asks the database for the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keygw.bridge.history import audience_of
from keygw.credentials.outbox_ports import Told
from keygw.events.event import Event, recorded_event

KEPT = 1000


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event at its place in the outbox. ``event.id``: as ``Told.event_id``."""

    number: int
    event: Event


def recorded(told: Told) -> Recorded:
    """From the books."""
    event = told.event
    return _recorded(told.id, told.event_id, event.type, event.vehicle_id, event.data)


class Tail:
    """A stretch of the outbox without a gap."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept: deque[Recorded] = deque(maxlen=kept)

    def add(self, event_id: str, kind: str, data: Mapping[str, Any]) -> Recorded:
        """``event_id``: as ``Told.event_id``; ``kind``: as the outbox has it."""
        number = int(event_id.partition(".")[0])
        vehicle_id = data.get("vehicle_id")
        made = _recorded(number, event_id, kind, vehicle_id if isinstance(vehicle_id, str) else None, data)
        if self._kept and self._kept[-1].number != number - 1:
            self._kept.clear()
        self._kept.append(made)
        return made

    def after(self, position: int) -> Sequence[Recorded] | None:
        """All behind that place; ``None``: the memory does not reach there, the books do."""
        if not self._kept or not self._kept[0].number - 1 <= position <= self._kept[-1].number:
            return None
        passed = position - self._kept[0].number + 1
        return [self._kept[place] for place in range(passed, len(self._kept))]


def _recorded(number: int, event_id: str, kind: str, vehicle_id: str | None, data: Mapping[str, Any]) -> Recorded:
    return Recorded(number, recorded_event(event_id, f"keygw.{kind}", vehicle_id, data, audience_of(kind, data)))
