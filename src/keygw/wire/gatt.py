"""GATT layout and advertisement of a keygw vehicle: constants and their pure helpers, no Bluetooth library.

One service with three characteristics. The advertisement is legacy and exactly 31 bytes::

    02 01 06                    flags: general discoverable, no BR/EDR
    11 07 <16 bytes, LSB first> complete list of 128-bit service UUIDs: SERVICE
    09 09 <8 ASCII characters>  complete local name: base64url of the 6-byte rotating id

Sources: Bluetooth Core Specification 5.4, Vol 3 Part C section 11, and its Supplement, Part A (AD types).
"""

from __future__ import annotations

import base64
import re

SERVICE = "6b657967-7701-4b47-8f2c-5d1e0a93c4b2"
RX = "6b657967-7702-4b47-8f2c-5d1e0a93c4b2"
"""Device to vehicle: write and write without response, one frame each."""
TX = "6b657967-7703-4b47-8f2c-5d1e0a93c4b2"
"""Vehicle to device: notify, one frame each."""
INFO = "6b657967-7704-4b47-8f2c-5d1e0a93c4b2"
"""Read: protocol versions and rotating id."""

ROTATING_ID_BYTES = 6
ADVERTISEMENT_BYTES = 31
MAX_FRAME = 512
"""An attribute value is at most 512 bytes (Core 5.4, Vol 3 Part F section 3.2.9)."""
MIN_FRAME = 20
"""What the smallest ATT MTU, 23, leaves for one write or notification."""
PREFERRED_MTU = 517
"""Carries a 512-byte value in every ATT operation, the prepared write included."""

FRAME_FIRST = 0x80
FRAME_LAST = 0x40

_NAME = re.compile(r"[A-Za-z0-9_-]{8}", re.ASCII)
_FLAGS = bytes((2, 0x01, 0x06))


def advertised_name(rotating_id: bytes) -> str:
    """6 bytes -> the 8 characters of the local name. ``ValueError`` for another length."""
    if len(rotating_id) != ROTATING_ID_BYTES:
        raise ValueError(f"a rotating id has {ROTATING_ID_BYTES} bytes, not {len(rotating_id)}")
    return base64.urlsafe_b64encode(rotating_id).decode("ascii")


def rotating_id(name: str | None) -> bytes | None:
    """The reverse of ``advertised_name``; ``None`` when the name is no such id (it comes from anybody's radio)."""
    if name is None or not _NAME.fullmatch(name):
        return None
    return base64.urlsafe_b64decode(name)


def advertisement(rotating_id: bytes) -> bytes:
    """The 31 bytes a vehicle advertises under this rotating id."""
    name = advertised_name(rotating_id).encode("ascii")
    uuid = bytes.fromhex(SERVICE.replace("-", ""))[::-1]
    return _FLAGS + bytes((1 + len(uuid), 0x07)) + uuid + bytes((1 + len(name), 0x09)) + name
