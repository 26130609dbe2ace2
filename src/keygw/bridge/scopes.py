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
    COMMAND_LOCK = "command.lock"
    COMMAND_UNLOCK = "command.unlock"
    COMMAND_TRUNK = "command.trunk"
    COMMAND_LIGHTS = "command.lights"
    COMMAND_START = "command.start"
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

SIGNAL_SCOPES: dict[SignalId, frozenset[Scope]] = {
    SignalId.CENTRAL_LOCK: _DOORS,
    SignalId.DOOR_ROW1_DRIVER_OPEN: _DOORS,
    SignalId.DOOR_ROW1_PASSENGER_OPEN: _DOORS,
    SignalId.TRUNK_OPEN: _SECURITY | {Scope.COMMAND_TRUNK},
    SignalId.TRUNK_LOCKED: _SECURITY | {Scope.COMMAND_TRUNK},
    SignalId.SPEED: _ENERGY,
    SignalId.BATTERY_SOC: _ENERGY,
    SignalId.LIGHTS_HAZARD: _SECURITY | {Scope.COMMAND_LIGHTS},
    SignalId.ENGINE_RUNNING: _SECURITY | {Scope.COMMAND_START},
    SignalId.PAIRING_OPEN: _SECURITY | {Scope.KEY_MANAGE},
    SignalId.OWNER_DEVICES: _SECURITY | {Scope.KEY_MANAGE},
}
"""Any one of these scopes lets an app read the signal: who may move a thing may see how it stands."""


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
