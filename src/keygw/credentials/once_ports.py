"""What remembering answered requests needs from the store: a part of ``CredentialReads`` and ``CredentialTransaction``.

The contract suite is ``tests/contracts/test_once_store_contract.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Answered:
    """``resource``: the id of what was made or changed. ``created_at``: Unix seconds."""

    fingerprint: bytes
    resource: str
    status: int
    created_at: int


class OnceReads(Protocol):
    """Questions. Marks of the transaction itself are seen."""

    async def answered(self, app_id: str, key: str) -> Answered | None: ...


class OnceWrites(Protocol):
    """Within a transaction."""

    async def mark_answered(self, app_id: str, key: str, answered: Answered) -> None:
        """Write the mark. ``Conflict`` idempotency_mismatch if there is one under that key: who writes has asked."""

    async def drop_answered(self, before: int) -> int:
        """Forget the marks of before that time (Unix seconds); how many that were."""
