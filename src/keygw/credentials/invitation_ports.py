"""What invitations need from the store: a part of ``CredentialReads`` and ``CredentialTransaction``.

The contract suite is ``tests/contracts/test_invitation_store_contract.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from keygw.credentials.invitation import Invitation


class InvitationReads(Protocol):
    """Questions. Absent things are ``None`` or empty."""

    async def invitation(self, invitation_id: str) -> Invitation | None: ...

    async def invitations(self, vehicle_id: str) -> Sequence[Invitation]:
        """All of that vehicle, oldest first."""

    async def unsettled_invitations(self, parent_id: str) -> Sequence[Invitation]:
        """Those made with that key which are open or claimed, oldest first."""


class InvitationWrites(Protocol):
    """Within a transaction."""

    async def add_invitation(self, invitation: Invitation) -> None:
        """``Conflict`` invitation_exists if the id is taken."""

    async def save_invitation(self, invitation: Invitation) -> Invitation:
        """Replace what may change (state, device, key, counters) if the row still has ``version``, which it counts up;
        answers it as stored. ``Conflict`` invitation_changed (retryable) otherwise."""
