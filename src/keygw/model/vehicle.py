"""Vehicles as the gateway and the devices know them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from keygw.model.tenant import DEFAULT_TENANT


@dataclass(frozen=True, slots=True)
class Vehicle:
    """``public_key``: the vehicle key, P-256 SEC1 compressed, 33 bytes.

    ``advertising_key`` (16 bytes) resolves the rotating id that the vehicle advertises. It opens nothing.
    """

    id: str
    name: str
    public_key: bytes
    advertising_key: bytes = field(repr=False)
    tenant_id: str = DEFAULT_TENANT


class Registered(StrEnum):
    """What became of one vehicle among several that were made known together."""

    CREATED = "created"
    KNOWN = "known"
    """It was known already, exactly so."""
    CONFLICT = "conflict"
    """Its id stands for other keys or another name, or another app registered it. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class IssuerRoot:
    """What a vehicle is told to trust. ``kid``: 8 bytes; ``public_key``: P-256 SEC1 compressed, 33 bytes.

    ``sequence``: of the statement that made it the issuer's key; 0 for the first one, which no statement brought.
    """

    issuer: str
    kid: bytes
    public_key: bytes
    sequence: int
