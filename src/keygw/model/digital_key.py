"""The digital key: the grant that says who may do what with which vehicle, until when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keygw.model.entitlement import Entitlement
from keygw.model.open_enum import OpenEnum


class Role(OpenEnum):
    """Role of a digital key; the number is what the key token carries."""

    OWNER = 1
    FRIEND = 2
    SERVICE = 3


class KeyState(StrEnum):
    """Life of a digital key as the credential service sees it.

    ``REVOKING``: revoked here, not yet known by the vehicle. ``REVOKED``: the vehicle has said so itself.
    """

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKING = "revoking"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class DigitalKey:
    """One grant. Times are whole Unix seconds; ``index`` is the vehicle's u16 for it and is never reused."""

    id: str
    vehicle_id: str
    device_id: str
    role: Role
    entitlements: Entitlement
    index: int
    not_before: int
    expires_at: int
    issued_at: int
    state: KeyState = KeyState.ACTIVE
    parent_id: str | None = None
    depth: int = 0
    max_depth: int = 0
    epoch: int = 0
    label: str = ""
    profile: str = ""
    """The access profile that it was asked for by; "" where single entitlements were named."""
    version: int = 1
    """Counts the writes of this row (optimistic concurrency)."""

    def expired(self, now: float) -> bool:
        return now >= self.expires_at
