"""Operators' roles: one table, role -> scopes. Least first: what is not named here, a role may not."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from keygw.bridge.scopes import PLATFORM, Scope
from keygw.model.errors import BadInput


class OperatorRole(StrEnum):
    ADMIN = "admin"
    """Everything, operators and, for the whole gateway, tenants and issuer keys too."""
    FLEET = "fleet"
    """Vehicles, keys, devices, apps, people and limits."""
    SUPPORT = "support"
    """Looks at everything but the trail; suspends and resumes keys, takes devices as lost and as found."""
    AUDITOR = "auditor"
    """Looks at everything, the audit trail too, and changes nothing."""
    ISSUER = "issuer"
    """The issuer's keys and nothing else; for the whole gateway alone."""


_LOOK = frozenset(
    {
        Scope.VEHICLE_READ,
        Scope.STATUS_SECURITY_READ,
        Scope.STATUS_ENERGY_READ,
        Scope.KEY_READ,
        Scope.COMMAND_READ,
        Scope.APP_READ,
        Scope.PERSON_READ,
        Scope.LIMITS_READ,
        Scope.TENANT_READ,
    }
)

ROLES: Mapping[OperatorRole, frozenset[Scope]] = MappingProxyType(
    {
        OperatorRole.ADMIN: frozenset(Scope),
        OperatorRole.FLEET: _LOOK
        | {
            Scope.STATUS_LOCATION_READ,
            Scope.VEHICLE_MANAGE,
            Scope.KEY_MANAGE,
            Scope.KEY_SHARE,
            Scope.KEY_HOLD,
            Scope.KEY_ISSUE,
            Scope.DEVICE_MANAGE,
            Scope.APP_MANAGE,
            Scope.PERSON_MANAGE,
            Scope.LIMITS_MANAGE,
            Scope.WEBHOOK_MANAGE,
        },
        OperatorRole.SUPPORT: _LOOK | {Scope.KEY_HOLD},
        OperatorRole.AUDITOR: _LOOK | {Scope.AUDIT_READ, Scope.AUDIT_VERIFY, Scope.OPERATOR_READ, Scope.ISSUER_READ},
        OperatorRole.ISSUER: frozenset({Scope.ISSUER_READ, Scope.ISSUER_MANAGE}),
    }
)
"""Those of one tenant have the same without what concerns all tenants (``scopes.PLATFORM``)."""


def scopes_of(role: OperatorRole, *, platform: bool) -> frozenset[Scope]:
    return ROLES[role] if platform else ROLES[role] - PLATFORM


def parse_role(name: str, *, platform: bool) -> OperatorRole:
    """``BadInput`` unknown_role, or role_of_the_platform for one that would be left with nothing in a tenant."""
    try:
        role = OperatorRole(name)
    except ValueError:
        known = ", ".join(OperatorRole)
        raise BadInput(f"{name[:40]!r} is not a role; known: {known}", code="unknown_role") from None
    if not scopes_of(role, platform=platform):
        raise BadInput(f"{role} looks after the whole gateway, not after one tenant", code="role_of_the_platform")
    return role
