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

    @property
    def path(self) -> str:
        """The VSS v6.0 path (or overlay path under ``Vehicle.Private.KeyGW``)."""
        return PATHS.get(self, f"Vehicle.Private.KeyGW.Unknown.Signal{int(self)}")


PATHS: dict[SignalId, str] = {
    SignalId.CENTRAL_LOCK: "Vehicle.Private.KeyGW.CentralLock.IsLocked",
    SignalId.DOOR_ROW1_DRIVER_OPEN: "Vehicle.Cabin.Door.Row1.DriverSide.IsOpen",
    SignalId.DOOR_ROW1_PASSENGER_OPEN: "Vehicle.Cabin.Door.Row1.PassengerSide.IsOpen",
    SignalId.TRUNK_OPEN: "Vehicle.Body.Trunk.Rear.IsOpen",
    SignalId.TRUNK_LOCKED: "Vehicle.Body.Trunk.Rear.IsLocked",
    SignalId.SPEED: "Vehicle.Speed",
    SignalId.BATTERY_SOC: "Vehicle.Powertrain.TractionBattery.StateOfCharge.Current",
    SignalId.LIGHTS_HAZARD: "Vehicle.Body.Lights.Hazard.IsSignaling",
    SignalId.ENGINE_RUNNING: "Vehicle.Powertrain.CombustionEngine.IsRunning",
    SignalId.PAIRING_OPEN: "Vehicle.Private.KeyGW.Pairing.IsOpen",
    SignalId.OWNER_DEVICES: "Vehicle.Private.KeyGW.Pairing.OwnerDevices",
}

UNITS: dict[SignalId, str] = {SignalId.SPEED: "km/h", SignalId.BATTERY_SOC: "percent"}


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
