"""Devices: what holds a device key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DeviceKind(StrEnum):
    HOSTED = "hosted"
    """The gateway holds the device key on behalf of an app."""
    PHONE = "phone"
    """The phone holds it; the gateway has only the public half."""


@dataclass(frozen=True, slots=True)
class Device:
    """``public_key``: P-256, SEC1 compressed, 33 bytes. ``id`` is the head of that key's thumbprint."""

    id: str
    kind: DeviceKind
    public_key: bytes
    label: str = ""
    app_id: str | None = None
    """The app on whose behalf a hosted device acts."""
