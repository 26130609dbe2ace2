"""Vehicles as the gateway and the devices know them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Vehicle:
    """``public_key``: the vehicle key, P-256 SEC1 compressed, 33 bytes.

    ``advertising_key`` (16 bytes) resolves the rotating id that the vehicle advertises. It opens nothing.
    """

    id: str
    name: str
    public_key: bytes
    advertising_key: bytes = field(repr=False)
