"""Scopes: what an app's or an operator's bearer token may be used for. (What a *key* allows is an entitlement.)

An app is granted its scopes one by one; an operator has those of its role (``roles``).
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from keygw.model.command import Action
from keygw.model.errors import BadInput
from keygw.model.signal import SignalId


class Scope(StrEnum):
    VEHICLE_READ = "vehicle.read"
    VEHICLE_MANAGE = "vehicle.manage"
    STATUS_SECURITY_READ = "status.security.read"
    STATUS_ENERGY_READ = "status.energy.read"
    STATUS_LOCATION_READ = "status.location.read"
    COMMAND_LOCK = "command.lock"
    COMMAND_UNLOCK = "command.unlock"
    COMMAND_TRUNK = "command.trunk"
    COMMAND_LIGHTS = "command.lights"
    COMMAND_START = "command.start"
    SESSION_CONNECT = "session.connect"
    CARDS_WRITE = "cards.write"
    HEAD_UNIT_SHOW = "head_unit.show"
    WEBHOOK_MANAGE = "webhook.manage"
    KEY_READ = "key.read"
    KEY_MANAGE = "key.manage"
    KEY_SHARE = "key.share"
    KEY_HOLD = "key.hold"
    KEY_ISSUE = "key.issue"
    COMMAND_READ = "command.read"
    DEVICE_MANAGE = "device.manage"
    APP_READ = "app.read"
    APP_MANAGE = "app.manage"
    PERSON_READ = "person.read"
    PERSON_MANAGE = "person.manage"
    LIMITS_READ = "limits.read"
    LIMITS_MANAGE = "limits.manage"
    OPERATOR_READ = "operator.read"
    OPERATOR_MANAGE = "operator.manage"
    AUDIT_READ = "audit.read"
    AUDIT_VERIFY = "audit.verify"
    TENANT_READ = "tenant.read"
    TENANT_MANAGE = "tenant.manage"
    ISSUER_READ = "issuer.read"
    ISSUER_MANAGE = "issuer.manage"


PLATFORM = frozenset({Scope.AUDIT_VERIFY, Scope.TENANT_MANAGE, Scope.ISSUER_READ, Scope.ISSUER_MANAGE})
"""What concerns all tenants at once: an operator of one tenant never has them, whatever its role."""

OPERATORS = PLATFORM | {
    Scope.KEY_HOLD,
    Scope.KEY_ISSUE,
    Scope.COMMAND_READ,
    Scope.DEVICE_MANAGE,
    Scope.APP_READ,
    Scope.APP_MANAGE,
    Scope.PERSON_READ,
    Scope.PERSON_MANAGE,
    Scope.LIMITS_READ,
    Scope.LIMITS_MANAGE,
    Scope.OPERATOR_READ,
    Scope.OPERATOR_MANAGE,
    Scope.AUDIT_READ,
    Scope.TENANT_READ,
}
"""The operators' alone; they cannot be granted to a registered app."""

GRANTABLE = frozenset(Scope) - OPERATORS

COMMAND_SCOPES: dict[Action, Scope] = {
    Action.LOCK: Scope.COMMAND_LOCK,
    Action.UNLOCK: Scope.COMMAND_UNLOCK,
    Action.OPEN_TRUNK: Scope.COMMAND_TRUNK,
    Action.FLASH_LIGHTS: Scope.COMMAND_LIGHTS,
    Action.START_ENGINE: Scope.COMMAND_START,
    Action.ALLOW_PAIRING: Scope.KEY_MANAGE,
    Action.PASSIVE_UNLOCK: Scope.COMMAND_UNLOCK,
}

_SECURITY = frozenset({Scope.STATUS_SECURITY_READ})
_DOORS = _SECURITY | {Scope.COMMAND_LOCK, Scope.COMMAND_UNLOCK}
_ENERGY = frozenset({Scope.STATUS_ENERGY_READ})
_LOCATION = frozenset({Scope.STATUS_LOCATION_READ})

