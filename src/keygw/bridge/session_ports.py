"""Where app sessions are kept: every gateway on the database sees them, and a restart ends none.

The contract suite is ``tests/contracts/test_session_store_contract.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from keygw.bridge.app_session import AppSession
from keygw.credentials.outbox_ports import OutboxEvent, Told


class SessionStore(Protocol):
    """Every write is durable when it returns, and the event that tells of it is in the outbox with it. ``StoreError``
    if the database cannot be used."""

    async def add_session(
        self, session: AppSession, most: int, keep: int, event: OutboxEvent, told: Callable[[Told], None]
    ) -> bool:
        """Insert, and forget all but the newest ``keep`` closed ones of the app. False, and nothing is written, while
        the app has ``most`` that are not closed."""

    async def save_session(
        self, session: AppSession, was: AppSession, event: OutboxEvent | None, told: Callable[[Told], None]
    ) -> bool:
        """Replace ``was``. False, and nothing is written, if it is another by now."""

    async def session(self, session_id: str) -> AppSession | None: ...

    async def sessions_at(self, vehicle_id: str) -> Sequence[AppSession]:
        """The active ones, oldest first."""

    async def sessions_of(self, app_id: str) -> Sequence[AppSession]:
        """Oldest first, closed ones too."""

    async def sessions_due(self, silent: int, suspended: int, limit: int) -> Sequence[AppSession]:
        """Active ones not heard of since ``silent``, suspended ones since ``suspended`` (Unix seconds), oldest
        first."""
