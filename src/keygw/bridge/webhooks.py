"""Webhooks: which events of an app are sent to which address, and under which secret.

A webhook belongs to who made it, an app or an operator, and tells what that one may see (``EventGate``), for as long as
its token is good. It begins with what is recorded from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from keygw.bridge.access import require
from keygw.bridge.notes import Notes
from keygw.bridge.people_ports import Note
from keygw.bridge.ports import Clock
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.bridge.webhook_events import check_events
from keygw.bridge.webhook_ports import Delivery, DisabledReason, Webhook, WebhookStore
from keygw.bridge.webhook_signature import new_secret
from keygw.bridge.webhook_targets import parse_target
from keygw.credentials.once import Once, Replayed
from keygw.model.errors import BadInput, Conflict, NotFound
from keygw.model.ids import Random, id_bytes, new_id

MOST = 10
"""Of one app."""
OVERLAP_SECONDS = 86_400
"""For which the former secret signs beside the new one."""
LONGEST_OVERLAP_SECONDS = 7 * 86_400
ANNOUNCED = "webhook"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be changed; ``None``: it stays. ``skip_missed``: what has happened until now is not told any more."""

    url: str | None = None
    label: str | None = None
    events: Sequence[str] | None = None
    enabled: bool | None = None
    skip_missed: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A webhook and its new secret, which nobody can read again."""

    webhook: Webhook
    secret: bytes = field(repr=False)


def _nobody(_: str) -> None:
    """Nothing is delivered here."""


class Webhooks:
    """``loopback``: this machine may be named, for tests."""

    def __init__(
        self, store: WebhookStore, notes: Notes, clock: Clock, random: Random, *, loopback: bool = False
    ) -> None:
        self._store = store
        self._notes = notes
        self._clock = clock
        self._random = random
        self._loopback = loopback
        self.on_change: Callable[[str], None] = _nobody
        """Told of each that has changed: who delivers sets it."""

    async def create(
        self, app: App, url: str, label: str = "", events: Sequence[str] = (), once: Once | None = None
    ) -> Told:
        """``TargetRefused``, ``BadInput`` unknown_event_type, ``Conflict`` too_many_webhooks. ``Replayed``: the same
        request has made one before, whose secret is not told again."""
        require(app, Scope.WEBHOOK_MANAGE)
        parse_target(url, loopback=self._loopback)
        now = int(self._clock())
        secret = new_secret(self._random)
        fresh = Webhook(
            new_id("whk", self._random), app.id, app.tenant_id, url, secret, now, now, label, check_events(events)
        )
        note = self._note(app, "webhook.created", fresh)
        try:
            made = await self._store.add_webhook(fresh, MOST, note, once)
        except Replayed:
            if once is not None:
                once.on_replay()
            raise
        if made is None:
            raise Conflict(f"an app has at most {MOST} webhooks: delete one", code="too_many_webhooks")
        self.on_change(made.id)
        return Told(made, secret)

    async def list(self, app: App) -> Sequence[Webhook]:
        """An app: its own. An operator: those of its tenant."""
        _may_look(app)
        if not app.operator:
            return await self._store.webhooks(app_id=app.id)
        return await self._store.webhooks(tenant_id=app.tenant_id)

    async def get(self, app: App, webhook_id: str) -> Webhook:
        """``NotFound`` unknown_webhook, also for another's."""
        _may_look(app)
        try:
            id_bytes(webhook_id, "whk")
        except BadInput:
            raise _unknown() from None
        found = await self._store.webhook(webhook_id)
        if found is None or not (found.app_id == app.id or (app.operator and app.reaches(found.tenant_id))):
            raise _unknown()
        return found

    async def change(self, app: App, webhook_id: str, wishes: Wishes) -> Webhook:
        """Another address or its being enabled begins the tries anew. ``TargetRefused``, ``BadInput``
        unknown_event_type, ``NotFound``."""
        require(app, Scope.WEBHOOK_MANAGE)
        found = await self.get(app, webhook_id)
        if wishes.url is not None:
            parse_target(wishes.url, loopback=self._loopback)
        events = None if wishes.events is None else check_events(wishes.events)
        now = int(self._clock())

        def changed(was: Webhook) -> Webhook:
            made = replace(
                was,
                url=was.url if wishes.url is None else wishes.url,
                label=was.label if wishes.label is None else wishes.label,
                events=was.events if events is None else events,
                updated_at=now,
            )
            if wishes.enabled is False:
                return replace(made, reason=was.reason or DisabledReason.BY_REQUEST, next_at=None)
            if wishes.enabled:
                made = replace(made, reason=None)
            anew = wishes.enabled or wishes.skip_missed or made.url != was.url
            return made.tried_anew() if anew else made

        note = self._note(app, "webhook.changed", found)
        return await self._changed(webhook_id, changed, note, skip_missed=wishes.skip_missed)

    async def rotate(self, app: App, webhook_id: str, overlap: int | None = None) -> Told:
        """A new secret; the former one signs beside it for ``overlap`` seconds, by default a day."""
        require(app, Scope.WEBHOOK_MANAGE)
        seconds = OVERLAP_SECONDS if overlap is None else overlap
        if not 0 <= seconds <= LONGEST_OVERLAP_SECONDS:
            raise BadInput(f"two secrets sign together for at most {LONGEST_OVERLAP_SECONDS} seconds")
        found = await self.get(app, webhook_id)
        now, secret = int(self._clock()), new_secret(self._random)

        def rotated(was: Webhook) -> Webhook:
            return replace(was, secret=secret, former=was.secret, former_until=now + seconds, updated_at=now)

        made = await self._changed(webhook_id, rotated, self._note(app, "webhook.secret_rotated", found))
        return Told(made, secret)

    async def remove(self, app: App, webhook_id: str) -> None:
        """What is on its way may still arrive."""
        require(app, Scope.WEBHOOK_MANAGE)
        found = await self.get(app, webhook_id)
        if not await self._store.remove_webhook(found.id, self._note(app, "webhook.deleted", found)):
            raise _unknown()
        self.on_change(found.id)

    async def deliveries(self, app: App, webhook_id: str, limit: int, before: int | None = None) -> Sequence[Delivery]:
        """Newest first; ``before``: the number of one."""
        found = await self.get(app, webhook_id)
        return await self._store.deliveries(found.id, limit, before)

    async def delivery(self, app: App, webhook_id: str, delivery_id: str) -> Delivery:
        """``NotFound`` unknown_delivery, unknown_webhook."""
        found = await self.get(app, webhook_id)
        try:
            id_bytes(delivery_id, "dlv")
        except BadInput:
            raise _no_delivery() from None
        delivery = await self._store.delivery(found.id, delivery_id)
        if delivery is None:
            raise _no_delivery()
        return delivery

    async def _changed(
        self, webhook_id: str, change: Callable[[Webhook], Webhook], note: Note, *, skip_missed: bool = False
    ) -> Webhook:
        made = await self._store.change_webhook(webhook_id, change, note, skip_missed=skip_missed)
        if made is None:
            raise _unknown()
        self.on_change(made.id)
        return made

    def _note(self, by: App, action: str, webhook: Webhook) -> Note:
        """With word to the other gateways, one of which may deliver it."""
        return self._notes.telling(
            by,
            action,
            webhook.tenant_id,
            f"{ANNOUNCED} {webhook.id}",
            webhook_id=webhook.id,
            app_id=webhook.app_id,
        )


def _may_look(app: App) -> None:
    require(app, Scope.WEBHOOK_MANAGE, operator=(Scope.APP_READ,))


def _unknown() -> NotFound:
    return NotFound("there is no such webhook of this app", code="unknown_webhook")


def _no_delivery() -> NotFound:
    return NotFound("there is no such delivery; the oldest are forgotten", code="unknown_delivery")
