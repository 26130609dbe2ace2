"""What the life of keys needs from the store beside the keys: a part of ``CredentialReads`` and its transaction.

The contract suite is ``tests/contracts/test_life_store_contract.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from keygw.credentials.transfer import Transfer


@dataclass(frozen=True, slots=True)
class Loss:
    """Of a device: how often it was reported lost, whether it is so now, and when it was last (Unix seconds)."""

    number: int
    lost: bool
    at: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A key whose vehicle has not acknowledged the list that first told its state, and since when (Unix seconds)."""

    key_id: str
    list_sequence: int
    since: int


class LifeReads(Protocol):
    """Questions. Absent things are ``None`` or empty."""

    async def loss(self, device_id: str) -> Loss | None:
        """``None`` for a device that was never reported lost."""

    async def waiting_keys(self, before: int, at: int) -> Sequence[Waiting]:
        """Keys with a list that was issued at ``before`` or earlier and is not acknowledged, longest first.

        Without those that are expired (``expires_at <= at``) unless they are REVOKING, which has no end by itself.
        """

    async def keys_over(self, at: int, limit: int) -> Sequence[str]:
        """Ids of keys stored ACTIVE or SUSPENDED whose ``expires_at <= at``, earliest first."""

    async def invitations_over(self, at: int, limit: int) -> Sequence[str]:
        """Ids of open or claimed invitations whose ``expires_at <= at``, earliest first."""

    async def person_of(self, app_id: str) -> str | None:
        """The person for whom that app acts."""

    async def tenant_of(self, app_id: str) -> str | None:
        """The tenant of that app."""

    async def transfer(self, transfer_id: str) -> Transfer | None: ...

    async def offered_transfer(self, vehicle_id: str) -> Transfer | None:
        """The one in OFFERED; there is at most one of a vehicle."""


class LifeWrites(Protocol):
    """Within a transaction."""

    async def mark_met(self, key_id: str, vehicle_id: str) -> bool:
        """Note that this vehicle has met this key of its own; False if that was known, or there is no such key."""

    async def raise_epoch(self, vehicle_id: str, epoch: int) -> None:
        """Never lowers it."""

    async def set_loss(self, device_id: str, loss: Loss) -> None: ...

    async def reserve(self, vehicle_id: str, holder_id: str | None) -> None:
        """For an app or a person; ``None``: for nobody in particular."""

    async def bind_owner_key(self, key_id: str, app_id: str) -> None:
        """Make the key that of the person for whom that app acts, if it acts for one."""

    async def add_transfer(self, transfer: Transfer) -> None:
        """``Conflict`` transfer_offered if one is in OFFERED."""

    async def save_transfer(self, transfer: Transfer) -> Transfer:
        """Replace state and app if the row still has ``version``, which it counts up; answers it as stored.
        ``Conflict`` transfer_changed (retryable) otherwise."""
