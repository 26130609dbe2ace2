"""What a car's body refuses: one table, obeyed by keys and by hands alike. Its page in the docs is made from it.

The first rule that fits is the answer. A key gets the outcome; hands (the control API, a scenario) get the code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from keygw.model.command import Action, Outcome

if TYPE_CHECKING:
    from keygw_sim.vehicle.body import Body

FLAT_VOLTS = 10.5
"""Below this the 12 V battery moves no actuator."""


class Deed(StrEnum):
    """What can be done to a body."""

    UNLOCK = "unlock"
    LOCK = "lock"
    OPEN_TRUNK = "open_trunk"
    FLASH = "flash"
    START = "start"
    OPEN_DOOR = "open_door"
    LIFT_TRUNK = "lift_trunk"
    MOVE_WINDOW = "move_window"
    OPEN_BONNET = "open_bonnet"
    OPEN_CHARGE_PORT = "open_charge_port"
    CLOSE_CHARGE_PORT = "close_charge_port"
    PLUG_IN = "plug_in"
    CHARGE = "charge"
    DRIVE = "drive"
    SLEEP = "sleep"


DEED_OF: dict[Action, Deed] = {
    Action.UNLOCK: Deed.UNLOCK,
    Action.LOCK: Deed.LOCK,
    Action.OPEN_TRUNK: Deed.OPEN_TRUNK,
    Action.FLASH_LIGHTS: Deed.FLASH,
    Action.START_ENGINE: Deed.START,
}

EFFECT_OF: dict[Deed, tuple[str, bool]] = {
    Deed.UNLOCK: ("locked", False),
    Deed.LOCK: ("locked", True),
    Deed.OPEN_TRUNK: ("trunk_open", True),
    Deed.START: ("engine_running", True),
}
"""The part that a key's deed moves. To flash is over before anybody could look."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``deeds`` are refused while ``when`` holds. ``why``: a sentence for a person. ``cure``: what to do about it."""

    code: str
    deeds: frozenset[Deed]
    when: Callable[[Body], bool]
    outcome: Outcome
    why: str
    cure: str


_BY_HAND = frozenset({Deed.OPEN_DOOR, Deed.LIFT_TRUNK, Deed.OPEN_BONNET, Deed.PLUG_IN, Deed.SLEEP})
_ELECTRIC = frozenset(Deed) - _BY_HAND
_STANDING = frozenset(Deed) - {Deed.FLASH, Deed.MOVE_WINDOW, Deed.DRIVE}

RULES: tuple[Rule, ...] = (
    Rule(
        "vehicle_asleep",
        _ELECTRIC,
        lambda body: body.asleep,
        Outcome.VEHICLE_ASLEEP,
        "a car that sleeps moves no actuator; asking it begins to wake it",
        "ask again in a few seconds",
    ),
    Rule(
        "flat_battery",
        _ELECTRIC - {Deed.CHARGE, Deed.CLOSE_CHARGE_PORT, Deed.OPEN_CHARGE_PORT},
        lambda body: body.low_voltage < FLAT_VOLTS,
        Outcome.FAULT,
        f"the 12 V battery has less than {FLAT_VOLTS} V, and moves nothing",
        "charge the car, or set low_voltage",
    ),
    Rule(
        "in_motion",
        _STANDING,
        lambda body: body.speed > 0,
        Outcome.IN_MOTION,
        "a car that moves opens, closes and starts nothing",
        "park it first",
    ),
    Rule(
        "door_open",
        frozenset({Deed.LOCK, Deed.SLEEP}),
        lambda body: body.doors_open,
        Outcome.DOOR_OPEN,
        "a car with an open door does not lock, nor sleep",
        "close the doors",
    ),
    Rule(
        "locked",
        frozenset({Deed.OPEN_DOOR, Deed.LIFT_TRUNK, Deed.OPEN_BONNET, Deed.OPEN_CHARGE_PORT}),
        lambda body: body.locked,
        Outcome.FAULT,
        "a locked car opens to no hand",
        "unlock it with a digital key, or set locked to false",
    ),
    Rule(
        "no_charge",
        frozenset({Deed.START, Deed.DRIVE}),
        lambda body: body.battery <= 0,
        Outcome.FAULT,
        "an empty traction battery drives nothing",
        "charge it, or set battery",
    ),
    Rule(
        "cable_connected",
        frozenset({Deed.DRIVE, Deed.CLOSE_CHARGE_PORT}),
        lambda body: body.cable_connected,
        Outcome.FAULT,
        "a car does not drive off with the cable, and its flap does not close on it",
        "unplug it",
    ),
    Rule(
        "engine_off",
        frozenset({Deed.DRIVE}),
        lambda body: not body.engine_running,
        Outcome.FAULT,
        "only a car that was started drives",
        "start it with a digital key, or set engine_running to true",
    ),
    Rule(
        "port_closed",
        frozenset({Deed.PLUG_IN}),
        lambda body: not body.charge_port_open,
        Outcome.FAULT,
        "a cable goes into an open charge port only",
        "open the charge port",
    ),
    Rule(
        "cable_missing",
        frozenset({Deed.CHARGE}),
        lambda body: not (body.charge_port_open and body.cable_connected),
        Outcome.FAULT,
        "charging needs the port open and the cable in it",
        "plug it in",
    ),
    Rule(
        "charged",
        frozenset({Deed.CHARGE}),
        lambda body: body.battery >= body.charge_limit,
        Outcome.FAULT,
        "charging ends at the charge limit",
        "set a higher charge_limit",
    ),
    Rule(
        "busy",
        frozenset({Deed.SLEEP}),
        lambda body: body.engine_running or body.charging,
        Outcome.BUSY,
        "a car that is started, or charges, does not sleep",
        "switch it off, or unplug it",
    ),
)


def refusal(body: Body, deed: Deed) -> Rule | None:
    """The rule that the deed breaks now; ``None`` if it may be done."""
    return next((rule for rule in RULES if deed in rule.deeds and rule.when(body)), None)
