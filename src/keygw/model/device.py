"""Devices: what holds a device key, and what is known of how well it holds it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DeviceKind(StrEnum):
    HOSTED = "hosted"
    """The gateway holds the device key on behalf of an app."""
    PHONE = "phone"
    """The phone holds it; the gateway has only the public half."""


class AttestationLevel(StrEnum):
    """How well a device key is known to be held, from the least on."""

    NONE = "none"
    """On the app's word."""
    SELF = "self"
    """The key speaks for itself: it belongs to an authenticator, of whatever make."""
    BASIC = "basic"
    """A maker whose root the operator trusts says that its hardware made the key."""
    HOSTED = "hosted"
    """The gateway holds the key itself."""

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {level: rank for rank, level in enumerate(AttestationLevel)}


@dataclass(frozen=True, slots=True)
class Device:
    """``public_key``: P-256, SEC1 compressed, 33 bytes. ``id`` is the head of that key's thumbprint.

    ``attestation``: what was proven of the key; ``attestation_format`` and ``model`` say by what and of which model
    (hexadecimal aaguid), both empty without. Times: Unix seconds, ``None`` if that never happened.
    """

    id: str
    kind: DeviceKind
    public_key: bytes
    label: str = ""
    app_id: str | None = None
    """The app on whose behalf a hosted device acts, or that has registered or claimed for a phone."""
    attestation: AttestationLevel = AttestationLevel.NONE
    attestation_format: str = ""
    model: str = ""
    attested_at: int | None = None
    registered_at: int | None = None

    @property
    def level(self) -> AttestationLevel:
        """What policies judge by."""
        return AttestationLevel.HOSTED if self.kind is DeviceKind.HOSTED else self.attestation
