"""How near each device is, by the car's own ranging anchors, and what follows from it: passive entry, driving off, and
locking behind the last who leaves.

A measurement counts for the session that asked for it, for a second, and only if the signal was that session's. What
a device says of its own place is not asked, and plain BLE says nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from keygw.wire.messages import LinkKind
from keygw.wire.ranging import CENTIMETRES, NOTHING_FOUND, Finding, RangingMethod, Zone

NEAR_METRES = 2.0
"""From the nearest door anchor: an arm and a step. Who opens the car sees who gets in."""
AWAY_METRES = 4.0
"""Who was near is away from here on: twice as far, for a body in the way costs the measurement a metre or two, and a
door that opens and closes as somebody shifts a foot is worse than none."""
INSIDE_METRES = 1.2
"""From the anchor in the middle of the cabin: the seats, and half a metre out of a window."""
FRESH_SECONDS = 1.0
"""For how long a measurement counts. The command follows its RANGE at once; a runner makes three metres in it."""
GONE_SECONDS = 30.0
"""A device that was near and has not been measured for so long has gone."""
MIN_QUALITY = 80
"""Of 100 pulses so many must be the session's own. A guess gets about 50; a hand over the phone costs far fewer."""
KNOWN = 64
"""Keys whose coming and going is followed; the one that was measured longest ago gives way."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the anchors made of one round, in metres, their own error added: the device is no farther than that.

    ``outer``: from the nearest door anchor; ``cabin``: from the one inside; ``quality``: 0 to 100.
    """

    outer: float
    cabin: float
    quality: int


class Ranger(Protocol):
    """The car's ranging radio and its anchors."""

    def measure(self, method: RangingMethod, key: bytes) -> Measured | None:
        """One round with that key (16 bytes); ``None`` if nothing answered it, or the method is not built in."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A round of one session, and when it was measured (seconds since the start)."""

    zone: Zone
    at: float


@dataclass(frozen=True, slots=True)
class Nearness:
    """What the car holds a command against. ``anchors``: whether it has any. ``arriving``: its device has come near
    since the car was last opened for it, or locked."""

    link: LinkKind
    anchors: bool = False
    zone: Zone = Zone.UNMEASURED
    arriving: bool = False


@dataclass(slots=True)
class _Visitor:
    """A key whose device was measured; ``served``: the car has opened to it, or was locked, while it was near."""

    near: bool = False
    served: bool = False
    at: float = 0.0


class Proximity:
    """``ranger``: ``None`` for a car without anchors, in which nothing is ever near."""

    def __init__(
        self, ranger: Ranger | None, monotonic: Callable[[], float], log: Callable[[str, dict[str, object]], None]
    ) -> None:
        self.leaving = False
        """Everybody who was near has gone, and the car has not been locked since."""
        self._ranger = ranger
        self._monotonic = monotonic
        self._log = log
        self._visitors: dict[str, _Visitor] = {}

    def measure(self, key_id: str, method: RangingMethod, key: bytes) -> tuple[Evidence | None, Finding]:
        """One round for the device of that digital key: what counts now, and what it is told."""
        found = None if self._ranger is None else self._ranger.measure(method, key)
        if found is None:
            return None, NOTHING_FOUND
        if found.quality < MIN_QUALITY:
            self._log("ranging_suspect", {"key": key_id, "quality": found.quality})
            return None, Finding(Zone.UNMEASURED, None, found.quality, 0)
        zone = self._place(key_id, found)
        bound = min(CENTIMETRES - 1, max(0, round(found.outer * 100)))
        return Evidence(zone, self._monotonic()), Finding(zone, bound, found.quality, round(FRESH_SECONDS * 1000))

    def nearness(self, key_id: str, link: LinkKind, evidence: Evidence | None) -> Nearness:
        """What a command of that key, by that link, with the session's last evidence, is held against."""
        counts = evidence is not None and self._monotonic() - evidence.at < FRESH_SECONDS
        zone = evidence.zone if evidence is not None and counts else Zone.UNMEASURED
        visitor = self._visitors.get(key_id)
        arriving = visitor is not None and not visitor.served
        return Nearness(link, self._ranger is not None, zone, arriving)

    def opened(self, key_id: str) -> None:
        """The car has opened to that key by itself; it will again when the device has been away."""
        if key_id in self._visitors:
            self._visitors[key_id].served = True

    def locked(self) -> None:
        """The car was locked: whoever is near does not open it again by standing there."""
        self.leaving = False
        for visitor in self._visitors.values():
            visitor.served |= visitor.near

    def tick(self) -> None:
        """Let those go who have not been measured for long."""
        now = self._monotonic()
        for visitor in self._visitors.values():
            if visitor.near and now - visitor.at >= GONE_SECONDS:
                self._goes(visitor)

    def _place(self, key_id: str, found: Measured) -> Zone:
        visitor = self._visitors.pop(key_id, None) or _Visitor()
        self._visitors[key_id] = visitor  # the newest is last
        if len(self._visitors) > KNOWN:
            self._goes(self._visitors.pop(next(iter(self._visitors))))
        if self._monotonic() - visitor.at >= GONE_SECONDS:
            visitor.near = visitor.served = False
        visitor.at = self._monotonic()
        inside = found.cabin <= INSIDE_METRES
        if inside or found.outer <= (AWAY_METRES if visitor.near else NEAR_METRES):
            visitor.near, self.leaving = True, False
            return Zone.INSIDE if inside else Zone.NEAR
        self._goes(visitor)
        return Zone.FAR

    def _goes(self, visitor: _Visitor) -> None:
        was_near, visitor.near, visitor.served = visitor.near, False, False
        if was_near and not any(other.near for other in self._visitors.values()):
            self.leaving = True