_GROUPS: tuple[tuple[frozenset[Scope], tuple[SignalId, ...]], ...] = (
    (
        _DOORS,
        (
            SignalId.CENTRAL_LOCK,
            SignalId.DOOR_ROW1_DRIVER_OPEN,
            SignalId.DOOR_ROW1_PASSENGER_OPEN,
            SignalId.DOOR_ROW2_DRIVER_OPEN,
            SignalId.DOOR_ROW2_PASSENGER_OPEN,
            SignalId.DOOR_ROW1_DRIVER_LOCKED,
            SignalId.DOOR_ROW1_PASSENGER_LOCKED,
            SignalId.DOOR_ROW2_DRIVER_LOCKED,
            SignalId.DOOR_ROW2_PASSENGER_LOCKED,
        ),
    ),
    (
        _SECURITY | {Scope.COMMAND_TRUNK},
        (SignalId.TRUNK_OPEN, SignalId.TRUNK_LOCKED, SignalId.TRUNK_LIGHT),
    ),
    (
        _SECURITY | {Scope.COMMAND_LIGHTS},
        (
            SignalId.LIGHTS_HAZARD,
            SignalId.LIGHTS_LOW_BEAM,
            SignalId.LIGHTS_HIGH_BEAM,
            SignalId.LIGHTS_PARKING,
            SignalId.LIGHTS_RUNNING,
            SignalId.LIGHTS_LICENSE_PLATE,
            SignalId.LIGHTS_FOG_FRONT,
            SignalId.LIGHTS_FOG_REAR,
            SignalId.LIGHTS_BACKUP,
            SignalId.LIGHTS_BRAKE,
            SignalId.INDICATOR_LEFT,
            SignalId.INDICATOR_RIGHT,
            SignalId.HORN,
        ),
    ),
    (_SECURITY | {Scope.COMMAND_START}, (SignalId.ENGINE_RUNNING,)),
    (_SECURITY | {Scope.KEY_MANAGE}, (SignalId.PAIRING_OPEN, SignalId.OWNER_DEVICES)),
    (
        _SECURITY,
        (
            SignalId.WINDOW_ROW1_DRIVER_OPEN,
            SignalId.WINDOW_ROW1_PASSENGER_OPEN,
            SignalId.WINDOW_ROW2_DRIVER_OPEN,
            SignalId.WINDOW_ROW2_PASSENGER_OPEN,
            SignalId.WINDOW_ROW1_DRIVER_POSITION,
            SignalId.WINDOW_ROW1_PASSENGER_POSITION,
            SignalId.WINDOW_ROW2_DRIVER_POSITION,
            SignalId.WINDOW_ROW2_PASSENGER_POSITION,
            SignalId.CHILD_LOCK_ROW2_DRIVER,
            SignalId.CHILD_LOCK_ROW2_PASSENGER,
            SignalId.DOOR_COUNT,
            SignalId.BONNET_OPEN,
            SignalId.MIRROR_DRIVER_FOLDED,
            SignalId.MIRROR_PASSENGER_FOLDED,
            SignalId.PARK_LOCK,
            SignalId.PARKING_BRAKE,
            SignalId.SEAT_ROW1_DRIVER_OCCUPANCY,
            SignalId.SEAT_ROW1_PASSENGER_OCCUPANCY,
            SignalId.SEAT_ROW2_DRIVER_OCCUPANCY,
            SignalId.SEAT_ROW2_PASSENGER_OCCUPANCY,
            SignalId.SEAT_ROW1_DRIVER_BELTED,
            SignalId.SEAT_ROW1_PASSENGER_BELTED,
            SignalId.SEAT_ROW2_DRIVER_BELTED,
            SignalId.SEAT_ROW2_PASSENGER_BELTED,
            SignalId.ASLEEP,
            SignalId.VSS_MAJOR,
            SignalId.VSS_MINOR,
            SignalId.VSS_PATCH,
        ),
    ),
    (
        _ENERGY,
        (
            SignalId.SPEED,
            SignalId.MOVING,
            SignalId.GEAR,
            SignalId.TRIP,
            SignalId.ODOMETER,
            SignalId.OUTSIDE_TEMPERATURE,
            SignalId.BATTERY_SOC,
            SignalId.BATTERY_SOC_DISPLAYED,
            SignalId.BATTERY_ENERGY,
            SignalId.BATTERY_GROSS_CAPACITY,
            SignalId.BATTERY_NET_CAPACITY,
            SignalId.BATTERY_NOMINAL_VOLTAGE,
            SignalId.BATTERY_VOLTAGE,
            SignalId.BATTERY_POWER,
            SignalId.BATTERY_CONNECTED,
            SignalId.BATTERY_HEALTH,
            SignalId.BATTERY_RANGE,
            SignalId.RANGE,
            SignalId.LOW_VOLTAGE,
            SignalId.LOW_VOLTAGE_NOMINAL,
            SignalId.LOW_VOLTAGE_STATE,
            SignalId.CHARGE_PORT_OPEN,
            SignalId.CHARGE_CABLE_CONNECTED,
            SignalId.CHARGE_CABLE_LOCKED,
            SignalId.CHARGING,
            SignalId.CHARGE_LIMIT,
            SignalId.CHARGE_TIME_LEFT,
            SignalId.CHARGE_POWER,
            SignalId.CHARGE_POWER_MAX,
            SignalId.CHARGE_RATE,
            SignalId.TYRE_FRONT_LEFT_PRESSURE,
            SignalId.TYRE_FRONT_RIGHT_PRESSURE,
            SignalId.TYRE_REAR_LEFT_PRESSURE,
            SignalId.TYRE_REAR_RIGHT_PRESSURE,
            SignalId.TYRE_FRONT_LEFT_LOW,
            SignalId.TYRE_FRONT_RIGHT_LOW,
            SignalId.TYRE_REAR_LEFT_LOW,
            SignalId.TYRE_REAR_RIGHT_LOW,
            SignalId.SEAT_ROW1_DRIVER_HEATING,
            SignalId.SEAT_ROW1_PASSENGER_HEATING,
        ),
    ),
    (_LOCATION, (SignalId.LATITUDE, SignalId.LONGITUDE, SignalId.HEADING)),
)

SIGNAL_SCOPES: dict[SignalId, frozenset[Scope]] = {signal: scopes for scopes, signals in _GROUPS for signal in signals}
"""Any one of these scopes lets an app read the signal: who may move a thing may see how it stands. Where the car is has
a scope of its own, for it tells where its people are."""

LOCATION_SIGNALS: frozenset[SignalId] = frozenset(each for each, scopes in SIGNAL_SCOPES.items() if scopes == _LOCATION)
"""What is kept for a short time alone (``signals.SignalCache``)."""


def parse_scopes(names: Iterable[str]) -> frozenset[Scope]:
    """Grantable scopes by name. ``BadInput``: unknown_scope, scope_not_grantable, or bad_input when there is none."""
    wanted: set[Scope] = set()
    for name in names:
        try:
            wanted.add(Scope(name))
        except ValueError:
            known = ", ".join(sorted(GRANTABLE))
            raise BadInput(f"{name[:40]!r} is not a scope; known: {known}", code="unknown_scope") from None
    if not wanted:
        raise BadInput("an app needs at least one scope")
    if not wanted <= GRANTABLE:
        names = ", ".join(sorted(wanted & OPERATORS))
        raise BadInput(f"{names} belongs to operators and cannot be granted", code="scope_not_grantable")
    return frozenset(wanted)
