"""What the outbox needs from the store: a part of ``CredentialReads`` and ``CredentialTransaction``.

The contract suite is ``tests/contracts/test_outbox_store_contract.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """One event to tell. ``data``: plain JSON values. ``at``: Unix seconds."""

    type: str
    vehicle_id: str | None
    data: Mapping[str, Any]
    at: int


@dataclass(frozen=True, slots=True)
class Told:
    """An event at its place in the outbox. ``id`` grows by one with each."""

    id: int
    event: OutboxEvent

    @property
    def event_id(self) -> str:
        """The same whenever and by whomever it is told, so that a consumer can drop the twin.

        With its time, because a database that was restored from a backup counts through some numbers again.
        """
        return f"{self.id}.{self.event.at}"


class OutboxReads(Protocol):
    """Questions. What a transaction has told is not seen before its commit."""

    async def outbox(self, after: int, limit: int, through: int | None = None) -> Sequence[Told]:
        """Those with ``after < id <= through`` (no bound if ``None``), ascending."""

    async def outbox_bounds(self) -> tuple[int, int]:
        """The oldest and the newest id that are there; (0, 0) before the first event."""

    async def outbox_cursor(self, consumer: str) -> int | None:
        """The last id that consumer has dealt with; ``None`` if it never said."""


class OutboxWrites(Protocol):
    """Within a transaction."""

    def tell(self, event: OutboxEvent, told: Callable[[Told], None]) -> None:
        """Put it into the outbox when the transaction commits, then call ``told`` on the event loop, in order."""

    async def move_outbox_cursor(self, consumer: str, position: int) -> None:
        """Never back."""

    async def drop_outbox(self, before: int, most: int) -> int:
        """Forget events of before that time (Unix seconds), and the oldest beyond ``most``; how many went.

        The newest always stays, so that ids are never given twice.
        """
