"""A whole gateway but for the radio: real store, credential service, hub, bridge and HTTP server.

The car is behind a double of the Fleet port.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from keygw.api.services import Services
from keygw.bridge.apps import Apps, token_hash
from keygw.bridge.bridge import Bridge
from keygw.bridge.executor import Timing
from keygw.bridge.feed import Feed
from keygw.bridge.notes import Notes
from keygw.bridge.oauth.clients import parse_scope
from keygw.bridge.oauth.records import Client, GrantKind, Passkey
from keygw.bridge.records import App, CommandRecord
from keygw.bridge.scopes import GRANTABLE
from keygw.bridge.signals import SignalCache
from keygw.bridge.webhook_ports import Post
from keygw.client.bound import BoundAuth, Held
from keygw.credentials.issuer_keys import IssuerKeyring
from keygw.credentials.journal import Journal
from keygw.credentials.policy import authorize
from keygw.credentials.rotation import Rotation, open_keyring
from keygw.credentials.service import CredentialService
from keygw.crypto.signer import LocalSigner, device_id
from keygw.events.event import Event
from keygw.events.hub import Hub
from keygw.model.command import Action, AuthorizedCommand, Command, CommandState, Outcome
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import DigitalKey
from keygw.model.entitlement import PROFILES
from keygw.model.errors import LinkError
from keygw.model.ids import new_id
from keygw.model.receipt import Receipt
from keygw.model.revocation import ListAck
from keygw.model.signal import Signal, SignalId
from keygw.model.vehicle import Vehicle
from keygw.store.signers import SignerPlaces
from keygw.store.store import Store, open_store
from keygw.token.dpop import thumbprint_of
from keygw.token.receipt import FIRST, receipt_hash, sign_receipt
from keygw.token.revocation import list_hash, sign_ack
from keygw.vehicle.pairing import PairingTask, pair
from keygw.vehicle.ports import Air
from keygw.vehicle.relay import Relay, Turn
from keygw.vehicle.values import CommandResult, Discovered, LinkStatus, Measures
from keygw_sim.memory_link import VehicleSide, memory_link
from listening import listening

OPERATOR_TOKEN = "kgw_operator-for-tests"
START = 1_800_000_000.0
OnState = Callable[[CommandState, str | None], Awaitable[None]]


@dataclass
class Clock:
    """A wall clock that moves only when told."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class Car:
    """The Fleet port with one car behind it, at the border of the radio.

    The car has a real vehicle key: its receipts are signed and chained, its acknowledgements are signed, and both go
    through the real credential service. ``present``: in reach. ``cut``: the link dies after it has acted.
    ``deaf``: the link dies before it has heard. ``hold(stage)`` stops an execution at ``connect``, ``sent`` or
    ``answer`` until the event is set. ``outcome`` is what it answers next.
    """

    feed: Feed
    clock: Clock
    vehicle_id: str
    signer: LocalSigner
    present: bool = True
    cut: bool = False
    deaf: bool = False
    broken: Exception | None = None
    locked: bool = True
    outcome: Outcome = Outcome.DONE
    acted: list[Action] = field(default_factory=list)
    attempts: int = 0
    syncs: int = 0
    settles: list[str] = field(default_factory=list)
    receipts: list[bytes] = field(default_factory=list)
    status: LinkStatus | None = None
    service: CredentialService | None = None
    air: Air | None = None
    patience: float = 0.2
    lent: VehicleSide | None = None
    at: dict[str, asyncio.Event] = field(default_factory=dict)
    _called: asyncio.Condition = field(default_factory=asyncio.Condition)
    _holds: dict[str, asyncio.Event] = field(default_factory=dict)
    _delivered: int = 0

    def hold(self, stage: str) -> asyncio.Event:
        """Stop there; returns the event that lets go. ``await at[stage].wait()`` tells when it is reached."""
        self.at[stage] = asyncio.Event()
        self._holds[stage] = asyncio.Event()
        return self._holds[stage]

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait for as many calls as it takes until that holds."""
        async with asyncio.timeout(5), self._called:
            await self._called.wait_for(true)

    async def _note(self) -> None:
        async with self._called:
            self._called.notify_all()

    async def _stage(self, stage: str) -> None:
        if stage in self._holds:
            self.at[stage].set()
            await self._holds[stage].wait()

    def link(self, vehicle_id: str) -> LinkStatus | None:
        return self.status if vehicle_id == self.vehicle_id else None

    def up(self, key_id: str | None) -> LinkStatus:
        self.status = LinkStatus(self.vehicle_id, "authenticated", key_id, handshake_ms=1.0)
        self.feed.on_link(self.vehicle_id, self.status)
        return self.status

    def down(self) -> None:
        self.status = LinkStatus(self.vehicle_id, "disconnected")
        self.feed.on_link(self.vehicle_id, self.status)

    async def connect(self, vehicle_id: str, key_id: str, timeout: float) -> LinkStatus:
        if not self.present:
            raise LinkError("the vehicle is not in reach", code="out_of_range")
        return self.up(key_id)

    async def disconnect(self, vehicle_id: str) -> None:
        self.down()

    async def execute(self, authorized: AuthorizedCommand, on_state: OnState) -> CommandResult:
        command = authorized.command
        self.attempts += 1
        await self._note()
        await self._stage("connect")
        if self.broken is not None:
            raise self.broken
        if not self.present:
            return CommandResult(CommandState.FAILED, "out_of_range")
        self.up(command.key_id)
        await on_state(CommandState.SENT, None)
        await self._stage("sent")
        if self.deaf:
            self.deaf = False
            self.down()
            return CommandResult(CommandState.UNKNOWN, "link_lost")
        receipt = self.act(command)
        if self.cut:
            self.cut = False
            self.down()
            return CommandResult(CommandState.UNKNOWN, "link_lost")
        await self._stage("answer")
        await on_state(CommandState.ACKNOWLEDGED, None)
        stored = await self.deliver()
        state = CommandState.CONFIRMED if self.outcome.ok else CommandState.FAILED
        reason = None if self.outcome is Outcome.DONE else self.outcome.label
        mine = next(each for each in stored if each.signed == receipt)
        self.report(SignalId.CENTRAL_LOCK, self.locked)
        return CommandResult(state, reason, self.outcome, mine, Measures(12.0, 8.0, 2, 600, 660, 3.0))

    def act(self, command: Command) -> bytes:
        """Do it, and sign the receipt."""
        before = self.locked
        if self.outcome.ok:
            self.acted.append(command.action)
            self.locked = {Action.LOCK: True, Action.UNLOCK: False}.get(command.action, self.locked)
        signed = sign_receipt(
            vehicle_id=self.vehicle_id,
            sequence=len(self.receipts) + 1,
            number=command.number,
            key_id=command.key_id,
            action=command.action,
            outcome=self.outcome,
            before=before,
            after=self.locked,
            boot_epoch=1,
            session=bytes(8),
            previous=receipt_hash(self.receipts[-1]) if self.receipts else FIRST,
            at=int(self.clock()),
            signer=self.signer,
        )
        self.receipts.append(signed)
        return signed

    async def deliver(self) -> list[Receipt]:
        """Hand the receipts over that the gateway does not have."""
        assert self.service is not None
        fresh, self._delivered = self.receipts[self._delivered :], len(self.receipts)
        stored = [await self.service.record_receipt(self.vehicle_id, signed) for signed in fresh]
        for receipt in stored:
            self.feed.on_receipt(self.vehicle_id, receipt)
        return stored

    def report(self, signal: SignalId, value: bool | float, at: float | None = None) -> None:
        now = self.clock()
        self.feed.on_signal(self.vehicle_id, [Signal(signal, value, now if at is None else at, now)])

    @asynccontextmanager
    async def relay(self, vehicle_id: str, avoid: Collection[str] = ()) -> AsyncIterator[Relay]:
        if not self.present:
            raise LinkError("the vehicle is not in reach", code="out_of_range")
        link, self.lent = memory_link()
        try:
            yield Relay(link, Turn(), time.monotonic)
        finally:
            await link.close()

    async def settle(self, vehicle_id: str, key_id: str) -> None:
        self.settles.append(key_id)
        await self._note()
        if not self.present:
            raise LinkError("the vehicle is not in reach", code="out_of_range")
        self.up(key_id)
        await self.deliver()

    async def sync_issuer_keys(self, vehicle_id: str) -> None:
        """It has the newest."""

    async def sync_list(self, vehicle_id: str) -> None:
        assert self.service is not None
        self.syncs += 1
        await self._note()
        if not self.present:
            raise LinkError("the vehicle is not in reach", code="out_of_range")
        self.up(self.status.key_id if self.status is not None and self.status.up else None)
        newest = await self.service.current_list(vehicle_id)
        ack = ListAck(vehicle_id, newest.sequence, list_hash(newest.signed), 1)
        await self.service.acknowledge_list(vehicle_id, sign_ack(ack, self.signer))

    async def pair(self, task: PairingTask, seconds: float) -> Outcome:
        """With whatever real cars a test has put on ``air``."""
        if self.air is None:
            raise LinkError("no vehicle is in reach", code="out_of_range")
        return await pair(self.air, task, os.urandom, min(seconds, self.patience))

    async def discover(self, seconds: float) -> Sequence[Discovered]:
        return [Discovered(self.vehicle_id, bytes(6)), Discovered(None, b"\x01" * 6)] if self.present else []


STATUS_LISTS = "https://keys.example/v1/status-lists"


@dataclass
class World:
    """Everything, wired as the composition root does it."""

    clock: Clock
    store: Store
    hub: Hub
    feed: Feed
    car: Car
    credentials: CredentialService
    issuer: IssuerKeyring
    bridge: Bridge
    vehicle: Vehicle
    random: Callable[[int], bytes]
    services: Services
    rebuild: Callable[[], Awaitable[Bridge]]
    timing: Timing

    async def app(self, *scopes: str, name: str = "app") -> tuple[App, str]:
        """A registered app and its token; with every scope unless told otherwise."""
        return await self.bridge.apps.register(name, scopes or sorted(GRANTABLE), machine=True)

    async def owner(self, *scopes: str) -> tuple[App, str, DigitalKey]:
        """An app that registered the vehicle and holds its owner key."""
        app, token = await self.app(*scopes)
        await self.store.bridge.claim_vehicle(self.vehicle.id, app.id)
        return app, token, await self.give_key(app)

    async def give_key(self, app: App) -> DigitalKey:
        """An owner key on a hosted device of that app."""
        device = await self.credentials.create_hosted_device(app.id, "")
        return await self.credentials.issue_owner_key(self.vehicle.id, device)

    async def give_friend_key(self, app: App, parent: DigitalKey, rights: Any) -> DigitalKey:
        """A friend key on a hosted device of that app."""
        device = await self.credentials.create_hosted_device(app.id, "")
        return await self.credentials.share(
            parent.id, device_public_key=device.public_key, entitlements=rights, expires_at=int(self.clock()) + 3600
        )

    async def asked(self, *scopes: str) -> str:
        """The code that a device shows which wants to be let in."""
        oauth, wanted = self.bridge.oauth, scopes or ("key.read",)
        client = await oauth.clients.register("head unit", wanted, "default")
        return (await oauth.consents.ask(client, parse_scope(" ".join(wanted)))).request.user_code

    async def granted(self, *scopes: str) -> BoundAuth:
        """A client that was let in by the owner of the vehicle; its tokens, and its key to make proofs with."""
        home, _, key = await self.owner()
        return await self.granted_by(home, key, *scopes)

    async def granted_by(self, home: App, key: DigitalKey, *scopes: str) -> BoundAuth:
        """The same by the app that holds this owner key."""
        client = await self.bridge.oauth.clients.register("client", scopes, "default")
        return await self._granted_to(client, home, key, scopes)

    async def at_home(self, *scopes: str) -> BoundAuth:
        """The same of a person who was let in by the car's code: the owner key is the home's of that client."""
        client = await self.bridge.oauth.clients.register("client", scopes, "default")
        home = await self.bridge.oauth.arrivals._home(client)
        await self.store.bridge.claim_vehicle(self.vehicle.id, home.id)
        return await self._granted_to(client, home, await self.give_key(home), scopes)

    async def passkey(self) -> str:
        """The id of one that somebody has."""
        auth = await self.at_home("key.manage")
        app = await self.store.bridge.app(auth.held.grant_id)
        assert app is not None
        assert app.person_id is not None
        assert app.home_id is not None
        known = Passkey(new_id("psk", self.random), app.person_id, app.home_id, "x", self.random(16), b"x", 0, False, 1)
        note = Notes(self.clock).note(app, "passkey.added", app.tenant_id)
        assert await self.store.bridge.add_passkey(known, 9, note)
        return known.id

    async def _granted_to(self, client: Client, home: App, key: DigitalKey, scopes: Sequence[str]) -> BoundAuth:
        oauth, signer, url = self.bridge.oauth, LocalSigner.generate(), self.services.public_url
        mark, kind = thumbprint_of(signer.public_key), GrantKind.PAIRING_CODE
        app = await oauth.grants.begin(client, home, [key.id], parse_scope(" ".join(scopes)), mark, kind)
        told = await oauth.grants.tokens(client, app.id, mark, url)
        scope, ends = " ".join(sorted(told.scopes)), self.clock() + told.expires_in
        held = Held(client.id, app.id, scope, told.access_token, told.refresh_token, ends)
        auth = BoundAuth(url, signer, held, clock=self.clock)
        auth.nonce = oauth.proofs.nonce
        return auth

    async def give_phone_key(self, app: App, parent: DigitalKey) -> DigitalKey:
        """A friend key on a phone of that app, which holds its device key itself."""
        public_key = LocalSigner.generate().public_key
        device = Device(device_id(public_key), DeviceKind.PHONE, public_key, "", app.id)
        await self.store.credentials.write(lambda tx: tx.add_device(device))
        return await self.credentials.share(
            parent.id,
            device_public_key=public_key,
            entitlements=PROFILES["access"],
            expires_at=int(self.clock()) + 3600,
        )

    async def settled(self, record: CommandRecord) -> CommandRecord:
        return await self.bridge.commands.wait(record, 2)

    async def acknowledged(self, sequence: int) -> None:
        """Return once the car has acknowledged a list of at least this sequence."""
        async with asyncio.timeout(5):
            while (await self.credentials.current_list(self.vehicle.id)).acknowledged_sequence < sequence:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0.002)

    async def heard(self, kind: str, **data: Any) -> Event:
        """The first event of this run with that type and data, past or to come."""
        with self.hub.subscribe(lambda event: event.type == kind, after="0.0-boot-0") as stream:
            async with asyncio.timeout(5):
                async for event in stream:
                    if event.type == kind and data.items() <= event.data.items():
                        return event
        raise AssertionError(f"the hub ended before {kind}")


@pytest.fixture
def timing() -> Timing:
    """Real lives, short pauses. A test about running out of time overrides it."""
    return Timing(again=0.01, rewrite=(0.001, 0.001))


@pytest.fixture
def post() -> Post | None:
    """The way out for webhooks. Most tests have none: what they name is nobody of ours."""
    return None


@pytest.fixture
async def world(tmp_path: Path, rng: Random, timing: Timing, post: Post | None) -> AsyncIterator[World]:
    clock = Clock()
    store = await open_store(tmp_path / "data")
    hub = Hub("boot", clock)
    feed = Feed(hub, SignalCache(clock))
    signer, signers = LocalSigner.generate(), SignerPlaces(store.directory)
    issuer = await open_keyring(store.credentials, signers, clock, STATUS_LISTS)
    rotation = Rotation(store.credentials, signers, issuer, clock, Journal(feed.on_event, clock))
    credentials = CredentialService(store.credentials, store.vault, issuer, clock, rng.randbytes, notify=feed.on_event)
    vehicle = Vehicle(new_id("veh", rng.randbytes), "Blue van", signer.public_key, rng.randbytes(16))
    await credentials.register_vehicle(vehicle)
    car = Car(feed, clock, vehicle.id, signer, service=credentials)
    bridges: list[Bridge] = []

    async def build() -> Bridge:
        feed.on_contact.clear()
        feed.receipt_listeners.clear()
        made = Bridge(
            store=store.bridge,
            credentials=credentials,
            issuer_keys=rotation,
            fleet=car,
            feed=feed,
            authorize=authorize,
            clock=clock,
            random=rng.randbytes,
            operator_hash=token_hash(OPERATOR_TOKEN),
            timing=timing,
            backoff=(0.01, 0.02),
            room=4,
            post=post,
            webhooks_to_loopback=post is not None,
        )
        bridges.append(made)
        return made

    bridge = await build()
    await bridge.start()
    services = Services(bridge=bridge, hub=hub, issuer=issuer, clock=clock, version="1.2.3", heartbeat=0.03)
    yield World(
        clock, store, hub, feed, car, credentials, issuer, bridge, vehicle, rng.randbytes, services, build, timing
    )
    for each in bridges:
        await each.stop()
    await store.close()


@asynccontextmanager
async def serving(services: Services, ping: float = 20.0) -> AsyncIterator[httpx.AsyncClient]:
    """A real uvicorn on loopback, and a client for it."""
    async with (
        listening(services, ping) as url,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client,
    ):
        yield client


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Without credentials."""
    async with serving(world.services) as made:
        yield made


@pytest.fixture
def operator(world: World) -> dict[str, str]:
    return bearer(OPERATOR_TOKEN)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def auth() -> Callable[[str], dict[str, str]]:
    """``auth(token)``: the header that shows it."""
    return bearer


@pytest.fixture
def serve() -> Callable[[Services], Any]:
    """``async with serve(services) as client``: for tests that need a server of their own."""
    return serving


@pytest.fixture
def apps(world: World) -> Apps:
    return world.bridge.apps
