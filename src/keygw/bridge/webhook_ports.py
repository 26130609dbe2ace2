"""Webhooks: the values, where they are kept, and the way out to their receivers.

The contract suites are ``tests/contracts/test_webhook_store_contract.py`` and ``test_post_contract.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from keygw.bridge.people_ports import Note
from keygw.credentials.once import Once
from keygw.credentials.outbox_ports import OutboxEvent, Told

MOST_ATTEMPTS = 30
"""Of one delivery that are kept, the newest; more are not made before it is given up."""


class DisabledReason(StrEnum):
    BY_REQUEST = "by_request"
    GAVE_UP = "gave_up"
    """Nothing got through for three days."""
    GONE = "gone"
    """The receiver has answered 410: it wants no more."""
    APP_ENDED = "app_ended"
    """The token of the app whose it is has ended, or run out."""


class Failure(StrEnum):
    """Why an attempt brought nothing. Coarse on purpose: nobody is to map a network with it."""

    ADDRESS_REFUSED = "address_refused"
    """The name stands for an address that is not public."""
    NAME_UNKNOWN = "name_unknown"
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    """No TLS, or a certificate that is not the name's."""
    TIMED_OUT = "timed_out"
    CONNECTION_LOST = "connection_lost"
    """It broke off, or what came was no HTTP."""
    REDIRECTED = "redirected"
    """Redirects are not followed."""
    STATUS = "status"
    """An answer, and not one of success."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """``app_id``: whose it is: an app, a grant, or an operator. ``events``: types, or ``keygw.key.*``; empty: all.

    ``secret``: what signs; ``former``: what signs beside it until ``former_until``. ``reason``: why it is disabled;
    ``None``: it is not. ``position``: the id of the newest recorded event that it needs no more. ``failures``: in a
    row, the first at ``failing_since``; not tried again before ``next_at``. ``revision`` grows with each change that
    somebody makes. Times: Unix seconds.
    """

    id: str
    app_id: str
    tenant_id: str | None
    url: str
    secret: bytes = field(repr=False)
    created_at: int
    updated_at: int
    label: str = ""
    events: tuple[str, ...] = ()
    former: bytes | None = field(default=None, repr=False)
    former_until: int | None = None
    reason: DisabledReason | None = None
    position: int = 0
    failures: int = 0
    failing_since: float | None = None
    next_at: float | None = None
    revision: int = 1

    @property
    def enabled(self) -> bool:
        return self.reason is None

    def wants(self, kind: str) -> bool:
        """``kind``: a full type."""
        return not self.events or kind in self.events or f"{kind.rpartition('.')[0]}.*" in self.events

    def secrets(self, now: float) -> list[bytes]:
        """The newest first."""
        former = self.former is not None and self.former_until is not None and now < self.former_until
        return [self.secret, self.former] if former and self.former is not None else [self.secret]

    def tried_anew(self) -> Webhook:
        """As if nothing had failed."""
        return replace(self, failures=0, failing_since=None, next_at=None)


class DeliveryKind(StrEnum):
    EVENT = "event"
    PING = "ping"
    REDELIVERY = "redelivery"


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    WITHHELD = "withheld"
    """By the time it was to be tried again the app might see it no more, or did not want such events."""
    SKIPPED = "skipped"
    """Whoever manages the webhook did not want it any more."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """``at``: when it began, Unix seconds; ``seconds``: how long it took. ``status``: of HTTP, if there was an
    answer."""

    at: float
    seconds: float
    status: int | None
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """``event_id``: as ``Told.event_id``, or that of a ping or gap. ``body``: of what the outbox does not have.

    ``tries``: how many there were; ``attempts``: the newest of them. ``number``: its place in the log, set by the
    store."""

    id: str
    webhook_id: str
    kind: DeliveryKind
    event_id: str
    type: str
    created_at: float
    state: DeliveryState = DeliveryState.PENDING
    attempts: tuple[Attempt, ...] = ()
    tries: int = 0
    next_at: float | None = None
    body: str | None = None
    number: int = 0

    def tried(self, attempt: Attempt, state: DeliveryState, next_at: float | None = None) -> Delivery:
        kept = (*self.attempts, attempt)[-MOST_ATTEMPTS:]
        return replace(self, attempts=kept, tries=self.tries + 1, state=state, next_at=next_at)


@dataclass(frozen=True, slots=True)
class Hold:
    """A webhook that one gateway delivers, and no other. ``fence``: the number of times it changed hands."""

    webhook_id: str
    gateway_id: str
    fence: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a webhook is after a delivery. ``disabled``: it ends here, and ``note`` and ``event`` tell of it."""

    position: int
    failures: int = 0
    failing_since: float | None = None
    next_at: float | None = None
    disabled: DisabledReason | None = None
    note: Note | None = None
    event: OutboxEvent | None = None


