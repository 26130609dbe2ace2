"""One webhook's way through the recorded events: one after the other, each until it is taken.

An event that is not taken holds up those behind it, so a receiver hears everything in its order, and what it has heard
is true up to there. How far it is stands in the database, moved on with the outcome of each delivery: what a crash
kept from being written is sent again, under the same id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from keygw.bridge.access import Access
from keygw.bridge.apps import Apps
from keygw.bridge.fault import describe
from keygw.bridge.feed import Feed
from keygw.bridge.gate import EventGate
from keygw.bridge.people_ports import Note
from keygw.bridge.ports import BridgeStore, Clock
from keygw.bridge.records import App
from keygw.bridge.webhook_events import DISABLED
from keygw.bridge.webhook_mail import Letter, Mail
from keygw.bridge.webhook_ports import (
    Answer,
    Delivery,
    DeliveryKind,
    DeliveryState,
    DisabledReason,
    Hold,
    Progress,
    Webhook,
)
from keygw.bridge.webhook_schedule import LONGEST_SECONDS, next_try, parse_retry_after
from keygw.bridge.webhook_tail import Recorded, Tail, recorded
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.credentials.values import Notify
from keygw.events.event import GAP, Event, single_event
from keygw.model.audit import SYSTEM, AuditEntry
from keygw.model.ids import Random, new_id

log = structlog.get_logger(__name__)

KEPT = 500
"""Deliveries of one webhook in its log."""
PAGE = 100
AGAIN_SECONDS = 5.0
"""After what went wrong here, such as a database that is busy."""
GONE = 410

Pause = Callable[[asyncio.Event, float | None], Awaitable[None]]
"""Until the event is set, or for so many seconds; ``None``: for as long as it takes."""


async def pause(wake: asyncio.Event, seconds: float | None) -> None:
    try:
        await asyncio.wait_for(wake.wait(), seconds)
    except TimeoutError:
        return


@dataclass(frozen=True, slots=True)
class Office:
    """What all lanes share."""

    store: BridgeStore
    apps: Apps
    access: Access
    feed: Feed
    mail: Mail
    tail: Tail
    notify: Notify
    clock: Clock
    random: Random
    pause: Pause = pause


@dataclass(slots=True)
class _Standing:
    """The webhook as it was read last, for whom it is told, and what that one may see."""

    webhook: Webhook
    owner: App
    gate: EventGate

    def asks(self, event: Event) -> bool:
        """A cheap look; whether the owner may see it is another question."""
        return self.webhook.wants(event.type) and self.gate.wanted(event)


class Lane:
    """``run`` it in a task. ``position``: how far it is, which may be further than the database knows; -1: not read."""

    def __init__(self, office: Office, hold: Hold) -> None:
        self.hold = hold
        self.position = -1
        self.written = -1
        """The position that is surely in the database."""
        self._office = office
        self._wake = asyncio.Event()
        self._waits = False
        self._stale = True
        self._standing: _Standing | None = None
        self._pending: Delivery | None = None

    def changed(self) -> None:
        """Somebody has changed the webhook, or may have."""
        self._stale = True
        self._wake.set()

    def hear(self, fresh: Recorded) -> None:
        """The newest event. Most are none of this one's business, and wake nobody."""
        standing, next_one = self._standing, self._waits and self.position == fresh.number - 1
        if next_one and standing is not None and not standing.asks(fresh.event):
            self.position = fresh.number
        else:
            self._wake.set()

    async def run(self) -> None:
        """Until the webhook is disabled or gone, or another gateway has it."""
        while True:
            try:
                if not await self._step():
                    return
            except Exception as error:
                log.error("webhook_lane_broke", webhook_id=self.hold.webhook_id, **describe(error))
                self._stale = True
                await self._office.pause(asyncio.Event(), AGAIN_SECONDS)

    async def _step(self) -> bool:
        self._wake.clear()
        if (self._stale or self._standing is None) and not await self._read():
            return False
        assert self._standing is not None  # noqa: S101 - just read
        webhook, now = self._standing.webhook, self._office.clock()
        if webhook.next_at is not None and now < webhook.next_at:
            await self._office.pause(self._wake, min(webhook.next_at - now, LONGEST_SECONDS))
            return True
        found = await self._next(self._standing)
        if found is None:
            self._waits = True
            await self._office.pause(self._wake, None)
            self._waits = False
            return True
        before = self._standing
        if not await self._read():
            return False
        same = before is self._standing and webhook.revision == self._standing.webhook.revision
        return await self._deliver(self._standing, found) if same else True

    async def _read(self) -> bool:
        """The webhook and its owner, as they are now. False: nothing is to be sent any more."""
        office, self._stale = self._office, False
        webhook = await office.store.webhook(self.hold.webhook_id)
        if webhook is None or not webhook.enabled:
            return False
        if webhook.position > self.position:
            self.position = self.written = webhook.position
            self._pending = await office.store.pending_delivery(webhook.id)
        owner = await office.apps.acting(webhook.app_id)
        if owner is None:
            await self._end(webhook, DisabledReason.APP_ENDED, None)
            return False
        if self._standing is None or self._standing.owner != owner:
            gate = EventGate(owner, office.access, office.feed, office.clock)
            self._standing = _Standing(webhook, owner, gate)
        else:
            self._standing.webhook = webhook
        return True

    async def _next(self, standing: _Standing) -> Recorded | None:
        """The next event that is to be sent. What is passed over on the way is never asked for again."""
        while True:
            events = self._office.tail.after(self.position)
            if events is None:
                oldest, newest = await self._office.store.outbox_bounds()
                if self.position + 1 < oldest:
                    return self._gap(oldest - 1)
                if self.position >= newest:
                    return None
                events = [recorded(told) for told in await self._office.store.outbox(self.position, PAGE)]
            if not events:
                return None
            for each in events:
                event = each.event
                if standing.asks(event) and await standing.gate.allows(event):
                    return each
                if self._pending is not None and self._pending.event_id == event.id:
                    await self._withhold(standing.webhook, each)
                self.position = max(self.position, each.number)

    def _gap(self, last: int) -> Recorded:
        """What was recorded behind the position is forgotten: it says so, in place of it."""
        first, webhook_id = self.position + 1, self.hold.webhook_id
        data = {"reason": "too_old", "from": first, "to": last}
        return Recorded(last, single_event(f"gap_{webhook_id}_{first}_{last}", GAP, self._office.clock(), data))

    async def _deliver(self, standing: _Standing, found: Recorded) -> bool:
        """One attempt. False: somebody else has the webhook, or it is over."""
        office, webhook, event = self._office, standing.webhook, found.event
        delivery = self._pending
        if delivery is None or delivery.event_id != event.id:
            body = event.json if event.type == GAP else None
            name = new_id("dlv", office.random)
            delivery = Delivery(name, webhook.id, DeliveryKind.EVENT, event.id, event.type, office.clock(), body=body)
        letter = Letter(event.id, event.type, delivery.body or event.json)
        attempt, answer = await office.mail.attempt(webhook, letter)
        self._stale = True
        if answer.success:
            delivery = delivery.tried(attempt, DeliveryState.DELIVERED)
            return await self._write(webhook, Progress(found.number), delivery)
        if answer.status == GONE:
            return await self._end(webhook, DisabledReason.GONE, delivery.tried(attempt, DeliveryState.FAILED))
        failed = self._failed(webhook, attempt.at, answer)
        if failed is None:
            return await self._end(webhook, DisabledReason.GAVE_UP, delivery.tried(attempt, DeliveryState.FAILED))
        return await self._write(webhook, failed, delivery.tried(attempt, DeliveryState.PENDING, failed.next_at))

    def _failed(self, webhook: Webhook, at: float, answer: Answer) -> Progress | None:
        """When it is tried again; ``None``: never."""
        now, failures = self._office.clock(), webhook.failures + 1
        since = at if webhook.failing_since is None else webhook.failing_since
        wish = None if answer.retry_after is None else parse_retry_after(answer.retry_after, now)
        chance = int.from_bytes(self._office.random(4)) / 2**32
        when = next_try(failures, since, now, chance=chance, retry_after=wish)
        return None if when is None else Progress(self.position, failures, since, when)

    async def _withhold(self, webhook: Webhook, passed: Recorded) -> None:
        """It was tried, and by now the app may see it no more, or does not want it."""
        assert self._pending is not None  # noqa: S101 - the caller has looked
        withheld = replace(self._pending, state=DeliveryState.WITHHELD, next_at=None)
        await self._write(webhook, Progress(passed.number), withheld)
        self._stale = True

    async def _end(self, webhook: Webhook, reason: DisabledReason, delivery: Delivery | None) -> bool:
        """Disable it, and say so: to the app, to operators, in the log and in the audit trail."""
        now = int(self._office.clock())
        data = {"webhook_id": webhook.id, "app_id": webhook.app_id, "reason": reason.value}
        entry = AuditEntry(now, SYSTEM, DISABLED.removeprefix("keygw."), webhook.tenant_id, data=data)
        event = OutboxEvent(entry.action, None, {**data, "tenant_id": webhook.tenant_id}, now)
        tried = delivery is not None
        ended = Progress(
            self.position,
            webhook.failures + tried,
            webhook.failing_since or (float(now) if tried else None),
            disabled=reason,
            note=Note(entry),
            event=event,
        )
        if await self._write(webhook, ended, delivery):
            found = await self._office.store.webhook(webhook.id)
            if found is not None and found.reason is reason:  # else somebody has changed it just now
                log.warning("webhook_disabled", **data)
        return False

    async def _write(self, webhook: Webhook, progress: Progress, delivery: Delivery | None) -> bool:
        kept = await self._office.store.progress(self.hold, webhook.revision, progress, delivery, KEPT, self._tell)
        if kept:
            self.position = self.written = max(self.position, progress.position)
            over = delivery is None or delivery.state is not DeliveryState.PENDING
            self._pending = None if over else delivery
        return kept

    def _tell(self, told: Told) -> None:
        self._office.notify(told.event.type, dict(told.event.data), told.event_id)
