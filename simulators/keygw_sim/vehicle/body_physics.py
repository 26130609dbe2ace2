"""What time does to a car: driving, charging, sleeping. The figures are those of a middling electric car."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keygw_sim.vehicle.body import Body

CAPACITY_KWH = 60.0
KWH_PER_KM = 0.18
STANDING_KW = 0.5
"""What a started car draws while it stands."""
NOMINAL_VOLTS = 400.0
LOW_NOMINAL_VOLTS = 12.0
LOW_FULL_VOLTS = 13.8
LOW_RISE_PER_SECOND = 1 / 60
"""V/s, while the car is started or charges."""
LOW_FALL_PER_SECOND = 0.5 / 3600
"""V/s for each light that is left on in a car that is neither."""
WAKE_SECONDS = 2.0
METRES_PER_DEGREE = 111_195.0
"""Of latitude, on a sphere of 6371 km."""
_LIGHTS = ("low_beam", "high_beam", "parking_lights", "fog_front", "fog_rear", "hazard", "horn")

FIGURES: tuple[tuple[str, str], ...] = (
    ("capacity of the traction battery", f"{CAPACITY_KWH:g} kWh"),
    ("driving takes", f"{KWH_PER_KM:g} kWh a kilometre, whatever the speed"),
    ("a started car that stands takes", f"{STANDING_KW:g} kW"),
    ("an empty battery", "ends the drive at once, and switches the car off"),
    (
        "charging",
        "adds `charge_power`, up to `charge_limit`, then ends; a moving car, or one without cable, does not charge",
    ),
    ("the 12 V battery", f"rises to {LOW_FULL_VOLTS:g} V within minutes while the car is started or charges"),
    (
        "a light left on",
        f"takes {LOW_FALL_PER_SECOND * 3600:g} V an hour from the 12 V battery of a car that is neither",
    ),
    ("waking", f"takes {WAKE_SECONDS:g} s of the car's own time"),
    (
        "falling asleep",
        "after `sleep_after` seconds of rest: closed, switched off, not charging, and nobody asks anything",
    ),
    ("driving", "moves the car along `heading`, straight on, and counts `odometer` and `trip`"),
)
"""For the docs: in words, what ``advance`` does."""


def advance(body: Body, seconds: float) -> None:
    """Exact for any length: what ends on the way (charge, a full battery) ends there."""
    if seconds <= 0:
        return
    _wake(body, seconds)
    _drive(body, seconds)
    _charge(body, seconds)
    _low_voltage(body, seconds)
    _rest(body, seconds)


def power_kw(body: Body) -> float:
    """What flows into the traction battery; below 0: out of it."""
    drawn = KWH_PER_KM * body.speed if body.speed > 0 else STANDING_KW * body.engine_running
    return body.charge_power * body.charging - drawn


def range_m(body: Body) -> float:
    return body.battery / 100 * CAPACITY_KWH / KWH_PER_KM * 1000


def seconds_to_full(body: Body) -> float:
    """Of charging, to the limit; 0 while it does not charge."""
    if not body.charging or body.charge_power <= 0:
        return 0.0
    return max(0.0, (body.charge_limit - body.battery) / 100 * CAPACITY_KWH / body.charge_power * 3600)


def _wake(body: Body, seconds: float) -> None:
    if body.waking > 0:
        body.waking = max(0.0, body.waking - seconds)
        body.asleep = body.waking > 0


def _drive(body: Body, seconds: float) -> None:
    if body.speed <= 0 and not body.engine_running:
        return
    wanted = -power_kw(body) * seconds / 3600 if not body.charging else 0.0
    there = body.battery / 100 * CAPACITY_KWH
    share = 1.0 if wanted <= there else there / wanted
    metres = body.speed / 3.6 * seconds * share
    body.battery = max(0.0, (there - wanted * share) / CAPACITY_KWH * 100)
    body.odometer += metres
    body.trip += metres
    _move(body, -metres if body.reverse else metres)
    if share < 1:
        body.battery, body.speed, body.engine_running = 0.0, 0.0, False


def _move(body: Body, metres: float) -> None:
    if metres == 0:
        return
    way = math.radians(body.heading)
    body.latitude = max(-90.0, min(90.0, body.latitude + metres * math.cos(way) / METRES_PER_DEGREE))
    along = METRES_PER_DEGREE * max(0.01, math.cos(math.radians(body.latitude)))
    body.longitude = (body.longitude + metres * math.sin(way) / along + 180) % 360 - 180


def _charge(body: Body, seconds: float) -> None:
    if not body.charging:
        return
    if body.speed > 0 or not (body.charge_port_open and body.cable_connected):
        body.charging = False
        return
    gained = body.charge_power * seconds / 3600 / CAPACITY_KWH * 100
    body.battery = max(body.battery, min(float(body.charge_limit), body.battery + gained))
    body.charging = body.battery < body.charge_limit


def _low_voltage(body: Body, seconds: float) -> None:
    if body.engine_running or body.charging:
        body.low_voltage = max(body.low_voltage, min(LOW_FULL_VOLTS, body.low_voltage + LOW_RISE_PER_SECOND * seconds))
        return
    lit = sum(bool(getattr(body, light)) for light in _LIGHTS)
    if lit:
        body.low_voltage = max(0.0, body.low_voltage - LOW_FALL_PER_SECOND * lit * seconds)


def _rest(body: Body, seconds: float) -> None:
    busy = body.engine_running or body.charging or body.speed > 0 or body.doors_open or body.waking > 0
    if busy or body.asleep or body.sleep_after <= 0:
        body.rested = 0.0
        return
    body.rested += seconds
    if body.rested >= body.sleep_after:
        body.asleep, body.rested = True, 0.0
