"""The car's body: what the actuators do, and the physical rules they obey. It knows nothing of keys."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from keygw.model.command import Action, Outcome
from keygw.model.signal import SignalId, SignalValue


@dataclass(slots=True)
class Body:
    """The state of the car. ``speed`` km/h, ``battery`` percent."""

    locked: bool = True
    driver_door_open: bool = False
    passenger_door_open: bool = False
    trunk_open: bool = False
    engine_running: bool = False
    speed: float = 0.0
    battery: float = 80.0

    def apply(self, action: Action) -> Outcome:
        """Do it if physics allow; the outcome says what happened."""
        if self.speed > 0 and action is not Action.FLASH_LIGHTS:
            return Outcome.IN_MOTION
        match action:
            case Action.UNLOCK:
                return self._set("locked", False)
            case Action.LOCK:
                if self.driver_door_open or self.passenger_door_open:
                    return Outcome.DOOR_OPEN
                return self._set("locked", True)
            case Action.OPEN_TRUNK:
                return self._set("trunk_open", True)
            case Action.START_ENGINE:
                return self._set("engine_running", True)
            case Action.FLASH_LIGHTS:
                return Outcome.DONE
        return Outcome.UNKNOWN_ACTION

    def _set(self, actuator: str, value: bool) -> Outcome:
        if getattr(self, actuator) == value:
            return Outcome.ALREADY_IN_STATE
        setattr(self, actuator, value)
        return Outcome.DONE

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def readings(self) -> dict[SignalId, SignalValue]:
        """Every signal the body has."""
        return {
            SignalId.CENTRAL_LOCK: self.locked,
            SignalId.DOOR_ROW1_DRIVER_OPEN: self.driver_door_open,
            SignalId.DOOR_ROW1_PASSENGER_OPEN: self.passenger_door_open,
            SignalId.TRUNK_OPEN: self.trunk_open,
            SignalId.TRUNK_LOCKED: self.locked and not self.trunk_open,
            SignalId.ENGINE_RUNNING: self.engine_running,
            SignalId.SPEED: self.speed,
            SignalId.BATTERY_SOC: self.battery,
        }
