"""Who is near: from how well a vehicle is heard to near, leaving and gone, without flicker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Nearness(StrEnum):
    NEAR = "near"
    LEAVING = "leaving"
    """Heard faintly, or not for a moment: it may come back."""
    GONE = "gone"


NEAR_DBM = -80.0
LEAVING_DBM = -88.0
"""Eight below: a body between phone and car takes as much, and is no farewell."""
WEIGHT = 0.3
"""Of the newest level in the running mean: single ones jump by ten."""
SILENT_S = 5.0
GONE_S = 20.0
"""A vehicle advertises several times a second, but a scan rests while connections are made."""
MOST = 10_000
"""Vehicles that are remembered; of more, the one that was heard longest ago is forgotten."""

Told = Callable[[str, Nearness], None]


@dataclass(slots=True)
class _Heard:
    at: float
    level: float | None = None
    nearness: Nearness = Nearness.GONE
    linked: bool = False


class Presence:
    """Sans-IO. ``told`` hears of every change, once. Times: seconds that only grow.

    A link is nearness itself, whatever is heard. A level that nobody measures (``None``) counts as near.
    """

    def __init__(self, told: Told) -> None:
        self._told = told
        self._known: dict[str, _Heard] = {}

    def of(self, vehicle_id: str) -> Nearness:
        known = self._known.get(vehicle_id)
        return Nearness.GONE if known is None else known.nearness

    def heard(self, vehicle_id: str, level: float | None, now: float) -> None:
        """One advertisement, at ``level`` dBm."""
        known = self._of(vehicle_id, now)
        known.at = now
        if level is not None:
            known.level = level if known.level is None else known.level + WEIGHT * (level - known.level)
        self._judge(vehicle_id, known, now)

    def linked(self, vehicle_id: str, up: bool, now: float) -> None:
        known = self._of(vehicle_id, now)
        known.linked, known.at = up, now
        self._judge(vehicle_id, known, now)

    def tick(self, now: float) -> None:
        """Let time pass. Call about once a second."""
        for vehicle_id, known in list(self._known.items()):
            self._judge(vehicle_id, known, now)
            if known.nearness is Nearness.GONE and now - known.at >= GONE_S:
                del self._known[vehicle_id]

    def _of(self, vehicle_id: str, now: float) -> _Heard:
        known = self._known.get(vehicle_id)
        if known is None:
            if len(self._known) >= MOST:
                oldest = min(self._known, key=lambda each: self._known[each].at)
                self._move(oldest, self._known.pop(oldest), Nearness.GONE)
            known = self._known[vehicle_id] = _Heard(now)
        return known

    def _judge(self, vehicle_id: str, known: _Heard, now: float) -> None:
        silent = now - known.at
        if known.linked:
            self._move(vehicle_id, known, Nearness.NEAR)
        elif silent >= GONE_S:
            known.level = None  # what was heard then says nothing of how it comes back
            self._move(vehicle_id, known, Nearness.GONE)
        elif silent >= SILENT_S or (known.level is not None and known.level < LEAVING_DBM):
            if known.nearness is Nearness.NEAR:
                self._move(vehicle_id, known, Nearness.LEAVING)
        elif known.level is None or known.level >= NEAR_DBM:
            self._move(vehicle_id, known, Nearness.NEAR)

    def _move(self, vehicle_id: str, known: _Heard, nearness: Nearness) -> None:
        if known.nearness is not nearness:
            known.nearness = nearness
            self._told(vehicle_id, nearness)