class WebhookStore(Protocol):
    """Every write is durable when it returns. ``StoreError`` if the database cannot be used. Secrets lie sealed."""

    async def add_webhook(self, webhook: Webhook, most: int, note: Note, once: Once | None = None) -> Webhook | None:
        """As it is kept: its position is that of the newest recorded event. ``None``, and nothing is written, if the
        app has ``most``. ``once``: ``Replayed`` with its id, ``Conflict`` idempotency_mismatch."""

    async def webhook(self, webhook_id: str) -> Webhook | None: ...

    async def webhooks(self, *, app_id: str | None = None, tenant_id: str | None = None) -> Sequence[Webhook]:
        """Oldest first; of that app, of that tenant, or all."""

    async def change_webhook(
        self, webhook_id: str, change: Callable[[Webhook], Webhook], note: Note, *, skip_missed: bool = False
    ) -> Webhook | None:
        """``change`` is asked in the transaction, maybe more than once; its ``revision`` and ``position`` do not count.
        ``skip_missed``: what was recorded until now is needed no more. ``None``: there is none."""

    async def remove_webhook(self, webhook_id: str, note: Note) -> bool:
        """And its log with it. ``False``: there was none, and nothing was written."""

    async def hold_webhooks(self, gateway_id: str) -> Sequence[Hold]:
        """The enabled ones that are this gateway's to deliver, after it has reached for those that are nobody's, or of
        a gateway that is dead (``LeaseStore.bury``). None, if this one has been buried."""

    async def let_webhooks_go(self, gateway_id: str) -> None:
        """They are nobody's."""

    async def pass_over(self, positions: Mapping[Hold, int]) -> None:
        """They need nothing up to there; of those that are still held so."""

    async def progress(
        self,
        hold: Hold,
        revision: int,
        progress: Progress,
        delivery: Delivery | None,
        keep: int,
        told: Callable[[Told], None],
    ) -> bool:
        """After an attempt, or after none was to be made. ``False``, and nothing is written, if it is not held so any
        more. The position never goes back. Where somebody has changed the webhook since ``revision``, what was found
        out about failures is about another one, and only position and delivery are written. Of the log the newest
        ``keep`` are kept."""

    async def add_delivery(self, delivery: Delivery, keep: int) -> bool:
        """One that is over. ``False``: there is no such webhook."""

    async def pending_delivery(self, webhook_id: str) -> Delivery | None: ...

    async def delivery(self, webhook_id: str, delivery_id: str) -> Delivery | None: ...

    async def deliveries(self, webhook_id: str, limit: int, before: int | None = None) -> Sequence[Delivery]:
        """Newest first; ``before``: a number."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request. ``seconds``: how long it took. ``retry_after``: the header, as it came."""

    status: int | None
    failure: Failure | None
    seconds: float
    retry_after: str | None = None

    @property
    def success(self) -> bool:
        return self.failure is None


class Post(Protocol):
    """The way out. ``keygw.outbound.sender``."""

    async def send(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One POST, to a public address, within a bound of time. Never raises but for a cancellation."""
