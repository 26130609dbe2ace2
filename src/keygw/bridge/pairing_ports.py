"""A pairing as it is kept, and the port where: every gateway on the database shows it, whichever searches for the car.

The contract suite is ``tests/contracts/test_pairing_store_contract.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

GRACE_SECONDS = 30
"""So long after its end a pairing may still be at its last step. One that is not settled by then never will be: its
gateway has gone."""


class PairingState(StrEnum):
    SEARCHING = "searching"
    PROVING = "proving"
    """A car shows a code; the guess is staked."""
    ENROLLED = "enrolled"
    """The car has signed the ticket; the owner key is on its way."""
    DONE = "done"
    FAILED = "failed"

    @property
    def settled(self) -> bool:
        return self in (PairingState.DONE, PairingState.FAILED)


INTERRUPTED = "interrupted"
"""The reason of one whose gateway ended under way."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """``vehicle_id`` and ``key_id`` from ``ENROLLED`` on; ``reason`` with ``FAILED``. Times: Unix seconds.

    ``FAILED`` with a key: the car has not said that it took the token; it takes it at the next session.
    """

    id: str
    app_id: str
    tenant_id: str | None
    name: str
    created_at: int
    expires_at: int
    state: PairingState = PairingState.SEARCHING
    reason: str | None = None
    vehicle_id: str | None = None
    key_id: str | None = None

    def seen(self, now: float) -> Pairing:
        """As it is shown at that time."""
        if self.state.settled or now <= self.expires_at + GRACE_SECONDS:
            return self
        return replace(self, state=PairingState.FAILED, reason=INTERRUPTED)


@dataclass(frozen=True, slots=True)
class Guesses:
    """``wrong`` codes of an app in a row, the last one at ``last`` (Unix seconds)."""

    wrong: int
    last: int


class PairingStore(Protocol):
    """Every write is durable when it returns. ``StoreError`` if the database cannot be used."""

    async def add_pairing(self, pairing: Pairing, keep: int) -> bool:
        """Begin it, and forget all but the newest ``keep`` of the app. False, and nothing is written, while another of
        the app is under way."""

    async def save_pairing(self, pairing: Pairing, was: PairingState) -> bool:
        """Replace the one with this id. False, and nothing is written, if it is not in that state, or not there."""

    async def drop_pairing(self, pairing_id: str, now: int) -> bool:
        """Forget it, and tell the other gateways. False for one that is enrolled and not
        over: its gateway may yet be at it."""

    async def interrupt_pairings(self) -> int:
        """No gateway is at any: what is not settled has failed. How many that were."""

    async def pairing(self, pairing_id: str) -> Pairing | None: ...

    async def guesses(self, app_id: str) -> Guesses: ...

    async def note_guess(self, app_id: str, wrong: bool, at: int, most: int) -> None:
        """Count one more in a row, from 1 again after ``most``; or none, after a right one."""
