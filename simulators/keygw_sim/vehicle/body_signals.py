"""What a body tells: one line for each signal. Values are rounded to what a car's sensors know.

Nothing stands here that the body does not have: a signal is read off its parts, or is a figure of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from keygw.model.signal import SignalId, SignalValue
from keygw_sim.vehicle import body_physics as physics

if TYPE_CHECKING:
    from keygw_sim.vehicle.body import Body

LOW_PRESSURE_KPA = 200.0

SIGNALS: dict[SignalId, Callable[[Body], SignalValue]] = {
    SignalId.CENTRAL_LOCK: lambda b: b.locked,
    SignalId.DOOR_ROW1_DRIVER_OPEN: lambda b: b.driver_door_open,
    SignalId.DOOR_ROW1_PASSENGER_OPEN: lambda b: b.passenger_door_open,
    SignalId.TRUNK_OPEN: lambda b: b.trunk_open,
    SignalId.TRUNK_LOCKED: lambda b: b.locked and not b.trunk_open,
    SignalId.SPEED: lambda b: round(b.speed, 1),
    SignalId.BATTERY_SOC: lambda b: round(b.battery, 1),
    SignalId.LIGHTS_HAZARD: lambda b: b.hazard,
    SignalId.ENGINE_RUNNING: lambda b: b.engine_running,
    SignalId.DOOR_ROW2_DRIVER_OPEN: lambda b: b.rear_driver_door_open,
    SignalId.DOOR_ROW2_PASSENGER_OPEN: lambda b: b.rear_passenger_door_open,
    SignalId.DOOR_ROW1_DRIVER_LOCKED: lambda b: b.locked and not b.driver_door_open,
    SignalId.DOOR_ROW1_PASSENGER_LOCKED: lambda b: b.locked and not b.passenger_door_open,
    SignalId.DOOR_ROW2_DRIVER_LOCKED: lambda b: b.locked and not b.rear_driver_door_open,
    SignalId.DOOR_ROW2_PASSENGER_LOCKED: lambda b: b.locked and not b.rear_passenger_door_open,
    SignalId.WINDOW_ROW1_DRIVER_OPEN: lambda b: b.driver_window > 0,
    SignalId.WINDOW_ROW1_PASSENGER_OPEN: lambda b: b.passenger_window > 0,
    SignalId.WINDOW_ROW2_DRIVER_OPEN: lambda b: b.rear_driver_window > 0,
    SignalId.WINDOW_ROW2_PASSENGER_OPEN: lambda b: b.rear_passenger_window > 0,
    SignalId.WINDOW_ROW1_DRIVER_POSITION: lambda b: b.driver_window,
    SignalId.WINDOW_ROW1_PASSENGER_POSITION: lambda b: b.passenger_window,
    SignalId.WINDOW_ROW2_DRIVER_POSITION: lambda b: b.rear_driver_window,
    SignalId.WINDOW_ROW2_PASSENGER_POSITION: lambda b: b.rear_passenger_window,
    SignalId.CHILD_LOCK_ROW2_DRIVER: lambda b: b.child_lock,
    SignalId.CHILD_LOCK_ROW2_PASSENGER: lambda b: b.child_lock,
    SignalId.DOOR_COUNT: lambda b: 4,
    SignalId.BONNET_OPEN: lambda b: b.bonnet_open,
    SignalId.TRUNK_LIGHT: lambda b: b.trunk_open,
    SignalId.LIGHTS_LOW_BEAM: lambda b: b.low_beam,
    SignalId.LIGHTS_HIGH_BEAM: lambda b: b.high_beam,
    SignalId.LIGHTS_PARKING: lambda b: b.parking_lights,
    SignalId.LIGHTS_RUNNING: lambda b: b.engine_running and not b.low_beam,
    SignalId.LIGHTS_LICENSE_PLATE: lambda b: b.low_beam or b.parking_lights,
    SignalId.LIGHTS_FOG_FRONT: lambda b: b.fog_front,
    SignalId.LIGHTS_FOG_REAR: lambda b: b.fog_rear,
    SignalId.LIGHTS_BACKUP: lambda b: b.engine_running and b.reverse,
    SignalId.LIGHTS_BRAKE: lambda b: "ACTIVE" if b.braking else "INACTIVE",
    SignalId.INDICATOR_LEFT: lambda b: b.indicator_left or b.hazard,
    SignalId.INDICATOR_RIGHT: lambda b: b.indicator_right or b.hazard,
    SignalId.HORN: lambda b: b.horn,
    SignalId.MIRROR_DRIVER_FOLDED: lambda b: b.mirrors_folded,
    SignalId.MIRROR_PASSENGER_FOLDED: lambda b: b.mirrors_folded,
    SignalId.CHARGE_PORT_OPEN: lambda b: b.charge_port_open,
    SignalId.CHARGE_CABLE_CONNECTED: lambda b: b.cable_connected,
    SignalId.CHARGE_CABLE_LOCKED: lambda b: b.charging,
    SignalId.CHARGING: lambda b: b.charging,
    SignalId.CHARGE_LIMIT: lambda b: b.charge_limit,
    SignalId.CHARGE_TIME_LEFT: lambda b: 60 * round(physics.seconds_to_full(b) / 60),
    SignalId.CHARGE_POWER: lambda b: round(b.charge_power, 1) if b.charging else 0.0,
    SignalId.CHARGE_POWER_MAX: lambda b: round(b.charge_power, 1) if b.cable_connected else 0.0,
    SignalId.CHARGE_RATE: lambda b: round(b.charge_power / physics.KWH_PER_KM, 1) if b.charging else 0.0,
    SignalId.BATTERY_ENERGY: lambda b: round(b.battery / 100 * physics.CAPACITY_KWH, 1),
    SignalId.BATTERY_SOC_DISPLAYED: lambda b: float(round(b.battery)),
    SignalId.BATTERY_GROSS_CAPACITY: lambda b: round(physics.CAPACITY_KWH),
    SignalId.BATTERY_NET_CAPACITY: lambda b: round(physics.CAPACITY_KWH),
    SignalId.BATTERY_NOMINAL_VOLTAGE: lambda b: round(physics.NOMINAL_VOLTS),
    SignalId.BATTERY_VOLTAGE: lambda b: physics.NOMINAL_VOLTS,
    SignalId.BATTERY_POWER: lambda b: float(100 * round(physics.power_kw(b) * 10)),
    SignalId.BATTERY_CONNECTED: lambda b: b.engine_running or b.charging,
    SignalId.BATTERY_HEALTH: lambda b: 100.0,
    SignalId.BATTERY_RANGE: lambda b: _hundreds(physics.range_m(b)),
    SignalId.RANGE: lambda b: _hundreds(physics.range_m(b)),
    SignalId.LOW_VOLTAGE: lambda b: round(b.low_voltage, 1),
    SignalId.LOW_VOLTAGE_NOMINAL: lambda b: round(physics.LOW_NOMINAL_VOLTS),
    SignalId.LOW_VOLTAGE_STATE: lambda b: "ON" if b.engine_running else "LOCK" if b.locked else "OFF",
    SignalId.GEAR: lambda b: 0 if not b.engine_running else -1 if b.reverse else 1,
    SignalId.PARK_LOCK: lambda b: not b.engine_running and b.speed == 0,
    SignalId.PARKING_BRAKE: lambda b: not b.engine_running and b.speed == 0,
    SignalId.MOVING: lambda b: b.speed > 0,
    SignalId.TYRE_FRONT_LEFT_PRESSURE: lambda b: round(b.tyre_front_left),
    SignalId.TYRE_FRONT_RIGHT_PRESSURE: lambda b: round(b.tyre_front_right),
    SignalId.TYRE_REAR_LEFT_PRESSURE: lambda b: round(b.tyre_rear_left),
    SignalId.TYRE_REAR_RIGHT_PRESSURE: lambda b: round(b.tyre_rear_right),
    SignalId.TYRE_FRONT_LEFT_LOW: lambda b: b.tyre_front_left < LOW_PRESSURE_KPA,
    SignalId.TYRE_FRONT_RIGHT_LOW: lambda b: b.tyre_front_right < LOW_PRESSURE_KPA,
    SignalId.TYRE_REAR_LEFT_LOW: lambda b: b.tyre_rear_left < LOW_PRESSURE_KPA,
    SignalId.TYRE_REAR_RIGHT_LOW: lambda b: b.tyre_rear_right < LOW_PRESSURE_KPA,
    SignalId.SEAT_ROW1_DRIVER_OCCUPANCY: lambda b: _occupied(b.driver_seated),
    SignalId.SEAT_ROW1_PASSENGER_OCCUPANCY: lambda b: _occupied(b.passenger_seated),
    SignalId.SEAT_ROW2_DRIVER_OCCUPANCY: lambda b: _occupied(b.rear_driver_seated),
    SignalId.SEAT_ROW2_PASSENGER_OCCUPANCY: lambda b: _occupied(b.rear_passenger_seated),
    SignalId.SEAT_ROW1_DRIVER_BELTED: lambda b: b.driver_belted,
    SignalId.SEAT_ROW1_PASSENGER_BELTED: lambda b: b.passenger_belted,
    SignalId.SEAT_ROW2_DRIVER_BELTED: lambda b: b.rear_driver_belted,
    SignalId.SEAT_ROW2_PASSENGER_BELTED: lambda b: b.rear_passenger_belted,
    SignalId.SEAT_ROW1_DRIVER_HEATING: lambda b: b.driver_heating,
    SignalId.SEAT_ROW1_PASSENGER_HEATING: lambda b: b.passenger_heating,
    SignalId.LATITUDE: lambda b: round(b.latitude, 5),
    SignalId.LONGITUDE: lambda b: round(b.longitude, 5),
    SignalId.HEADING: lambda b: round(b.heading, 1),
    SignalId.ODOMETER: lambda b: round(b.odometer),
    SignalId.TRIP: lambda b: round(b.trip),
    SignalId.OUTSIDE_TEMPERATURE: lambda b: round(b.outside_temperature, 1),
    SignalId.VSS_MAJOR: lambda b: 6,
    SignalId.VSS_MINOR: lambda b: 0,
    SignalId.VSS_PATCH: lambda b: 0,
    SignalId.ASLEEP: lambda b: b.asleep,
}


def readings(body: Body) -> dict[SignalId, SignalValue]:
    return {signal: read(body) for signal, read in SIGNALS.items()}


def _occupied(seated: bool) -> str:
    return "OCCUPIED" if seated else "EMPTY"


def _hundreds(metres: float) -> int:
    return 100 * round(metres / 100)
