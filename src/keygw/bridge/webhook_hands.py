"""Deliveries that somebody asks for: a ping, and what was sent before, once more. One attempt each, in no lane."""

from __future__ import annotations

from collections import OrderedDict, deque

from keygw.bridge.access import Access, require
from keygw.bridge.apps import Apps
from keygw.bridge.feed import Feed
from keygw.bridge.gate import EventGate
from keygw.bridge.history import number_of
from keygw.bridge.ports import BridgeStore, Clock
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.bridge.webhook_events import PING
from keygw.bridge.webhook_lane import KEPT
from keygw.bridge.webhook_mail import Letter, Mail
from keygw.bridge.webhook_ports import Delivery, DeliveryKind, DeliveryState, Webhook
from keygw.bridge.webhook_tail import Recorded, recorded
from keygw.bridge.webhooks import Webhooks
from keygw.events.event import single_event
from keygw.model.errors import Conflict, NotFound
from keygw.model.ids import Random, new_id

MOST = 10
SECONDS = 10.0
"""So many of one webhook in that time: nobody drums on somebody else's door with our hands."""
_ROOM = 1000


class Hands:
    def __init__(
        self,
        store: BridgeStore,
        webhooks: Webhooks,
        apps: Apps,
        access: Access,
        feed: Feed,
        mail: Mail,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._webhooks = webhooks
        self._apps = apps
        self._access = access
        self._feed = feed
        self._mail = mail
        self._clock = clock
        self._random = random
        self._sent: OrderedDict[str, deque[float]] = OrderedDict()

    async def ping(self, app: App, webhook_id: str) -> Delivery:
        """Whether anybody is there; also of a webhook that is disabled. The delivery says what came of it. ``NotFound``
        unknown_webhook, ``Conflict`` busy."""
        require(app, Scope.WEBHOOK_MANAGE)
        webhook = await self._webhooks.get(app, webhook_id)
        self._wait_your_turn(webhook.id)
        name, now = new_id("dlv", self._random), self._clock()
        event = single_event(f"ping_{name}", PING, now, {"webhook_id": webhook.id})
        fresh = Delivery(name, webhook.id, DeliveryKind.PING, event.id, PING, now, body=event.json)
        return await self._send(webhook, fresh, Letter(event.id, PING, event.json))

    async def redeliver(self, app: App, webhook_id: str, delivery_id: str) -> Delivery:
        """The same event once more, under the same id, if its app may still see it. ``NotFound`` unknown_webhook,
        unknown_delivery; ``Conflict`` event_forgotten, event_withheld, busy."""
        require(app, Scope.WEBHOOK_MANAGE)
        webhook = await self._webhooks.get(app, webhook_id)
        was = await self._webhooks.delivery(app, webhook_id, delivery_id)
        letter = Letter(was.event_id, was.type, was.body) if was.body is not None else await self._again(webhook, was)
        self._wait_your_turn(webhook.id)
        name, now = new_id("dlv", self._random), self._clock()
        fresh = Delivery(name, webhook.id, DeliveryKind.REDELIVERY, was.event_id, was.type, now, body=was.body)
        return await self._send(webhook, fresh, letter)

    async def _again(self, webhook: Webhook, was: Delivery) -> Letter:
        found = await self._recorded(was.event_id)
        if found is None:
            raise Conflict("that event is kept no longer: read how things stand now", code="event_forgotten")
        owner = await self._apps.acting(webhook.app_id)
        gate = None if owner is None else EventGate(owner, self._access, self._feed, self._clock)
        if gate is None or not gate.wanted(found.event) or not await gate.allows(found.event):
            raise Conflict("whose webhook it is may not see that event any more", code="event_withheld")
        return Letter(found.event.id, found.event.type, found.event.json)

    async def _recorded(self, event_id: str) -> Recorded | None:
        number = number_of(event_id)
        there = [] if number is None else await self._store.outbox(number - 1, 1, number)
        return next((recorded(each) for each in there if each.event_id == event_id), None)

    async def _send(self, webhook: Webhook, fresh: Delivery, letter: Letter) -> Delivery:
        attempt, answer = await self._mail.attempt(webhook, letter)
        done = fresh.tried(attempt, DeliveryState.DELIVERED if answer.success else DeliveryState.FAILED)
        if not await self._store.add_delivery(done, KEPT):
            raise NotFound("the webhook was deleted meanwhile", code="unknown_webhook")
        return await self._store.delivery(webhook.id, done.id) or done

    def _wait_your_turn(self, webhook_id: str) -> None:
        now, times = self._clock(), self._sent.pop(webhook_id, deque(maxlen=MOST))
        self._sent[webhook_id] = times
        if len(times) == MOST and now < times[0] + SECONDS:
            raise Conflict(f"not more than {MOST} in {SECONDS:.0f} seconds: wait a moment", code="busy")
        times.append(now)
        if len(self._sent) > _ROOM:
            self._sent.popitem(last=False)
