"""What devices and the limits need from the store: a part of ``CredentialReads`` and ``CredentialTransaction``.

The contract suite is ``tests/contracts/test_device_store_contract.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from keygw.model.device import Device


@dataclass(frozen=True, slots=True)
class Holder:
    """A device that is to hold one more key. ``device``: as it is stored, ``None``: it is not.

    ``lost``: it is reported lost now. ``live_keys``: how many it holds, counted as ``DeviceReads`` says.
    """

    device: Device | None = None
    lost: bool = False
    live_keys: int = 0


class DeviceReads(Protocol):
    """Questions. Counted, up to ``most``, are keys that are neither revoking nor revoked and end after ``at`` (Unix
    seconds)."""

    async def devices(self, app_id: str | None = None) -> Sequence[Device]:
        """Those of that app, or all that are an app's or have had a key, by id."""

    async def registered_count(self, app_id: str) -> int:
        """How many devices that app has registered."""

    async def holder(self, device_id: str, at: int, most: int) -> Holder:
        """What there is to ask before it gets a key, its keys counted over all vehicles."""

    async def unexpired_of_owner(self, owner_key_id: str, at: int, most: int) -> int:
        """Keys that stand on that owner key, itself left out."""


class DeviceWrites(Protocol):
    """Within a transaction."""

    async def save_device(self, device: Device) -> Device:
        """Add it, or replace label, app, attestation and times of the one with that id."""

    async def forget_device(self, device_id: str) -> None:
        """Take back what was registered: app, label and attestation. What its keys need of it stays, as they do."""

    async def add_challenge(self, digest: bytes, app_id: str, expires_at: int, now: int, most: int) -> None:
        """Keep it (SHA-256, 32 bytes) until then. Those that are over go, and the oldest of the app beyond ``most``."""

    async def take_challenge(self, digest: bytes, app_id: str, now: int) -> bool:
        """Use it up; whether it was there, of that app, and not over."""
