"""The bridge, put together: everything an app can do, with no HTTP in sight."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from keygw.bridge.access import Access
from keygw.bridge.apps import Apps
from keygw.bridge.audit import Audit
from keygw.bridge.capabilities import Capabilities
from keygw.bridge.cards import Cards
from keygw.bridge.commands import Commands
from keygw.bridge.deployment import Deployment
from keygw.bridge.devices import Devices
from keygw.bridge.distraction import Distraction
from keygw.bridge.errands import BACKOFF, Errands
from keygw.bridge.executor import Executor, Timing
from keygw.bridge.feed import Feed
from keygw.bridge.history import History
from keygw.bridge.invitations import Invitations
from keygw.bridge.issuer_keys import IssuerKeys
from keygw.bridge.keys import Keys
from keygw.bridge.lanes import ROOM, Lanes
from keygw.bridge.leased import LeasedFleet
from keygw.bridge.leases import Leases, Pulse
from keygw.bridge.ledger import Ledger, OnSettled
from keygw.bridge.limits import ANNOUNCED as LIMITS
from keygw.bridge.limits import TenantLimits
from keygw.bridge.lists import Lists
from keygw.bridge.mirror import Mirror
from keygw.bridge.neighbours import Answer, Look, Neighbours
from keygw.bridge.notes import Notes
from keygw.bridge.oauth.server import AuthorizationServer
from keygw.bridge.offers import Offers
from keygw.bridge.operators import Operators
from keygw.bridge.ownership import Ownership
from keygw.bridge.pairings import Pairings
from keygw.bridge.people import People
from keygw.bridge.ports import Authorize, BridgeStore, Clock, Credentials, Fleet, IssuerBook
from keygw.bridge.privacy import Privacy
from keygw.bridge.reconnect import Reconnect
from keygw.bridge.relays import Relays
from keygw.bridge.session_watch import SessionWatch
from keygw.bridge.sessions import Sessions
from keygw.bridge.settlement import Settlement
from keygw.bridge.tenants import Tenants
from keygw.bridge.upkeep import ROUND_SECONDS, Upkeep
from keygw.bridge.vehicles import Vehicles
from keygw.bridge.webhook_deliverer import Deliverer
from keygw.bridge.webhook_hands import Hands
from keygw.bridge.webhook_lane import Office
from keygw.bridge.webhook_mail import Mail, Nowhere, OnAttempt, unwatched
from keygw.bridge.webhook_ports import Post
from keygw.bridge.webhook_tail import Tail
from keygw.bridge.webhooks import ANNOUNCED as WEBHOOK
from keygw.bridge.webhooks import Webhooks
from keygw.credentials.values import Notify
from keygw.model.ids import Random
from keygw.model.receipt import Receipt

NOTHING: Mapping[str, Answer] = MappingProxyType({})


class Bridge:
    """Call ``start`` before the first request and ``stop`` after the last one.

    ``feed`` is made first, because the fleet and the credential service report to it. ``operator_hash``:
    ``apps.token_hash`` of the operator's token. ``notify``: hears of what is recorded, in its order; the feed itself,
    if nobody stands between. ``sole``: no other gateway can be on this database; else what others
    announce goes to ``neighbours.hear``, and ``answers`` and ``looks`` are what further rooms do about it, and all of
    them have one ``nonce_key`` (32 bytes). ``post``: the way out for webhooks;
    ``None``: none is delivered here. ``webhooks_to_loopback``: for tests.
    """

    def __init__(
        self,
        *,
        store: BridgeStore,
        credentials: Credentials,
        issuer_keys: IssuerBook,
        fleet: Fleet,
        feed: Feed,
        authorize: Authorize,
        clock: Clock,
        random: Random,
        operator_hash: bytes,
        notify: Notify | None = None,
        on_settled: OnSettled = lambda record: None,
        sole: bool = True,
        pulse: Pulse | None = None,
        ticks: Callable[[], float] = time.monotonic,
        answers: Mapping[str, Answer] = NOTHING,
        looks: Sequence[Look] = (),
        timing: Timing | None = None,
        backoff: tuple[float, ...] = BACKOFF,
        room: int = ROOM,
        upkeep_seconds: float = ROUND_SECONDS,
        nonce_key: bytes | None = None,
        post: Post | None = None,
        webhooks_to_loopback: bool = False,
        on_webhook: OnAttempt = unwatched,
    ) -> None:
        timing = timing or Timing()
        self.leases = Leases(store, random, sole=sole, pulse=pulse, clock=ticks)
        self._mirror = Mirror(store, self.leases, feed, fleet.link)
        local, fleet = fleet, LeasedFleet(fleet, self.leases, store.announce, self._mirror)
        if not sole:
            feed.on_heard.append(self._mirror.note)
        self.feed = feed
        self.signals = feed.signals
        self.clock = clock
        notes = Notes(clock)
        self.apps = Apps(store, notes, clock, random, operator_hash)
        self.tenants = Tenants(store, notes, clock, random)
        self.operators = Operators(store, self.apps, self.tenants, notes, clock, random, operator_hash)
        self.access = Access(credentials, store, clock)
        ledger = Ledger(store, self.leases, notify or feed.on_event, clock, on_settled)
        self.history = History(store, feed.hub)
        self._settlement = Settlement(ledger, credentials, feed.signals.live)
        self._errands = Errands(fleet, credentials, self._settlement, clock, backoff)
        self.issuer_keys = IssuerKeys(issuer_keys, credentials, fleet, self._errands)
        executor = Executor(ledger, credentials, authorize, fleet, clock, timing)
        self._lanes = Lanes(executor, self._errands.in_doubt, timing.again, room)
        self.commands = Commands(
            store,
            store.announce,
            ledger,
            self._lanes,
            self._errands.in_doubt,
            self.access,
            credentials,
            authorize,
            clock,
            random,
            timing,
            feed.signals.live,
        )
        self.capabilities = Capabilities(self.access, authorize, feed.signals.knows, feed.signals.live)
        self.sessions = Sessions(
            store, self.access, self.capabilities, feed.hub, notify or feed.on_event, clock, random
        )
        distraction = Distraction(self.sessions.distract, clock)
        tell, live = notify or feed.on_event, feed.signals.live
        self.cards = Cards(store, self.access, self.sessions, live, distraction, tell, clock)
        self.offers = Offers(store, self.sessions, self.cards, distraction, tell, clock, random)
        self.session_watch = SessionWatch(self.sessions, live, feed.signals.linked, feed.hub, clock)
        feed.on_changed.append(self.session_watch.changed)
        self.limits = TenantLimits(store, credentials.limits, self.tenants, notes)
        self.people = People(store, store, credentials, self.tenants, notes, clock, random)
        self.privacy = Privacy(store, self.people, self.apps, credentials, self._errands.request, notes, clock)
        self.audit = Audit(credentials.trail)
        self.keys = Keys(credentials, self.access, self._errands)
        self.ownership = Ownership(credentials, store, self.access, self._errands, self.people, clock)
        self.devices = Devices(credentials, self.access)
        self.lists = Lists(credentials, self.access)
        self.status_lists = credentials.status_lists
        self.invitations = Invitations(credentials, self.access, self._errands)
        self.reconnect = Reconnect(fleet.connect, random)
        self.relays = Relays(self.access, fleet, feed.hub, clock, self.contact)
        self.vehicles = Vehicles(credentials, store, self.access, fleet, self.reconnect, clock)
        self.pairings = Pairings(store, credentials, self.access, fleet, clock, random, sole=sole)
        self.webhooks = Webhooks(store, notes, clock, random, loopback=webhooks_to_loopback)
        mail = None if post is None else Mail(post, clock, on_webhook)
        self._deliverer = None if mail is None else self._delivering(store, feed, mail, tell, random)
        by_hand = mail or Mail(Nowhere(), clock)
        self.webhook_hands = Hands(store, self.webhooks, self.apps, self.access, feed, by_hand, clock, random)
        chores = (self.issuer_keys.upkeep, self.sessions.sweep, self.offers.sweep)
        self._upkeep = Upkeep(credentials, self._errands, upkeep_seconds, chores)
        self.oauth = AuthorizationServer(
            store,
            self.apps,
            self.keys,
            self.access,
            self.pairings,
            credentials,
            self._errands,
            issuer_keys,
            notes,
            clock,
            random,
            nonce_key,
        )
        self._credentials = credentials
        self._deployment = Deployment(
            store,
            local,
            self.leases,
            self._mirror,
            ledger,
            self._settlement,
            self._errands,
            self._lanes,
            self.commands,
        )
        self.neighbours = Neighbours(
            {
                **self._deployment.answers,
                "device": self.access.forget_device,
                "app": self.apps.look,
                "pairing": self.pairings.look,
                LIMITS: self.limits.look,
                **({WEBHOOK: self._deliverer.changed} if self._deliverer is not None else {}),
                **answers,
            },
            (
                self._deployment.look,
                self.access.forget_devices,
                self.apps.look,
                self.pairings.look,
                self.limits.look,
                *((self._deliverer.look,) if self._deliverer is not None else ()),
                *looks,
            ),
        )
        feed.on_contact.append(self.contact)
        feed.link_listeners.append(self.reconnect.on_link)
        feed.near_listeners.append(self.reconnect.near)
        feed.receipt_listeners += [self._settlement.on_receipt, self._on_receipt]

    def _delivering(self, store: BridgeStore, feed: Feed, mail: Mail, tell: Notify, random: Random) -> Deliverer:
        office = Office(store, self.apps, self.access, feed, mail, Tail(), tell, self.clock, random)
        deliverer = Deliverer(office, lambda: self.leases.gateway_id)
        self.webhooks.on_change = deliverer.changed
        return deliverer

    async def start(self) -> None:
        """Tidy up after the last run, and try once more what it still owed to the vehicles."""
        await self.limits.look()
        await self.pairings.recover()
        await self._deployment.start()
        for vehicle_id in await self._credentials.vehicles_behind():
            self._errands.request(vehicle_id)
        self._upkeep.start()
        self.session_watch.start()
        if self._deliverer is not None:
            self._deliverer.start()

    async def stop(self) -> None:
        """End all background work. Commands that are under way stay as they are on disk; ``start`` settles them."""
        await self.neighbours.stop()
        if self._deliverer is not None:
            await self._deliverer.stop()
        await self.reconnect.stop()
        await self.session_watch.stop()
        await self._upkeep.stop()
        await self.oauth.arrivals.stop()
        await self.pairings.stop()
        await self.commands.stop()
        await self._lanes.stop()
        await self._errands.stop()
        await self._settlement.stop()
        await self._mirror.stop()
        await self.leases.stop()

    def _on_receipt(self, vehicle_id: str, receipt: Receipt) -> None:
        """What was removed in the car is on a new list, with what was shared from it."""
        if receipt.removes_key:
            self._errands.request(vehicle_id)

    def contact(self, vehicle_id: str) -> None:
        """A session with this vehicle stands: whatever waited for it goes now."""
        self._lanes.contact(vehicle_id)
        self._errands.contact(vehicle_id)
