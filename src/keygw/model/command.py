"""Commands: one thing a device asks a vehicle to do, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keygw.model.entitlement import Entitlement
from keygw.model.open_enum import OpenEnum


class Action(OpenEnum):
    """What a command asks for; the number goes on the air."""

    UNLOCK = 1
    LOCK = 2
    OPEN_TRUNK = 3
    FLASH_LIGHTS = 4
    START_ENGINE = 5
    ALLOW_PAIRING = 6
    """An owner lets somebody in the car open pairing mode once."""
    PASSIVE_UNLOCK = 7
    """Unlock because the device is near, without a tap: only on ranging evidence, which plain BLE cannot give."""
    REMOVE_KEY = 128
    """Somebody in the car has removed a digital key. Numbers from 128 on stand in receipts alone: no device can ask for
    them, so nothing is ``required`` for them, and as a command the vehicle refuses them like an unknown one."""

    @property
    def required(self) -> Entitlement | None:
        """The entitlement it needs; ``None`` for what is no command, and for what this release does not know (so:
        refuse)."""
        return _REQUIRED.get(self)


_REQUIRED: dict[Action, Entitlement] = {
    Action.UNLOCK: Entitlement.DOOR_UNLOCK,
    Action.LOCK: Entitlement.DOOR_LOCK,
    Action.OPEN_TRUNK: Entitlement.TRUNK_OPEN,
    Action.FLASH_LIGHTS: Entitlement.LIGHT_FLASH,
    Action.START_ENGINE: Entitlement.ENGINE_START,
    Action.ALLOW_PAIRING: Entitlement.KEY_MANAGE,
    Action.PASSIVE_UNLOCK: Entitlement.DOOR_UNLOCK,
}


COMMANDS = tuple(_REQUIRED)
"""What a device, or an app, may ask for."""


class Outcome(OpenEnum):
    """How the vehicle answered: 0 and 1 are success, everything else is a refusal and its reason."""

    DONE = 0
    ALREADY_IN_STATE = 1
    KEY_REVOKED = 16
    KEY_SUSPENDED = 17
    KEY_EXPIRED = 18
    KEY_NOT_YET_VALID = 19
    NOT_ENTITLED = 20
    NOT_ENROLLED = 21
    PARENT_ENDED = 22
    TIME_PROOF_REQUIRED = 23
    CHAIN_REQUIRED = 24
    """A shared key whose grants this vehicle has not verified (yet), or that is not what they allow."""
    LIST_REQUIRED = 25
    """A time proof has shown that there is a newer revocation list than the vehicle has."""
    CHAIN_REFUSED = 26
    """The grants that the device brought do not hold."""
    DOOR_OPEN = 32
    VEHICLE_ASLEEP = 33
    IN_MOTION = 34
    BUSY = 35
    UNKNOWN_ACTION = 36
    COMMAND_EXPIRED = 37
    PROXIMITY_REQUIRED = 38
    FAULT = 39
    FULL_HANDSHAKE_REQUIRED = 40
    NUMBER_REUSED = 41
    LIST_STALE = 42
    """The revocation list is too old for this key to drive; bring a newer one and ask again."""

    @property
    def ok(self) -> bool:
        return self in (Outcome.DONE, Outcome.ALREADY_IN_STATE)

    @property
    def curable(self) -> bool:
        """A verdict on a key that what its device may bring can turn: the session stays open for that alone."""
        return self in _CURABLE


_CURABLE = frozenset(
    {Outcome.KEY_SUSPENDED, Outcome.TIME_PROOF_REQUIRED, Outcome.LIST_REQUIRED, Outcome.CHAIN_REQUIRED}
)


class CommandState(StrEnum):
    """Life of a command resource; the last five are final, except that ``UNKNOWN`` is settled by a receipt."""

    ACCEPTED = "accepted"
    QUEUED = "queued"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def settled(self) -> bool:
        return self in _SETTLED


_SETTLED = frozenset({CommandState.CONFIRMED, CommandState.FAILED, CommandState.EXPIRED, CommandState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Command:
    """``number`` is the 4-byte id on the air, the same on a retry. Times are Unix seconds."""

    id: str
    number: int
    vehicle_id: str
    key_id: str
    action: Action
    created_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class AuthorizedCommand:
    """A command that ``credentials.policy.authorize`` let through; nobody else makes one (a test looks)."""

    command: Command
    device_id: str
