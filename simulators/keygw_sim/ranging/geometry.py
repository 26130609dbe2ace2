"""Points on a plane, in metres, and paths over time."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

METRES_PER_NS = 0.299792458
MOST = 1e9
"""Of a coordinate or a time in what comes from outside."""


@dataclass(frozen=True, slots=True)
class Point:
    """``x`` forward, ``y`` to the left of a car that stands at the origin; metres. ``ValueError`` if not finite."""

    x: float
    y: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise ValueError("a point has two finite coordinates")

    def to(self, other: Point) -> float:
        return math.hypot(self.x - other.x, self.y - other.y)

    def toward(self, other: Point, share: float) -> Point:
        return Point(self.x + (other.x - self.x) * share, self.y + (other.y - self.y) * share)


ORIGIN = Point(0.0, 0.0)


def number(value: object, what: str) -> float:
    """A finite number from JSON. ``ValueError`` that names ``what``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < MOST:
        raise ValueError(f"{what} is a number, less than {MOST:.0e} either way")
    return float(value)


class Path:
    """Where somebody is at which second: straight lines between the stops, and still before the first and after the
    last. ``ValueError`` for no stops, or times that do not rise."""

    def __init__(self, stops: Sequence[tuple[float, Point]]) -> None:
        self._times = [at for at, _ in stops]
        self._points = [point for _, point in stops]
        if not stops or any(not math.isfinite(at) for at in self._times):
            raise ValueError("a path has at least one stop, each with its second")
        if any(later <= earlier for earlier, later in zip(self._times, self._times[1:], strict=False)):
            raise ValueError("the seconds of a path rise from stop to stop")

    @property
    def ends(self) -> float:
        """The second of the last stop."""
        return self._times[-1]

    def at(self, now: float) -> Point:
        after = bisect_right(self._times, now)
        if after == 0:
            return self._points[0]
        if after == len(self._times):
            return self._points[-1]
        begun, until = self._times[after - 1], self._times[after]
        return self._points[after - 1].toward(self._points[after], (now - begun) / (until - begun))
