"""What an app sends into a car for somebody to decide on or to hear, and where it is kept: not for long.

The contract suite is ``tests/contracts/test_offer_store_contract.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from keygw.credentials.outbox_ports import OutboxEvent, Told

OFFER_SECONDS = 600
"""A destination that nobody has taken by then is no longer wanted; and where somebody goes is nobody's to keep."""


class OfferKind(StrEnum):
    DESTINATION = "destination"
    VOICE = "voice"


class OfferState(StrEnum):
    OFFERED = "offered"
    ACCEPTED = "accepted"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Destination:
    """``latitude``, ``longitude``: degrees, WGS 84. ``name``: one line, as a person would say it."""

    name: str
    latitude: float = field(repr=False)
    longitude: float = field(repr=False)


@dataclass(frozen=True, slots=True)
class Voice:
    """``intent``: what was meant, in the app's own words; ``text``: what was said."""

    intent: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Offer:
    """One of a kind in a session: another takes its place. ``app_name``: for people."""

    id: str
    session_id: str
    app_id: str
    app_name: str
    vehicle_id: str
    what: Destination | Voice
    created_at: int
    state: OfferState = OfferState.OFFERED

    @property
    def kind(self) -> OfferKind:
        return OfferKind.DESTINATION if isinstance(self.what, Destination) else OfferKind.VOICE

    @property
    def expires_at(self) -> int:
        return self.created_at + OFFER_SECONDS


class OfferStore(Protocol):
    """Every write is durable when it returns. ``StoreError`` if the database cannot be used."""

    async def put_offer(self, offer: Offer, now: int) -> Offer | None:
        """In the place of the one of its kind; the session was heard of ``now``. The same once more, while it is
        offered, is the one that is there. ``None``, and nothing is written, if the session is not active."""

    async def offer(self, offer_id: str) -> Offer | None: ...

    async def offers_on(self, vehicle_id: str, since: int, most: int) -> Sequence[Offer]:
        """Those of its active sessions that were made after ``since``, the newest last."""

    async def answer_offer(
        self, offer: Offer, state: OfferState, event: OutboxEvent, told: Callable[[Told], None]
    ) -> bool:
        """With the event. False, and nothing is written, unless it is still offered and its session active."""

    async def drop_offers(self, until: int) -> None:
        """Those that were made until then."""
