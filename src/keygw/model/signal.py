"""Signals: VSS-named values of the vehicle, with unit, time and quality."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keygw.model.open_enum import OpenEnum

SignalValue = bool | int | float | str


class SignalId(OpenEnum):
    """The number that stands for a path on the air (registry of ``protocols/key_session``)."""

    CENTRAL_LOCK = 1
    DOOR_ROW1_DRIVER_OPEN = 2
    DOOR_ROW1_PASSENGER_OPEN = 3
    TRUNK_OPEN = 4
    TRUNK_LOCKED = 5
    SPEED = 6
    BATTERY_SOC = 7
    LIGHTS_HAZARD = 8
    ENGINE_RUNNING = 9
    PAIRING_OPEN = 10
    """Told to owners alone: somebody in the car has opened pairing mode."""
    OWNER_DEVICES = 11
    """Told to owners alone: how many devices may hold an owner key."""
    DOOR_ROW2_DRIVER_OPEN = 16
    DOOR_ROW2_PASSENGER_OPEN = 17
    DOOR_ROW1_DRIVER_LOCKED = 18
    DOOR_ROW1_PASSENGER_LOCKED = 19
    DOOR_ROW2_DRIVER_LOCKED = 20
    DOOR_ROW2_PASSENGER_LOCKED = 21
    WINDOW_ROW1_DRIVER_OPEN = 22
    WINDOW_ROW1_PASSENGER_OPEN = 23
    WINDOW_ROW2_DRIVER_OPEN = 24
    WINDOW_ROW2_PASSENGER_OPEN = 25
    WINDOW_ROW1_DRIVER_POSITION = 26
    WINDOW_ROW1_PASSENGER_POSITION = 27
    WINDOW_ROW2_DRIVER_POSITION = 28
    WINDOW_ROW2_PASSENGER_POSITION = 29
    CHILD_LOCK_ROW2_DRIVER = 30
    CHILD_LOCK_ROW2_PASSENGER = 31
    DOOR_COUNT = 32
    BONNET_OPEN = 33
    TRUNK_LIGHT = 34
    LIGHTS_LOW_BEAM = 35
    LIGHTS_HIGH_BEAM = 36
    LIGHTS_PARKING = 37
    LIGHTS_RUNNING = 38
    LIGHTS_LICENSE_PLATE = 39
    LIGHTS_FOG_FRONT = 40
    LIGHTS_FOG_REAR = 41
    LIGHTS_BACKUP = 42
    LIGHTS_BRAKE = 43
    INDICATOR_LEFT = 44
    INDICATOR_RIGHT = 45
    HORN = 46
    MIRROR_DRIVER_FOLDED = 47
    MIRROR_PASSENGER_FOLDED = 48
    CHARGE_PORT_OPEN = 49
    CHARGE_CABLE_CONNECTED = 50
    CHARGE_CABLE_LOCKED = 51
    CHARGING = 52
    CHARGE_LIMIT = 53
    CHARGE_TIME_LEFT = 54
    CHARGE_POWER = 55
    CHARGE_POWER_MAX = 56
    CHARGE_RATE = 57
    BATTERY_ENERGY = 58
    BATTERY_SOC_DISPLAYED = 59
    BATTERY_GROSS_CAPACITY = 60
    BATTERY_NET_CAPACITY = 61
    BATTERY_NOMINAL_VOLTAGE = 62
    BATTERY_VOLTAGE = 63
    BATTERY_POWER = 64
    BATTERY_CONNECTED = 65
    BATTERY_HEALTH = 66
    BATTERY_RANGE = 67
    RANGE = 68
    LOW_VOLTAGE = 69
    LOW_VOLTAGE_NOMINAL = 70
    LOW_VOLTAGE_STATE = 71
    GEAR = 72
    PARK_LOCK = 73
    PARKING_BRAKE = 74
    MOVING = 75
    TYRE_FRONT_LEFT_PRESSURE = 76
    TYRE_FRONT_RIGHT_PRESSURE = 77
    TYRE_REAR_LEFT_PRESSURE = 78
    TYRE_REAR_RIGHT_PRESSURE = 79
    TYRE_FRONT_LEFT_LOW = 80
    TYRE_FRONT_RIGHT_LOW = 81
    TYRE_REAR_LEFT_LOW = 82
    TYRE_REAR_RIGHT_LOW = 83
    SEAT_ROW1_DRIVER_OCCUPANCY = 84
    SEAT_ROW1_PASSENGER_OCCUPANCY = 85
    SEAT_ROW2_DRIVER_OCCUPANCY = 86
    SEAT_ROW2_PASSENGER_OCCUPANCY = 87
    SEAT_ROW1_DRIVER_BELTED = 88
    SEAT_ROW1_PASSENGER_BELTED = 89
    SEAT_ROW2_DRIVER_BELTED = 90
    SEAT_ROW2_PASSENGER_BELTED = 91
    SEAT_ROW1_DRIVER_HEATING = 92
    SEAT_ROW1_PASSENGER_HEATING = 93
    LATITUDE = 94
    LONGITUDE = 95
    HEADING = 96
    ODOMETER = 97
    TRIP = 98
    OUTSIDE_TEMPERATURE = 99
    VSS_MAJOR = 100
    VSS_MINOR = 101
    VSS_PATCH = 102
    ASLEEP = 103

    @property
    def path(self) -> str:
        """The VSS v6.0 path (or overlay path under ``Vehicle.Private.KeyGW``)."""
        return PATHS.get(self, f"Vehicle.Private.KeyGW.Unknown.Signal{int(self)}")


@dataclass(frozen=True, slots=True)
class Leaf:
    """Where a signal stands in VSS v6.0, or in the overlay ``Vehicle.Private.KeyGW``; its datatype and unit there."""

    path: str
    datatype: str
    unit: str | None = None


LEAVES: dict[SignalId, Leaf] = {
    SignalId.CENTRAL_LOCK: Leaf("Vehicle.Private.KeyGW.CentralLock.IsLocked", "boolean"),
    SignalId.DOOR_ROW1_DRIVER_OPEN: Leaf("Vehicle.Cabin.Door.Row1.DriverSide.IsOpen", "boolean"),
    SignalId.DOOR_ROW1_PASSENGER_OPEN: Leaf("Vehicle.Cabin.Door.Row1.PassengerSide.IsOpen", "boolean"),
    SignalId.TRUNK_OPEN: Leaf("Vehicle.Body.Trunk.Rear.IsOpen", "boolean"),
    SignalId.TRUNK_LOCKED: Leaf("Vehicle.Body.Trunk.Rear.IsLocked", "boolean"),
    SignalId.SPEED: Leaf("Vehicle.Speed", "float", "km/h"),
    SignalId.BATTERY_SOC: Leaf("Vehicle.Powertrain.TractionBattery.StateOfCharge.Current", "float", "percent"),
    SignalId.LIGHTS_HAZARD: Leaf("Vehicle.Body.Lights.Hazard.IsSignaling", "boolean"),
    SignalId.ENGINE_RUNNING: Leaf("Vehicle.Powertrain.CombustionEngine.IsRunning", "boolean"),
    SignalId.PAIRING_OPEN: Leaf("Vehicle.Private.KeyGW.Pairing.IsOpen", "boolean"),
    SignalId.OWNER_DEVICES: Leaf("Vehicle.Private.KeyGW.Pairing.OwnerDevices", "uint16"),
    SignalId.DOOR_ROW2_DRIVER_OPEN: Leaf("Vehicle.Cabin.Door.Row2.DriverSide.IsOpen", "boolean"),
    SignalId.DOOR_ROW2_PASSENGER_OPEN: Leaf("Vehicle.Cabin.Door.Row2.PassengerSide.IsOpen", "boolean"),
    SignalId.DOOR_ROW1_DRIVER_LOCKED: Leaf("Vehicle.Cabin.Door.Row1.DriverSide.IsLocked", "boolean"),
    SignalId.DOOR_ROW1_PASSENGER_LOCKED: Leaf("Vehicle.Cabin.Door.Row1.PassengerSide.IsLocked", "boolean"),
    SignalId.DOOR_ROW2_DRIVER_LOCKED: Leaf("Vehicle.Cabin.Door.Row2.DriverSide.IsLocked", "boolean"),
    SignalId.DOOR_ROW2_PASSENGER_LOCKED: Leaf("Vehicle.Cabin.Door.Row2.PassengerSide.IsLocked", "boolean"),
    SignalId.WINDOW_ROW1_DRIVER_OPEN: Leaf("Vehicle.Cabin.Door.Row1.DriverSide.Window.IsOpen", "boolean"),
    SignalId.WINDOW_ROW1_PASSENGER_OPEN: Leaf("Vehicle.Cabin.Door.Row1.PassengerSide.Window.IsOpen", "boolean"),
    SignalId.WINDOW_ROW2_DRIVER_OPEN: Leaf("Vehicle.Cabin.Door.Row2.DriverSide.Window.IsOpen", "boolean"),
    SignalId.WINDOW_ROW2_PASSENGER_OPEN: Leaf("Vehicle.Cabin.Door.Row2.PassengerSide.Window.IsOpen", "boolean"),
    SignalId.WINDOW_ROW1_DRIVER_POSITION: Leaf(
        "Vehicle.Cabin.Door.Row1.DriverSide.Window.Position", "uint8", "percent"
    ),
    SignalId.WINDOW_ROW1_PASSENGER_POSITION: Leaf(
        "Vehicle.Cabin.Door.Row1.PassengerSide.Window.Position", "uint8", "percent"
    ),
    SignalId.WINDOW_ROW2_DRIVER_POSITION: Leaf(
        "Vehicle.Cabin.Door.Row2.DriverSide.Window.Position", "uint8", "percent"
    ),
    SignalId.WINDOW_ROW2_PASSENGER_POSITION: Leaf(
        "Vehicle.Cabin.Door.Row2.PassengerSide.Window.Position", "uint8", "percent"
    ),
    SignalId.CHILD_LOCK_ROW2_DRIVER: Leaf("Vehicle.Cabin.Door.Row2.DriverSide.IsChildLockActive", "boolean"),
    SignalId.CHILD_LOCK_ROW2_PASSENGER: Leaf("Vehicle.Cabin.Door.Row2.PassengerSide.IsChildLockActive", "boolean"),
    SignalId.DOOR_COUNT: Leaf("Vehicle.Cabin.DoorCount", "uint8"),
    SignalId.BONNET_OPEN: Leaf("Vehicle.Body.Hood.IsOpen", "boolean"),
    SignalId.TRUNK_LIGHT: Leaf("Vehicle.Body.Trunk.Rear.IsLightOn", "boolean"),
    SignalId.LIGHTS_LOW_BEAM: Leaf("Vehicle.Body.Lights.Beam.Low.IsOn", "boolean"),
    SignalId.LIGHTS_HIGH_BEAM: Leaf("Vehicle.Body.Lights.Beam.High.IsOn", "boolean"),
    SignalId.LIGHTS_PARKING: Leaf("Vehicle.Body.Lights.Parking.IsOn", "boolean"),
    SignalId.LIGHTS_RUNNING: Leaf("Vehicle.Body.Lights.Running.IsOn", "boolean"),
    SignalId.LIGHTS_LICENSE_PLATE: Leaf("Vehicle.Body.Lights.LicensePlate.IsOn", "boolean"),
    SignalId.LIGHTS_FOG_FRONT: Leaf("Vehicle.Body.Lights.Fog.Front.IsOn", "boolean"),
    SignalId.LIGHTS_FOG_REAR: Leaf("Vehicle.Body.Lights.Fog.Rear.IsOn", "boolean"),
    SignalId.LIGHTS_BACKUP: Leaf("Vehicle.Body.Lights.Backup.IsOn", "boolean"),
    SignalId.LIGHTS_BRAKE: Leaf("Vehicle.Body.Lights.Brake.IsActive", "string"),
    SignalId.INDICATOR_LEFT: Leaf("Vehicle.Body.Lights.DirectionIndicator.Left.IsSignaling", "boolean"),
    SignalId.INDICATOR_RIGHT: Leaf("Vehicle.Body.Lights.DirectionIndicator.Right.IsSignaling", "boolean"),
    SignalId.HORN: Leaf("Vehicle.Body.Horn.IsActive", "boolean"),
    SignalId.MIRROR_DRIVER_FOLDED: Leaf("Vehicle.Body.Mirrors.DriverSide.IsFolded", "boolean"),
    SignalId.MIRROR_PASSENGER_FOLDED: Leaf("Vehicle.Body.Mirrors.PassengerSide.IsFolded", "boolean"),
    SignalId.CHARGE_PORT_OPEN: Leaf(
        "Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.AnyPosition.IsFlapOpen", "boolean"
    ),
    SignalId.CHARGE_CABLE_CONNECTED: Leaf(
        "Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.AnyPosition.IsChargingCableConnected", "boolean"
    ),
    SignalId.CHARGE_CABLE_LOCKED: Leaf(
        "Vehicle.Powertrain.TractionBattery.Charging.ChargingPort.AnyPosition.IsChargingCableLocked", "boolean"
    ),
    SignalId.CHARGING: Leaf("Vehicle.Powertrain.TractionBattery.Charging.IsCharging", "boolean"),
    SignalId.CHARGE_LIMIT: Leaf("Vehicle.Powertrain.TractionBattery.Charging.ChargeLimit", "uint8", "percent"),
    SignalId.CHARGE_TIME_LEFT: Leaf("Vehicle.Powertrain.TractionBattery.Charging.TimeToComplete", "uint32", "s"),
    SignalId.CHARGE_POWER: Leaf("Vehicle.Powertrain.TractionBattery.Charging.AveragePower", "float", "kW"),
    SignalId.CHARGE_POWER_MAX: Leaf("Vehicle.Powertrain.TractionBattery.Charging.MaxPower", "float", "kW"),
    SignalId.CHARGE_RATE: Leaf("Vehicle.Powertrain.TractionBattery.Charging.ChargeRate", "float", "km/h"),
    SignalId.BATTERY_ENERGY: Leaf("Vehicle.Powertrain.TractionBattery.StateOfCharge.CurrentEnergy", "float", "kWh"),
    SignalId.BATTERY_SOC_DISPLAYED: Leaf(
        "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed", "float", "percent"
    ),
    SignalId.BATTERY_GROSS_CAPACITY: Leaf("Vehicle.Powertrain.TractionBattery.GrossCapacity", "uint16", "kWh"),
    SignalId.BATTERY_NET_CAPACITY: Leaf("Vehicle.Powertrain.TractionBattery.NetCapacity", "uint16", "kWh"),
    SignalId.BATTERY_NOMINAL_VOLTAGE: Leaf("Vehicle.Powertrain.TractionBattery.NominalVoltage", "uint16", "V"),
    SignalId.BATTERY_VOLTAGE: Leaf("Vehicle.Powertrain.TractionBattery.CurrentVoltage", "float", "V"),
    SignalId.BATTERY_POWER: Leaf("Vehicle.Powertrain.TractionBattery.CurrentPower", "float", "W"),
    SignalId.BATTERY_CONNECTED: Leaf("Vehicle.Powertrain.TractionBattery.IsPowerConnected", "boolean"),
    SignalId.BATTERY_HEALTH: Leaf("Vehicle.Powertrain.TractionBattery.StateOfHealth", "float", "percent"),
    SignalId.BATTERY_RANGE: Leaf("Vehicle.Powertrain.TractionBattery.Range", "uint32", "m"),
    SignalId.RANGE: Leaf("Vehicle.Powertrain.Range", "uint32", "m"),
    SignalId.LOW_VOLTAGE: Leaf("Vehicle.LowVoltageBattery.CurrentVoltage", "float", "V"),
    SignalId.LOW_VOLTAGE_NOMINAL: Leaf("Vehicle.LowVoltageBattery.NominalVoltage", "uint16", "V"),
    SignalId.LOW_VOLTAGE_STATE: Leaf("Vehicle.LowVoltageSystemState", "string"),
    SignalId.GEAR: Leaf("Vehicle.Powertrain.Transmission.CurrentGear", "int8"),
    SignalId.PARK_LOCK: Leaf("Vehicle.Powertrain.Transmission.IsParkLockEngaged", "boolean"),
    SignalId.PARKING_BRAKE: Leaf("Vehicle.Chassis.ParkingBrake.IsEngaged", "boolean"),
    SignalId.MOVING: Leaf("Vehicle.IsMoving", "boolean"),
    SignalId.TYRE_FRONT_LEFT_PRESSURE: Leaf("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.Pressure", "uint16", "kPa"),
    SignalId.TYRE_FRONT_RIGHT_PRESSURE: Leaf("Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.Pressure", "uint16", "kPa"),
    SignalId.TYRE_REAR_LEFT_PRESSURE: Leaf("Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.Pressure", "uint16", "kPa"),
    SignalId.TYRE_REAR_RIGHT_PRESSURE: Leaf("Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.Pressure", "uint16", "kPa"),
    SignalId.TYRE_FRONT_LEFT_LOW: Leaf("Vehicle.Chassis.Axle.Row1.Wheel.Left.Tire.IsPressureLow", "boolean"),
    SignalId.TYRE_FRONT_RIGHT_LOW: Leaf("Vehicle.Chassis.Axle.Row1.Wheel.Right.Tire.IsPressureLow", "boolean"),
    SignalId.TYRE_REAR_LEFT_LOW: Leaf("Vehicle.Chassis.Axle.Row2.Wheel.Left.Tire.IsPressureLow", "boolean"),
    SignalId.TYRE_REAR_RIGHT_LOW: Leaf("Vehicle.Chassis.Axle.Row2.Wheel.Right.Tire.IsPressureLow", "boolean"),
    SignalId.SEAT_ROW1_DRIVER_OCCUPANCY: Leaf("Vehicle.Cabin.Seat.Row1.DriverSide.OccupancyStatus", "string"),
    SignalId.SEAT_ROW1_PASSENGER_OCCUPANCY: Leaf("Vehicle.Cabin.Seat.Row1.PassengerSide.OccupancyStatus", "string"),
    SignalId.SEAT_ROW2_DRIVER_OCCUPANCY: Leaf("Vehicle.Cabin.Seat.Row2.DriverSide.OccupancyStatus", "string"),
    SignalId.SEAT_ROW2_PASSENGER_OCCUPANCY: Leaf("Vehicle.Cabin.Seat.Row2.PassengerSide.OccupancyStatus", "string"),
    SignalId.SEAT_ROW1_DRIVER_BELTED: Leaf("Vehicle.Cabin.Seat.Row1.DriverSide.IsBelted", "boolean"),
    SignalId.SEAT_ROW1_PASSENGER_BELTED: Leaf("Vehicle.Cabin.Seat.Row1.PassengerSide.IsBelted", "boolean"),
    SignalId.SEAT_ROW2_DRIVER_BELTED: Leaf("Vehicle.Cabin.Seat.Row2.DriverSide.IsBelted", "boolean"),
    SignalId.SEAT_ROW2_PASSENGER_BELTED: Leaf("Vehicle.Cabin.Seat.Row2.PassengerSide.IsBelted", "boolean"),
    SignalId.SEAT_ROW1_DRIVER_HEATING: Leaf("Vehicle.Cabin.Seat.Row1.DriverSide.HeatingCooling", "int8", "percent"),
    SignalId.SEAT_ROW1_PASSENGER_HEATING: Leaf(
        "Vehicle.Cabin.Seat.Row1.PassengerSide.HeatingCooling", "int8", "percent"
    ),
    SignalId.LATITUDE: Leaf("Vehicle.CurrentLocation.Latitude", "double", "degrees"),
    SignalId.LONGITUDE: Leaf("Vehicle.CurrentLocation.Longitude", "double", "degrees"),
    SignalId.HEADING: Leaf("Vehicle.CurrentLocation.Heading", "double", "degrees"),
    SignalId.ODOMETER: Leaf("Vehicle.TraveledDistance", "uint32", "m"),
    SignalId.TRIP: Leaf("Vehicle.TraveledDistanceSinceStart", "uint32", "m"),
    SignalId.OUTSIDE_TEMPERATURE: Leaf("Vehicle.Exterior.AirTemperature", "float", "Celsius"),
    SignalId.VSS_MAJOR: Leaf("Vehicle.VersionVSS.Major", "uint32"),
    SignalId.VSS_MINOR: Leaf("Vehicle.VersionVSS.Minor", "uint32"),
    SignalId.VSS_PATCH: Leaf("Vehicle.VersionVSS.Patch", "uint32"),
    SignalId.ASLEEP: Leaf("Vehicle.Private.KeyGW.Sleep.IsAsleep", "boolean"),
}

PATHS: dict[SignalId, str] = {signal: leaf.path for signal, leaf in LEAVES.items()}
UNITS: dict[SignalId, str] = {signal: leaf.unit for signal, leaf in LEAVES.items() if leaf.unit is not None}


class Quality(StrEnum):
    LIVE = "live"
    STALE = "stale"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Signal:
    """``at``: when the vehicle measured it, ``received_at``: when we heard of it; both Unix seconds."""

    id: SignalId
    value: SignalValue
    at: float
    received_at: float
    source: str = "ble"

    @property
    def path(self) -> str:
        return self.id.path

    @property
    def unit(self) -> str | None:
        return UNITS.get(self.id)
