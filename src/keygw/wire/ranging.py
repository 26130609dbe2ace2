"""The body of RANGE (44), the same both ways. Specification: ``protocols/key_session``, "Ranging".

The device asks for a round; the vehicle answers with what its own anchors found. Decoders accept exactly what the
encoder writes, and unknown methods and zones; ``ProtocolError`` for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass

from keygw.model.errors import ProtocolError
from keygw.model.open_enum import OpenEnum
from keygw.wire import cbor

ROUNDS = 2**32
"""Exclusive bound of a round's number, which counts from 1."""
METHODS = 2**8
FULL_QUALITY = 100
CENTIMETRES = 2**16
MILLISECONDS = 2**16


class RangingMethod(OpenEnum):
    """How a round is measured. A vehicle that cannot, or does not know the method, finds nothing."""

    UWB = 1
    CHANNEL_SOUNDING = 2


class Zone(OpenEnum):
    """Where the vehicle's own anchors place the device. Whatever is not known here is not near."""

    UNMEASURED = 0
    FAR = 1
    NEAR = 2
    """At the doors."""
    INSIDE = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What the anchors found. ``bound``: the device is no farther than this from the nearest of them, in centimetres;
    ``quality``: how well the signal was this round's, 0 to 100; ``valid_ms``: for how long it counts.
    """

    zone: Zone
    bound: int | None
    quality: int
    valid_ms: int


NOTHING_FOUND = Finding(Zone.UNMEASURED, None, 0, 0)


@dataclass(frozen=True, slots=True)
class Range:
    """``finding`` is the vehicle's alone: a device asks, and its own word on where it is has no place here."""

    round: int
    method: RangingMethod
    finding: Finding | None = None

    def encode(self) -> bytes:
        found = self.finding
        told = None if found is None else [int(found.zone), found.bound, found.quality, found.valid_ms]
        return cbor.encode([self.round, int(self.method), told])

    @classmethod
    def decode(cls, body: bytes) -> Range:
        match cbor.decode(body):
            case [number, method, None]:
                finding = None
            case [number, method, [zone, bound, quality, valid]]:
                finding = Finding(
                    Zone(_uint(zone, 2**8)),
                    None if bound is None else _uint(bound, CENTIMETRES),
                    _uint(quality, FULL_QUALITY + 1),
                    _uint(valid, MILLISECONDS),
                )
            case _:
                raise ProtocolError("RANGE is malformed")
        return cls(_uint(number, ROUNDS, 1), RangingMethod(_uint(method, METHODS)), finding)


def _uint(value: object, limit: int, least: int = 0) -> int:
    if type(value) is not int or not least <= value < limit:  # a bool is none
        raise ProtocolError("RANGE holds something else than an unsigned integer in range")
    return value
