"""The revocation list a vehicle stores, and the vehicle's signed acknowledgement of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RevocationList:
    """``revoked`` and ``suspended`` hold key indices (u16) of this vehicle, ascending. Times: Unix seconds."""

    vehicle_id: str
    sequence: int
    issued_at: int
    next_update: int
    min_epoch: int = 0
    revoked: tuple[int, ...] = ()
    suspended: tuple[int, ...] = ()
    issued_before: int = 0
    """Overflow watermark: every key issued before this is revoked."""


@dataclass(frozen=True, slots=True)
class ListAck:
    """Signed by the vehicle key after the durable write (KEY_PROTOCOL: a channel-authenticated one can be forged)."""

    vehicle_id: str
    sequence: int
    list_hash: bytes
    """SHA-256 of what was signed, the signature left out."""
    boot_epoch: int
