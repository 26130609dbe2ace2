"""One UWB round at one receiver: pulses of secret polarity, their sum in the air, and the leading edge.

The pulses are bits: 1 is a positive one. A tap is one pulse spacing, 1/499.2 MHz (the peak repetition of IEEE 802.15.4z
HRP UWB): two nanoseconds, of the round trip, so 30 cm of distance. The receiver looks back from the strongest path for
an earlier one, as it must, for the direct path may be the weaker; that is what distance-reduction attacks use. Then it
counts, at the place it has found, how many pulses have the right sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keygw.crypto.kdf import hkdf_expand

PULSES = 512
TAP_NS = 1000 / 499.2
BACK_TAPS = 64
"""How far before the strongest path a direct one is looked for: 19 m."""
EDGE = 0.25
"""A path counts if it has this share of the strongest one's height."""
LEAST = 0.25
"""Correlation below this is noise: nobody has answered. That of chance has a deviation of 0.04."""
_ALL = (1 << PULSES) - 1
FULL = 100


@dataclass(frozen=True, slots=True)
class Arrival:
    """A train of pulses at a receiver. ``ns``: from the receiver's own sending to the first pulse, there and back;
    ``power``: height of its pulses, 1 for an honest phone."""

    ns: float
    pulses: int
    power: float = 1.0


def pulses_of(key: bytes) -> int:
    """The polarities of that round: as many bits as there are pulses, the first pulse in the highest."""
    return int.from_bytes(hkdf_expand(key + bytes(16), b"STS", PULSES // 8), "big")


@dataclass(frozen=True, slots=True)
class Edge:
    """``ns``: round trip of the earliest path that correlates; ``quality``: share of its pulses with the right sign."""

    ns: float
    quality: int


def leading_edge(key: bytes, arrivals: Sequence[Arrival]) -> Edge | None:
    """What a receiver with that round key makes of what arrives; ``None`` if nobody there has the key."""
    wanted, heard = pulses_of(key), [(round(each.ns / TAP_NS), each) for each in arrivals]
    peaks = {tap: _height(wanted, heard, tap) for tap, _ in heard}
    strongest = max(peaks, key=lambda tap: peaks[tap], default=0)
    if not peaks or peaks[strongest] < LEAST:
        return None
    tap = next(
        tap
        for tap in range(max(0, strongest - BACK_TAPS), strongest + 1)
        if tap == strongest or _height(wanted, heard, tap) >= EDGE * peaks[strongest]
    )
    return Edge(tap * TAP_NS, _right(wanted, heard, tap))


def _height(wanted: int, heard: Sequence[tuple[int, Arrival]], tap: int) -> float:
    """The correlation at that tap, 1 for an honest path of power 1. What does not overlap adds nothing."""
    total = 0.0
    for at, arrival in heard:
        overlap = PULSES - abs(at - tap)
        if overlap > 0:
            expected, got = _overlap(wanted, arrival.pulses, at - tap)
            agree = overlap - (expected ^ got).bit_count()
            total += arrival.power * (2 * agree - overlap) / PULSES
    return total


def _overlap(wanted: int, pulses: int, late: int) -> tuple[int, int]:
    """The pulses of both that meet when the train comes ``late`` taps after the place looked at."""
    if late >= 0:
        return wanted & (_ALL >> late), pulses >> late
    return wanted >> -late, pulses & (_ALL >> -late)


def _right(wanted: int, heard: Sequence[tuple[int, Arrival]], tap: int) -> int:
    """Of 100 pulses, how many have the right sign there, once everything in the air has been added up.

    Where nothing is left of a sum its sign is a guess, half right.
    """
    right = 0.0
    for number in range(PULSES):
        total = 0.0
        for at, arrival in heard:
            place = number - (at - tap)
            if 0 <= place < PULSES:
                total += arrival.power * (1 if arrival.pulses >> (PULSES - 1 - place) & 1 else -1)
        positive = bool(wanted >> (PULSES - 1 - number) & 1)
        right += 0.5 if total == 0 else float((total > 0) == positive)
    return int(right * FULL / PULSES)
