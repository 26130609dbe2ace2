"""Wiring: one gateway, from its data directory to its HTTP application."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from keygw import __version__
from keygw.api.age import Clients
from keygw.api.factory import create_api
from keygw.api.services import Services
from keygw.app.books import ServiceBooks
from keygw.app.config import ISSUER_KEY, OPERATOR_TOKEN, POLICY
from keygw.app.issuer import signer_places
from keygw.app.noting import noting_seen
from keygw.app.policy_file import load_policy
from keygw.app.radio import NoRadio, open_air
from keygw.app.readiness import Check, Readiness, confirmed, disk_space, signing
from keygw.app.settings import Settings
from keygw.app.watch import Watch
from keygw.bridge.apps import new_token, token_hash
from keygw.bridge.bridge import Bridge
from keygw.bridge.feed import Feed
from keygw.bridge.housekeeping import Housekeeping
from keygw.bridge.signals import SignalCache
from keygw.credentials.issuer_keys import IssuerKeyring
from keygw.credentials.journal import Journal
from keygw.credentials.outbox import Outbox
from keygw.credentials.policy import authorize
from keygw.credentials.rotation import Rotation, open_keyring
from keygw.credentials.service import CredentialService
from keygw.events.hub import Hub
from keygw.model.errors import StoreError
from keygw.outbound.sender import Sender
from keygw.store.group import Transaction
from keygw.store.instance import InstanceLock
from keygw.store.keyfile import load_or_create_secret
from keygw.store.marker import MARKER_NAME, FileMarker
from keygw.store.store import Store, open_store
from keygw.telemetry.metrics import Metrics
from keygw.vehicle.fleet import Fleet
from keygw.vehicle.lookout import Lookout

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that is up. ``http``: its ASGI application; ``hub`` ends its event streams when closed."""

    http: object
    hub: Hub
    operator_token_file: Path
    metrics: Metrics | None


@asynccontextmanager
async def gateway(options: Settings, address: str) -> AsyncIterator[Gateway]:
    """Open everything in order, close it in reverse. ``StoreError`` if the data directory cannot be used.

    ``address``: the URL where it listens, for links if ``options`` name no public one.
    """
    async with AsyncExitStack() as stack:
        watch = Watch(options)
        stack.push_async_callback(watch.close)
        url = None if options.database is None else options.database.get_secret_value()
        if url is None:  # on PostgreSQL several may share the key files of one directory
            stack.enter_context(InstanceLock(options.data))
        policy = await asyncio.to_thread(load_policy, options.policy, options.data / POLICY)
        store = await stack.enter_async_context(await open_store(options.data, keys=(ISSUER_KEY,), database_url=url))
        if store.restored:
            log.warning("restored_unconfirmed", remedy="keygw verify, then keygw restore --confirm")
        await stack.enter_async_context(noting_seen(store))
        public_url = options.public_url or address
        signers = signer_places(store, options)
        stack.callback(signers.close)
        keyring = await open_keyring(store.credentials, signers, time.time, f"{public_url}/v1/status-lists")
        operator = await asyncio.to_thread(_operator_token, options.data)
        store.database.watch(watch.committed)
        hub = Hub(secrets.token_hex(4), time.time)
        feed = Feed(hub, SignalCache(time.time, location_kept=options.location_kept_seconds))
        outbox = Outbox(store.credentials, feed.on_event, time.time)
        credentials = CredentialService(
            store.credentials,
            store.vault,
            keyring,
            time.time,
            os.urandom,
            notify=outbox,
            marker=FileMarker(store.directory / MARKER_NAME),
            limits=policy.limits,
            attestations=policy.attestations,
        )
        service = watch.operations(credentials)
        rotation = Rotation(
            store.credentials, signers, keyring, time.time, Journal(outbox, time.time), limits=policy.limits
        )
        housekeeping = Housekeeping(credentials.trail, outbox, credentials, chores=(feed.drop_old,))
        await outbox.catch_up()
        hub.position = outbox.begins_at or hub.position
        await housekeeping.start()
        stack.push_async_callback(housekeeping.stop)
        air = open_air(options.radio, options.radio_slots, options.trace)
        fleet = await stack.enter_async_context(
            Fleet(
                air,
                ServiceBooks(service),
                os.urandom,
                time.time,
                on_signal=feed.on_signal,
                on_link=watch.links(feed.on_link),
                on_receipt=feed.on_receipt,
                issuer_keys=rotation,
            )
        )
        bridge = Bridge(
            store=store.bridge,
            credentials=service,
            issuer_keys=rotation,
            fleet=watch.contacts(fleet),
            feed=feed,
            authorize=authorize,
            clock=time.time,
            random=os.urandom,
            operator_hash=token_hash(operator),
            on_settled=watch.settled,
            sole=url is None,
            nonce_key=None if url is None else store.nonce_key,
            post=Sender(loopback=options.webhooks_allow_loopback),
            webhooks_to_loopback=options.webhooks_allow_loopback,
            on_webhook=watch.webhook,
            notify=outbox,
            answers={"outbox": outbox.heard, "issuer": rotation.heard},
            looks=(outbox.look, rotation.reload),
        )
        stack.push_async_callback(outbox.stop)
        await bridge.start()
        if options.presence and not isinstance(air, NoRadio):
            lookout = Lookout(air, service, feed.on_presence)
            feed.link_listeners.append(lookout.on_link)
            feed.presence = {}
            await lookout.start()
            stack.push_async_callback(lookout.stop)
        store.database.listen(bridge.neighbours.hear)
        stack.push_async_callback(bridge.stop)
        services = Services(
            bridge=bridge,
            hub=hub,
            issuer=keyring,
            clock=time.time,
            version=__version__,
            limits=policy.limits,
            attestation_formats=policy.attestations.formats,
            public_url=public_url,
            clients=Clients(options.minimum_clients),
            proxies=options.proxies,
            host_from_proxy=options.public_url is None,
            watcher=watch,
            ready=Readiness(_checks(store, keyring)),
        )
        http = watch.requests(create_api(services))
        await stack.enter_async_context(
            watch.counting(store.database.fetch, lambda: hub.consumers, policy.limits.overdue)
        )
        yield Gateway(http, hub, options.data / OPERATOR_TOKEN, watch.metrics)


async def _nothing(_: Transaction) -> None:
    """A work that waits its turn and writes nothing, so that nothing is flushed for it."""


def _checks(store: Store, keyring: IssuerKeyring) -> dict[str, Check]:
    """What ``/readyz`` looks at."""

    async def database() -> None:
        await store.database.fetch("SELECT 1")

    async def writer() -> None:
        await store.database.write(_nothing)

    def sign(message: bytes) -> bytes:
        return keyring.current.signer.sign(message)  # whichever it is by then

    return {
        "database": database,
        "writer": writer,
        "issuer_key": signing(sign),
        "disk": disk_space(store.directory),
        "restored": confirmed(store.credentials.restored_unconfirmed),
    }


def _operator_token(data: Path) -> str:
    """The operator's bearer token, in a file that only its owner reads. To replace it, delete the file and restart."""
    fresh = f"{new_token(os.urandom)}\n"
    path = data / OPERATOR_TOKEN
    found = load_or_create_secret(path, fresh.encode)
    try:
        token = found.decode("ascii").strip()
    except UnicodeDecodeError:
        token = ""
    if not token:
        raise StoreError(
            f"{path} does not hold a token: delete it, and the next start makes a new one", code="key_file_damaged"
        )
    return token
