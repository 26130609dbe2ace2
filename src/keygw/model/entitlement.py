"""Entitlements: the single things a digital key allows, and the access profiles that bundle them.

The bit numbers are the registry of ``protocols/key_token``; they are never reused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import KEEP, IntFlag
from functools import lru_cache

from keygw.model.errors import BadInput
from keygw.model.signal import SignalId


class Entitlement(IntFlag, boundary=KEEP):
    """A set of rights as a bitmap. Unknown bits survive a round trip and grant nothing here."""

    STATUS_READ = 1 << 0
    DOOR_LOCK = 1 << 1
    DOOR_UNLOCK = 1 << 2
    TRUNK_OPEN = 1 << 3
    WINDOW_MOVE = 1 << 4
    CLIMATE_SET = 1 << 5
    LIGHT_FLASH = 1 << 6
    CHARGE_CONTROL = 1 << 7
    ENGINE_START = 1 << 8
    KEY_SHARE = 1 << 9
    KEY_MANAGE = 1 << 10

    @property
    def names(self) -> tuple[str, ...]:
        """``("door.lock", ...)`` in bit order; unknown bits as ``bit.<n>``."""
        return _names(int(self))

    @classmethod
    def from_names(cls, names: Iterable[str]) -> Entitlement:
        """The reverse of ``names``; ``BadInput`` names the first word that is not in the registry."""
        rights = cls(0)
        for name in names:
            if name not in _BY_NAME:
                raise BadInput(
                    f"{name[:40]!r} is not an entitlement; known: {', '.join(_BY_NAME)}", code="unknown_entitlement"
                )
            rights |= _BY_NAME[name]
        return rights


_BY_NAME = {member.name.lower().replace("_", "."): member for member in Entitlement if member.name}
_BY_BIT = {member.bit_length() - 1: name for name, member in _BY_NAME.items()}


@lru_cache(maxsize=256)
def _names(bits: int) -> tuple[str, ...]:
    """A memo: the same few sets are told again and again."""
    return tuple(_BY_BIT.get(bit, f"bit.{bit}") for bit in range(bits.bit_length()) if bits & (1 << bit))


@dataclass(frozen=True, slots=True)
class EntitlementInfo:
    """What people must know of one entitlement. ``signals``: what it lets one read, or moves. ``actions``: the labels
    of the commands that need it; empty where a car of this release has none."""

    entitlement: Entitlement
    description: str
    actions: tuple[str, ...] = ()
    signals: tuple[SignalId, ...] = ()

    @property
    def name(self) -> str:
        return self.entitlement.names[0]

    @property
    def bit(self) -> int:
        return self.entitlement.bit_length() - 1


_LOCKS = (
    SignalId.CENTRAL_LOCK,
    SignalId.DOOR_ROW1_DRIVER_OPEN,
    SignalId.DOOR_ROW1_PASSENGER_OPEN,
    SignalId.DOOR_ROW2_DRIVER_OPEN,
    SignalId.DOOR_ROW2_PASSENGER_OPEN,
)
_PAIRING = (SignalId.PAIRING_OPEN, SignalId.OWNER_DEVICES)
_TRUNK = (SignalId.TRUNK_OPEN, SignalId.TRUNK_LOCKED)

REGISTRY: tuple[EntitlementInfo, ...] = (
    EntitlementInfo(
        Entitlement.STATUS_READ,
        "see how the vehicle stands",
        signals=tuple(signal for signal in SignalId if signal not in _PAIRING),
    ),
    EntitlementInfo(Entitlement.DOOR_LOCK, "lock the doors", ("lock",), _LOCKS),
    EntitlementInfo(Entitlement.DOOR_UNLOCK, "unlock the doors", ("unlock", "passive_unlock"), _LOCKS),
    EntitlementInfo(Entitlement.TRUNK_OPEN, "open the trunk", ("open_trunk",), _TRUNK),
    EntitlementInfo(
        Entitlement.WINDOW_MOVE,
        "open and close the windows",
        signals=(
            SignalId.WINDOW_ROW1_DRIVER_POSITION,
            SignalId.WINDOW_ROW1_PASSENGER_POSITION,
            SignalId.WINDOW_ROW2_DRIVER_POSITION,
            SignalId.WINDOW_ROW2_PASSENGER_POSITION,
        ),
    ),
    EntitlementInfo(Entitlement.CLIMATE_SET, "heat and cool the cabin"),
    EntitlementInfo(Entitlement.LIGHT_FLASH, "flash the lights", ("flash_lights",), (SignalId.LIGHTS_HAZARD,)),
    EntitlementInfo(
        Entitlement.CHARGE_CONTROL, "begin and end charging", signals=(SignalId.CHARGING, SignalId.CHARGE_LIMIT)
    ),
    EntitlementInfo(Entitlement.ENGINE_START, "start the engine", ("start_engine",), (SignalId.ENGINE_RUNNING,)),
    EntitlementInfo(Entitlement.KEY_SHARE, "share the key on"),
    EntitlementInfo(
        Entitlement.KEY_MANAGE,
        "manage the keys of the vehicle, and allow pairing",
        ("allow_pairing",),
        _PAIRING,
    ),
)
"""Every entitlement that has a name, in the order of its bit."""

_DOORS = Entitlement.STATUS_READ | Entitlement.DOOR_LOCK | Entitlement.DOOR_UNLOCK

PROFILES: dict[str, Entitlement] = {
    "owner": Entitlement((1 << 11) - 1),
    "driver": _DOORS
    | Entitlement.TRUNK_OPEN
    | Entitlement.WINDOW_MOVE
    | Entitlement.CLIMATE_SET
    | Entitlement.LIGHT_FLASH
    | Entitlement.CHARGE_CONTROL
    | Entitlement.ENGINE_START,
    "access": _DOORS,
    "valet": _DOORS | Entitlement.ENGINE_START,
    "delivery": Entitlement.STATUS_READ | Entitlement.TRUNK_OPEN,
    "service": _DOORS | Entitlement.ENGINE_START | Entitlement.LIGHT_FLASH,
}
"""The entitlements of the access profiles that come with keygw; ``credentials.profiles`` holds their rules."""
