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
    """What is stored of a digital key's life: whether it may be used. ``KeyStage`` is what is shown of it.

    ``REVOKING``: revoked here, not yet known by the vehicle. ``REVOKED``: the vehicle has said so itself.
    """

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKING = "revoking"
    REVOKED = "revoked"
    EXPIRED = "expired"


class KeyStage(StrEnum):
    """How far a digital key's life is: the states of ``credentials.lifecycle``, in the order of a life.

    Five of them are stored as the ``KeyState`` of the same name. The others are read off: ``ISSUED`` and ``RENEWING``
    are both ``KeyState.ACTIVE`` (the key may be used), and before there is a key its invitation says how it stands.
    """

    REQUESTED = "requested"
    """A device has claimed an invitation; the phone that holds the parent owes its grant. There is no key yet."""
    DECLINED = "declined"
    """No key came of it: declined, taken back, too late, or its parent ended."""
    ISSUED = "issued"
    """Signed; its vehicle has never met it."""
    ACTIVE = "active"
    RENEWING = "renewing"
    """Its token is due to be signed anew, and its device has not fetched the next one."""
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
