"""The place where it happens: phones with a ranging radio, whoever else sends, and the anchors of a car."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from keygw.wire.ranging import RangingMethod
from keygw_sim.ranging.geometry import METRES_PER_NS, ORIGIN, Point
from keygw_sim.ranging.signal import FULL, Arrival, leading_edge, pulses_of
from keygw_sim.vehicle.proximity import Measured

RANGE_METRES = 60.0
"""Beyond this a phone's own signal is not heard."""
UWB_ERROR = 0.2
"""Metres that a UWB bound is wider than what was measured: a tap, and antennas."""
SOUNDING_ERROR = 1.0
"""The same of Channel Sounding, indoors and out."""
SOUNDING_APART = 3.0
"""Metres by which the two figures of Channel Sounding may differ; more is somebody turning the phase."""
DOORS = (Point(0.5, 0.9), Point(0.5, -0.9), Point(-1.0, 0.9), Point(-1.0, -0.9), Point(-2.2, 0.0))
"""Where the outer anchors sit, seen from the middle of the car: four doors and the boot."""


@dataclass(frozen=True, slots=True)
class Tone:
    """What Channel Sounding hears of one answer, in metres: by round-trip time, and by phase. ``quality``: 0 to 100,
    how undistorted the symbols were."""

    by_time: float
    by_phase: float
    quality: int = FULL


class Sender(Protocol):
    """Somebody whose signals arrive at an anchor while a round is measured."""

    def arrivals(self, anchor: Point) -> Iterable[Arrival]:
        """Of a UWB round."""

    def tones(self, anchor: Point, key: bytes) -> Iterable[Tone]:
        """Of a Channel Sounding round with that key: nothing from who does not have it."""


class Transponder:
    """The ranging radio of a phone: it answers the round that it is armed for, and no other."""

    def __init__(
        self,
        at: Point,
        methods: Sequence[RangingMethod] = (RangingMethod.UWB, RangingMethod.CHANNEL_SOUNDING),
        *,
        reach: float = RANGE_METRES,
    ) -> None:
        self.at = at
        self.methods = tuple(methods)
        self.reach = reach
        self.on = True
        """Off in flight mode."""
        self.sent: int | None = None
        """The pulses that it sent last, which anybody may have recorded."""
        self._armed: tuple[RangingMethod, bytes] | None = None

    def arm(self, method: RangingMethod, key: bytes) -> None:
        """Answer the round with that key, until it is armed for another."""
        self._armed = (method, key)

    def disarm(self) -> None:
        self._armed = None

    def pulses(self) -> int | None:
        """What it sends in a UWB round, if it does."""
        key = self._key(RangingMethod.UWB)
        if key is None:
            return None
        self.sent = pulses_of(key)
        return self.sent

    def sounding_key(self) -> bytes | None:
        """The key of the Channel Sounding round that it answers, if it does."""
        return self._key(RangingMethod.CHANNEL_SOUNDING)

    def arrivals(self, anchor: Point) -> Iterable[Arrival]:
        pulses = self.pulses()
        if pulses is not None and self.at.to(anchor) <= self.reach:
            yield Arrival(round_trip(self.at.to(anchor)), pulses)

    def tones(self, anchor: Point, key: bytes) -> Iterable[Tone]:
        if self.sounding_key() == key and self.at.to(anchor) <= self.reach:
            yield Tone(self.at.to(anchor), self.at.to(anchor))

    def _key(self, method: RangingMethod) -> bytes | None:
        ready = self.on and self._armed is not None and self._armed[0] is method and method in self.methods
        return self._armed[1] if ready and self._armed is not None else None


class Space:
    """Everybody who may be heard by the anchors of the cars in it."""

    def __init__(self) -> None:
        self.senders: list[Sender] = []

    def add(self, sender: Sender) -> None:
        self.senders.append(sender)

    def remove(self, sender: Sender) -> None:
        if sender in self.senders:
            self.senders.remove(sender)


class Anchors:
    """The ranging radio of one car; ``Ranger`` of its brain. ``at``: the middle of the car, which looks along x.

    A round is measured by every anchor. Quality is the worst of those that heard it, and nothing at all if two of them
    disagree by more than lies between them: one anchor that is told another place is not enough.
    """

    def __init__(
        self,
        space: Space,
        at: Point = ORIGIN,
        methods: Sequence[RangingMethod] = (RangingMethod.UWB, RangingMethod.CHANNEL_SOUNDING),
    ) -> None:
        self.at = at
        self.methods = tuple(methods)
        self._space = space

    def measure(self, method: RangingMethod, key: bytes) -> Measured | None:
        if method not in self.methods:
            return None
        one = self._by_uwb if method is RangingMethod.UWB else self._by_sounding
        anchors = [self.at, *(Point(self.at.x + door.x, self.at.y + door.y) for door in DOORS)]
        heard = [(anchor, found) for anchor in anchors if (found := one(anchor, key)) is not None]
        if len(heard) < len(anchors):
            return None  # an anchor that hears nothing leaves the bound to the others, and those may be deceived
        error = UWB_ERROR if method is RangingMethod.UWB else SOUNDING_ERROR
        quality = min(quality for _, (_, quality) in heard)
        for here, (metres, _) in heard:
            if any(abs(metres - other) > here.to(there) + 2 * error for there, (other, _) in heard):
                quality = 0
        return Measured(min(metres for _, (metres, _) in heard[1:]) + error, heard[0][1][0] + error, quality)

    def _by_uwb(self, anchor: Point, key: bytes) -> tuple[float, int] | None:
        edge = leading_edge(key, [each for sender in self._space.senders for each in sender.arrivals(anchor)])
        return None if edge is None else (edge.ns * METRES_PER_NS / 2, edge.quality)

    def _by_sounding(self, anchor: Point, key: bytes) -> tuple[float, int] | None:
        """The greater of the two figures: phase alone can be turned to anything."""
        tones = [tone for sender in self._space.senders for tone in sender.tones(anchor, key)]
        if not tones:
            return None
        first = min(tones, key=lambda tone: tone.by_time)
        apart = abs(first.by_time - first.by_phase) > SOUNDING_APART
        return max(first.by_time, first.by_phase), 0 if apart else first.quality


def round_trip(metres: float) -> float:
    """Nanoseconds that light takes there and back."""
    return 2 * metres / METRES_PER_NS
