"""What a vehicle would answer to a command, by what it has told and is live: a hint for apps, never a promise.

Nothing is asked of the vehicle, and what is stale says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keygw.model.command import Action, Command, Outcome
from keygw.model.errors import KeygwError
from keygw.model.signal import SignalId, SignalValue
from keygw.vehicle.expectation import EXPECTED

Live = Mapping[SignalId, SignalValue]
_DOORS = (
    SignalId.DOOR_ROW1_DRIVER_OPEN,
    SignalId.DOOR_ROW1_PASSENGER_OPEN,
    SignalId.DOOR_ROW2_DRIVER_OPEN,
    SignalId.DOOR_ROW2_PASSENGER_OPEN,
)
_STANDING = frozenset({Action.LOCK, Action.UNLOCK, Action.PASSIVE_UNLOCK, Action.OPEN_TRUNK, Action.START_ENGINE})


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would become of a command. ``command``: it, with the key and the end that it would have; ``refusal``: why it
    would not be taken on. ``patient``: it would wait for an absent vehicle; ``queued``: behind another command.

    ``foreseen``: what the vehicle would say, by what it tells now.
    """

    action: Action
    command: Command | None = None
    patient: bool = False
    queued: bool = False
    foreseen: Outcome | None = None
    refusal: KeygwError | None = None


def foreseen(action: Action, live: Live) -> Outcome | None:
    """The outcome that is to be expected; ``None`` where nothing that is known speaks against its being done."""
    if live.get(SignalId.ASLEEP) is True:
        return Outcome.VEHICLE_ASLEEP
    if action in _STANDING and _moves(live):
        return Outcome.IN_MOTION
    if action is Action.LOCK and any(live.get(door) is True for door in _DOORS):
        return Outcome.DOOR_OPEN
    expected = EXPECTED.get(action)
    if expected is not None and live.get(expected[0]) == expected[1]:
        return Outcome.ALREADY_IN_STATE
    return None


def _moves(live: Live) -> bool:
    speed = live.get(SignalId.SPEED, 0)
    return live.get(SignalId.MOVING) is True or (isinstance(speed, int | float) and speed > 0)
