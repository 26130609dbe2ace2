"""The body of a simulated car: its rules, what time does to it, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keygw.model.command import Action, Outcome
from keygw_sim.vehicle.body import PARTS, Body
from keygw_sim.vehicle.body_physics import WAKE_SECONDS
from keygw_sim.vehicle.body_rules import DEED_OF, RULES, Deed, refusal

DOORS = ("driver_door_open", "passenger_door_open", "rear_driver_door_open", "rear_passenger_door_open")

BROKEN: dict[str, tuple[dict[str, object], Deed]] = {
    "vehicle_asleep": ({"asleep": True}, Deed.UNLOCK),
    "flat_battery": ({"low_voltage": 9.0}, Deed.LOCK),
    "in_motion": ({"speed": 5.0, "engine_running": True}, Deed.OPEN_TRUNK),
    "door_open": ({"rear_passenger_door_open": True}, Deed.LOCK),
    "locked": ({"locked": True}, Deed.OPEN_DOOR),
    "no_charge": ({"battery": 0}, Deed.START),
    "cable_connected": ({"engine_running": True, "cable_connected": True}, Deed.DRIVE),
    "engine_off": ({}, Deed.DRIVE),
    "port_closed": ({}, Deed.PLUG_IN),
    "cable_missing": ({"charge_port_open": True}, Deed.CHARGE),
    "charged": ({"charge_port_open": True, "cable_connected": True, "battery": 80}, Deed.CHARGE),
    "busy": ({"engine_running": True}, Deed.SLEEP),
}


def body(**parts: object) -> Body:
    made = Body()
    made.put(parts)
    return made


def test_every_rule_is_tried_below() -> None:
    assert list(BROKEN) == [rule.code for rule in RULES]


@pytest.mark.parametrize("code", BROKEN)
def test_a_rule_refuses_what_it_says_and_its_cure_lifts_it(code: str) -> None:
    parts, deed = BROKEN[code]
    rule = refusal(body(**parts), deed)
    assert rule is not None
    assert (rule.code, deed in rule.deeds, bool(rule.why), bool(rule.cure)) == (code, True, True, True)
    assert not rule.outcome.ok
    free = body(
        locked=False, engine_running=deed is Deed.DRIVE, battery=50, charge_port_open=True,
        cable_connected=deed is Deed.CHARGE,
    )  # fmt: skip
    assert refusal(free, deed) is None


@pytest.mark.parametrize("door", DOORS)
def test_no_open_door_is_locked(door: str) -> None:
    assert body(locked=False, **{door: True}).apply(Action.LOCK) is Outcome.DOOR_OPEN
    assert body(locked=False).apply(Action.LOCK) is Outcome.DONE


@pytest.mark.parametrize("action", DEED_OF)
def test_a_sleeping_car_refuses_and_wakes(action: Action) -> None:
    car = body(asleep=True, locked=action is not Action.LOCK)
    assert car.apply(action) is Outcome.VEHICLE_ASLEEP
    car.advance(WAKE_SECONDS / 2)
    assert car.apply(action) is Outcome.VEHICLE_ASLEEP, "asking again does not begin anew"
    car.advance(WAKE_SECONDS / 2)
    assert car.apply(action) is Outcome.DONE


def test_a_car_that_moves_only_signals() -> None:
    car = body(locked=False, engine_running=True, speed=50)
    assert {action: car.apply(action) for action in DEED_OF} == {
        **dict.fromkeys(DEED_OF, Outcome.IN_MOTION),
        Action.FLASH_LIGHTS: Outcome.DONE,
    }
    assert car.apply(Action(250)) is Outcome.UNKNOWN_ACTION


# -- time ------------------------------------------------------------------------------------------------------------


def test_driving_takes_charge_and_counts_metres_and_moves_the_car() -> None:
    car = body(engine_running=True, speed=60, heading=90, battery=80)
    started, east = car.odometer, car.longitude
    changed = car.advance(3600)
    assert changed == {"battery", "odometer", "trip", "longitude", "low_voltage"}
    assert car.odometer - started == pytest.approx(60_000)
    assert car.battery == pytest.approx(80 - 60 * 0.18 / 60 * 100)
    assert (car.longitude - east) * 111_195 * 0.6084 == pytest.approx(60_000, rel=0.001)


def test_it_does_not_matter_how_time_is_cut_up() -> None:
    whole, pieces = (body(engine_running=True, speed=90, battery=70, heading=0) for _ in range(2))
    whole.advance(600)
    for _ in range(600):
        pieces.advance(1)
    assert pieces.to_json() == pytest.approx(whole.to_json())


def test_an_empty_battery_ends_the_drive_where_it_ran_out() -> None:
    car = body(engine_running=True, speed=100, battery=1)
    start = car.odometer
    car.advance(36_000)
    assert (car.battery, car.speed, car.engine_running) == (0.0, 0.0, False)
    assert car.odometer - start == pytest.approx(0.6 / 0.18 * 1000)
    assert car.apply(Action.START_ENGINE) is Outcome.FAULT


def test_charging_ends_at_the_limit_and_without_a_cable() -> None:
    car = body(charge_port_open=True, cable_connected=True, charging=True, battery=50, charge_limit=60)
    car.advance(1800)
    assert car.battery == pytest.approx(50 + 5.5 / 60 * 100)
    assert car.charging
    car.advance(3600)
    assert (car.battery, car.charging) == (60.0, False)
    for away in ({"cable_connected": False}, {"charge_port_open": False}, {"speed": 10}):
        other = body(charge_port_open=True, cable_connected=True, charging=True, battery=50)
        other.put(away)
        other.advance(1)
        assert (other.charging, other.battery <= 50) == (False, True), away


def test_lights_left_on_empty_the_12_v_battery_and_driving_fills_it() -> None:
    car = body(low_beam=True, high_beam=True)
    car.advance(3600)
    assert car.low_voltage == pytest.approx(11.6)
    car.advance(7200)
    assert car.apply(Action.UNLOCK) is Outcome.FAULT
    car.put({"engine_running": True})
    car.advance(600)
    assert car.low_voltage == 13.8


def test_a_car_at_rest_falls_asleep_when_it_was_told_after_how_long() -> None:
    car = body(sleep_after=300)
    car.advance(299)
    assert car.apply(Action.FLASH_LIGHTS) is Outcome.DONE, "which keeps it awake"
    car.advance(299)
    assert not car.asleep
    car.advance(1)
    assert car.asleep
    never = Body()
    assert never.advance(1e6) == frozenset()


@pytest.mark.parametrize("part", ["engine_running", "rear_driver_door_open"])
def test_a_busy_car_stays_awake(part: str) -> None:
    car = body(sleep_after=10, **{part: True})
    car.advance(1000)
    assert not car.asleep


# -- what is put, and what is kept ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("locked", 1, "true or false"),
        ("locked", "false", "true or false"),
        ("speed", -1, "0 to 300 km/h"),
        ("speed", 301, "0 to 300 km/h"),
        ("speed", float("nan"), "is a number"),
        ("speed", float("inf"), "is a number"),
        ("speed", True, "is a number"),
        ("battery", "80", "is a number"),
        ("battery", None, "is a number"),
        ("battery", [1] * 10_000, "is a number"),
        ("driver_window", 1.5, "whole number"),
        ("latitude", 90.5, "-90 to 90 degrees"),
    ],
)
def test_a_value_that_a_part_cannot_have_is_refused_and_changes_nothing(name: str, value: object, why: str) -> None:
    car = Body()
    with pytest.raises(ValueError, match=why) as refused:
        car.put({"trunk_open": True, name: value})
    assert len(str(refused.value)) < 120
    assert car == Body()


def test_an_unknown_part_is_refused() -> None:
    with pytest.raises(KeyError, match="wings"):
        Body().put({"wings": True})


def test_what_is_stored_comes_back_whoever_stored_it() -> None:
    car = body(locked=False, speed=30, driver_window=40)
    assert Body.from_json(car.to_json()) == car
    assert Body.from_json({"locked": False, "speed": 3.0, "wings": 2}) == replace(Body(), locked=False, speed=3.0)
    with pytest.raises(ValueError, match="battery"):
        Body.from_json({"battery": 101})


def test_every_part_says_what_it_is() -> None:
    assert all(part.metadata["words"] for part in PARTS.values())
    assert all(isinstance(p.default, bool) or p.metadata["low"] < p.metadata["high"] for p in PARTS.values())
