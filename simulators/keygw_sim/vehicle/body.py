"""The car's body: what it is made of, what may be done to it, and what time does to it. It knows nothing of keys.

What is refused stands in ``body_rules``, what time does in ``body_physics``, what it tells in ``body_signals``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from keygw.model.command import Action, Outcome
from keygw.model.signal import SignalId, SignalValue
from keygw_sim.vehicle import body_physics, body_rules, body_signals

PartValue = bool | int | float


def _part(value: PartValue, words: str, unit: str = "", low: float = 0, high: float = 0) -> Any:
    """A part with its meaning; a number has a unit and bounds."""
    return field(default=value, metadata={"words": words, "unit": unit, "low": low, "high": high})


def _tyre(words: str) -> Any:
    return _part(250.0, f"pressure of the {words} tyre", "kPa", 0, 500)


def _window(words: str) -> Any:
    return _part(0, f"how far the {words} window is open", "percent", 0, 100)


@dataclass(slots=True)
class Body:
    """The state of the car. A ``Body`` that is in use is never changed: who changes one works on a copy."""

    locked: bool = _part(True, "the central lock is locked")
    driver_door_open: bool = _part(False, "the driver's door is open")
    passenger_door_open: bool = _part(False, "the passenger's door is open")
    rear_driver_door_open: bool = _part(False, "the door behind the driver is open")
    rear_passenger_door_open: bool = _part(False, "the door behind the passenger is open")
    driver_window: int = _window("driver's")
    passenger_window: int = _window("passenger's")
    rear_driver_window: int = _window("left rear")
    rear_passenger_window: int = _window("right rear")
    child_lock: bool = _part(False, "the rear doors do not open from inside")
    trunk_open: bool = _part(False, "the trunk is open")
    bonnet_open: bool = _part(False, "the bonnet is open")
    mirrors_folded: bool = _part(False, "the mirrors are folded in")
    low_beam: bool = _part(False, "the low beam is on")
    high_beam: bool = _part(False, "the high beam is on")
    parking_lights: bool = _part(False, "the parking lights are on")
    fog_front: bool = _part(False, "the front fog lights are on")
    fog_rear: bool = _part(False, "the rear fog light is on")
    hazard: bool = _part(False, "the hazard lights signal")
    indicator_left: bool = _part(False, "the left indicator signals")
    indicator_right: bool = _part(False, "the right indicator signals")
    horn: bool = _part(False, "the horn sounds")
    engine_running: bool = _part(False, "the car is ready to drive")
    braking: bool = _part(False, "somebody stands on the brake")
    reverse: bool = _part(False, "it drives backwards")
    speed: float = _part(0.0, "how fast it drives", "km/h", 0, 300)
    battery: float = _part(80.0, "charge of the traction battery", "percent", 0, 100)
    low_voltage: float = _part(12.6, "voltage of the 12 V battery", "V", 0, 16)
    charge_port_open: bool = _part(False, "the flap of the charge port is open")
    cable_connected: bool = _part(False, "a charging cable is plugged in")
    charging: bool = _part(False, "the traction battery is being charged")
    charge_limit: int = _part(80, "charging ends there", "percent", 0, 100)
    charge_power: float = _part(11.0, "what the charger gives", "kW", 0, 250)
    tyre_front_left: float = _tyre("left front")
    tyre_front_right: float = _tyre("right front")
    tyre_rear_left: float = _tyre("left rear")
    tyre_rear_right: float = _tyre("right rear")
    driver_seated: bool = _part(False, "somebody sits behind the wheel")
    passenger_seated: bool = _part(False, "somebody sits beside the driver")
    rear_driver_seated: bool = _part(False, "somebody sits behind the driver")
    rear_passenger_seated: bool = _part(False, "somebody sits behind the passenger")
    driver_belted: bool = _part(False, "the driver's belt is fastened")
    passenger_belted: bool = _part(False, "the passenger's belt is fastened")
    rear_driver_belted: bool = _part(False, "the belt behind the driver is fastened")
    rear_passenger_belted: bool = _part(False, "the belt behind the passenger is fastened")
    driver_heating: int = _part(0, "heating of the driver's seat, below 0 cooling", "percent", -100, 100)
    passenger_heating: int = _part(0, "heating of the passenger's seat, below 0 cooling", "percent", -100, 100)
    latitude: float = _part(52.52, "where it stands, north", "degrees", -90, 90)
    longitude: float = _part(13.405, "where it stands, east", "degrees", -180, 180)
    heading: float = _part(0.0, "where its nose points, clockwise from north", "degrees", 0, 360)
    odometer: float = _part(12_000_000.0, "how far it has driven in its life", "m", 0, 4e9)
    trip: float = _part(0.0, "how far it has driven since its last start", "m", 0, 4e9)
    outside_temperature: float = _part(18.0, "the weather", "Celsius", -60, 60)
    asleep: bool = _part(False, "its actuators sleep")
    waking: float = _part(0.0, "seconds until it is awake, 0 while nothing wakes it", "s", 0, 60)
    sleep_after: float = _part(0.0, "seconds of rest after which it falls asleep, 0 for never", "s", 0, 1e6)
    rested: float = _part(0.0, "seconds for which nothing has happened to it", "s", 0, 1e9)

    @property
    def doors_open(self) -> bool:
        return (
            self.driver_door_open
            or self.passenger_door_open
            or self.rear_driver_door_open
            or self.rear_passenger_door_open
        )

    def apply(self, action: Action) -> Outcome:
        """What a key has asked for, if physics allow; the outcome says what happened."""
        deed = body_rules.DEED_OF.get(action)
        if deed is None:
            return Outcome.UNKNOWN_ACTION
        refused = body_rules.refusal(self, deed)
        self.stir()
        if refused is not None:
            return refused.outcome
        effect = body_rules.EFFECT_OF.get(deed)
        if effect is None:
            return Outcome.DONE
        part, value = effect
        if getattr(self, part) == value:
            return Outcome.ALREADY_IN_STATE
        setattr(self, part, value)
        if deed is body_rules.Deed.START:
            self.trip = 0.0
        return Outcome.DONE

    def put(self, changes: Mapping[str, object]) -> None:
        """Change parts as they are named, whatever the rules say: a test sets its scene, and weather asks nobody.

        ``KeyError`` for an unknown part, ``ValueError`` for a value that it cannot have; then nothing has changed.
        """
        checked = {name: _checked(name, value) for name, value in changes.items()}
        if not checked.keys() & {"asleep", "waking", "rested"}:
            self.stir()
        for name, value in checked.items():
            setattr(self, name, value)

    def stir(self) -> None:
        """Something happens to it: a sleeping car begins to wake, and one that is awake stays so for longer."""
        self.rested = 0.0
        if self.asleep and self.waking == 0:
            self.waking = body_physics.WAKE_SECONDS

    def advance(self, seconds: float) -> frozenset[str]:
        """Let that much time of its own pass; the names of the parts that are another now."""
        before = asdict(self)
        body_physics.advance(self, seconds)
        return frozenset(name for name, value in before.items() if getattr(self, name) != value)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> Body:
        """As it was stored. What it does not name (an older release knew less) is as in a new car, what this release
        does not know is left out. ``ValueError`` for a value that a part cannot have.
        """
        body = cls()
        for name, value in stored.items():
            if name in PARTS:
                setattr(body, name, _checked(name, value))
        return body

    def readings(self) -> dict[SignalId, SignalValue]:
        """Every signal the body has."""
        return body_signals.readings(self)


PARTS = {part.name: part for part in fields(Body)}
"""By name: default, and ``metadata`` with its words, unit and bounds."""


def _checked(name: str, value: object) -> PartValue:
    part = PARTS.get(name)
    if part is None:
        raise KeyError(name)
    kind: type = type(part.default)
    if kind is bool:
        if not isinstance(value, bool):
            raise ValueError(f"{name} is true or false, not {value!r:.40}")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is a number, not {value!r:.40}")
    low, high = part.metadata["low"], part.metadata["high"]
    if not low <= value <= high:
        raise ValueError(f"{name} is {low:g} to {high:g} {part.metadata['unit']}, not {value:g}".replace("  ", " "))
    if kind is int and value != int(value):
        raise ValueError(f"{name} is a whole number, not {value:g}")
    return int(value) if kind is int else float(value)
