"""What an app may show in a car, by what the car does: one table. What is not known counts as driving."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from keygw.bridge.foresight import Live
from keygw.model.errors import Forbidden
from keygw.model.signal import SignalId


class DrivingRestricted(Forbidden):
    """Not while the car moves, or while nobody knows whether it does."""

    code = "driving_restricted"


class Driving(StrEnum):
    PARKED = "parked"
    """A live signal says that the car stands, and none says that it moves."""
    MOVING = "moving"
    UNKNOWN = "unknown"


class Template(StrEnum):
    STATUS = "status"
    KEY = "key"
    NAVIGATION = "navigation"


@dataclass(frozen=True, slots=True)
class Rules:
    """``title``, ``line``: characters; ``lines``, ``buttons``: how many."""

    templates: frozenset[Template]
    title: int
    lines: int
    line: int
    buttons: int


STANDING = Rules(frozenset(Template), title=48, lines=4, line=96, buttons=4)
_ROAD = Rules(frozenset({Template.NAVIGATION}), title=32, lines=2, line=40, buttons=2)

RULES: Mapping[Driving, Rules] = MappingProxyType(
    {Driving.PARKED: STANDING, Driving.MOVING: _ROAD, Driving.UNKNOWN: _ROAD}
)


def driving(live: Live) -> Driving:
    """By the live signals of the car alone: a stale one says nothing."""
    moving, speed = live.get(SignalId.MOVING), live.get(SignalId.SPEED)
    if moving is True or (speed is not None and speed != 0):  # rolling backwards is moving, too
        return Driving.MOVING
    return Driving.UNKNOWN if moving is None and speed is None else Driving.PARKED
