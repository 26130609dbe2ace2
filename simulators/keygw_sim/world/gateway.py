"""The gateway of the world: the real one's rooms, wired as ``app.gateway`` wires them, one life after the other.

What a life leaves behind is the image of its database, its issuer's and its vault's key, and the checkpoint of its
audit trail that is kept outside. No HTTP: who calls it calls the bridge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from contextvars import Context
from typing import Any, TypeVar

from keygw.app.books import ServiceBooks
from keygw.bridge.apps import token_hash
from keygw.bridge.bridge import Bridge
from keygw.bridge.feed import Feed
from keygw.bridge.housekeeping import Housekeeping
from keygw.bridge.signals import SignalCache
from keygw.credentials.issuer_keys import IssuerKeyring
from keygw.credentials.journal import Journal
from keygw.credentials.outbox import Outbox
from keygw.credentials.policy import authorize
from keygw.credentials.ports import CredentialStore
from keygw.credentials.rotation import Rotation, open_keyring
from keygw.credentials.service import CredentialService
from keygw.crypto.signer import LocalSigner
from keygw.events.hub import Hub
from keygw.model.errors import StoreError
from keygw.model.ids import Random
from keygw.store.bridge_store import SqlBridge
from keygw.store.credential_store import SqlCredentials
from keygw.store.group import Door
from keygw.store.inline import InlineDatabase
from keygw.store.vault import SqlVault
from keygw.vehicle.fleet import Fleet
from keygw_sim.chance import chance, new_signer
from keygw_sim.world.air import Ether, Radio
from keygw_sim.world.car import GATEWAY
from keygw_sim.world.life import Gone, Life, MortalDoor

T = TypeVar("T")
OPERATOR = "kgw_operator"
ROUND_SECONDS = 3600.0
"""More seldom than in the field: a world that sleeps for days must not keep house all night."""
REVIVED_AFTER = 2.0
"""Seconds until a dead gateway is started again."""


class Places:
    """``credentials.issuer_ports.Signers``: keys that follow from the seed."""

    def __init__(self, seed: str) -> None:
        self._seed = seed

    async def make(self, place: str | None, ordinal: int) -> tuple[str, LocalSigner]:
        reference = f"seeded:{ordinal}"
        return reference, await self.open(reference)

    async def open(self, reference: str) -> LocalSigner:
        return new_signer(chance(self._seed, f"issuer {reference}"))


class Checkpoint:
    """``credentials.trail.Marker``: outlives the process."""

    def __init__(self) -> None:
        self.kept: bytes | None = None

    async def read(self) -> bytes | None:
        return self.kept

    async def write(self, signed: bytes) -> None:
        self.kept = signed


class Gateway:
    """``image``: of an empty database, or what the last life has left. ``clock``: Unix seconds."""

    def __init__(self, image: bytes, ether: Ether, seed: str, clock: Callable[[], float]) -> None:
        self.image = image
        self.births = 0
        self.lives = 0
        """Those that got through their start."""
        self.writes = 0
        """Groups committed, in all lives."""
        self.fuse: int | None = None
        """Of the next life: when that one dies, in moments."""
        self.life = Life(lambda: None)
        self.checkpoint = Checkpoint()
        self.credentials: CredentialStore
        self.service: CredentialService
        self.keyring: IssuerKeyring
        self.bridge: Bridge
        self.on_start: Callable[[], Awaitable[None]] | None = None
        self._ether = ether
        self._seed = seed
        self._clock = clock
        self._random: Random = chance(seed, "gateway")
        self._vault_key = chance(seed, "vault")(16)
        self._radio: Radio
        self._database: InlineDatabase
        self._stack = AsyncExitStack()
        self._revival: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        return self.life.alive and self._revival is None

    async def call(self, work: Callable[[Bridge], Coroutine[Any, Any, T]]) -> T:
        """What the bridge answers. ``Gone`` if it is dead, or dies over it."""
        if not self.alive:
            raise Gone
        return await self.life.call(work(self.bridge))

    async def start(self) -> None:
        """Begin a life; again until one gets through its start."""
        while True:
            self.births += 1
            life = self.life = Life(self._died)
            life.fuse, self.fuse = self.fuse, None
            self._radio = Radio(self._ether, GATEWAY, self.births)
            try:
                await life.begin(self._compose(life))
                if life.alive:
                    return
            except (StoreError, asyncio.CancelledError):
                if life.alive:
                    raise
            await self._bury(life)

    def die(self) -> None:
        self.life.die()

    async def stop(self) -> None:
        """End in good order."""
        if self._revival is not None:
            await self._revival
        await self.life.begin(self._stack.aclose())
        await self.life.bury()

    def _died(self) -> None:
        self._radio.die()
        if self._revival is None and self.lives:
            # It is begun in the life that ends here, and must not end with it.
            revival = self._revive(self.life)
            self._revival = asyncio.get_running_loop().create_task(revival, context=Context())

    async def _revive(self, life: Life) -> None:
        await self._bury(life)
        await asyncio.sleep(REVIVED_AFTER)
        await self.start()
        self._revival = None

    async def _bury(self, life: Life) -> None:
        await asyncio.sleep(0)  # whatever was running has come to its next pause
        self.image = self._database.image()
        await life.bury()
        self._stack.pop_all()  # what a process would have done at its end, a dead one has not done

    async def _compose(self, life: Life) -> None:
        def through(door: Door) -> Door:
            return MortalDoor(door, life)

        loop, clock, random = asyncio.get_running_loop(), self._clock, self._random
        self._database = database = await InlineDatabase.restore(self.image, through)
        self._stack.push_async_callback(database.close)
        database.watch(self._wrote)
        self.credentials = credentials = SqlCredentials(database)
        vault = SqlVault(
            database, self._vault_key, new_signer=lambda: new_signer(random), random=random, repeatable=True
        )
        places = Places(self._seed)
        keyring = await open_keyring(credentials, places, clock)
        hub = Hub(random(4).hex(), clock)
        feed = Feed(hub, SignalCache(clock))
        outbox = Outbox(credentials, feed.on_event, clock)
        service = CredentialService(credentials, vault, keyring, clock, random, notify=outbox, marker=self.checkpoint)
        rotation = Rotation(credentials, places, keyring, clock, Journal(outbox, clock))
        housekeeping = Housekeeping(service.trail, outbox, service, ROUND_SECONDS)
        await outbox.catch_up()
        hub.position = outbox.begins_at or hub.position
        await housekeeping.start()
        self._stack.push_async_callback(housekeeping.stop)
        fleet = await self._stack.enter_async_context(
            Fleet(
                self._radio,
                ServiceBooks(service),
                random,
                clock,
                on_signal=feed.on_signal,
                on_link=feed.on_link,
                on_receipt=feed.on_receipt,
                issuer_keys=rotation,
                ticks=loop.time,
            )
        )
        bridge = Bridge(
            store=SqlBridge(database),
            credentials=service,
            issuer_keys=rotation,
            fleet=fleet,
            feed=feed,
            authorize=authorize,
            clock=clock,
            random=random,
            operator_hash=token_hash(OPERATOR),
            ticks=loop.time,
            notify=outbox,
            answers={"outbox": outbox.heard, "issuer": rotation.heard},
            looks=(outbox.look, rotation.reload),
            upkeep_seconds=ROUND_SECONDS,
        )
        self._stack.push_async_callback(outbox.stop)
        await bridge.start()
        self._stack.push_async_callback(bridge.stop)
        self.service, self.keyring, self.bridge = service, keyring, bridge
        self.lives += 1

    def _wrote(self, works: int, seconds: float) -> None:
        self.writes += 1


async def empty_image() -> bytes:
    """Of a database that nobody has written to yet."""
    database = await InlineDatabase.open()
    image = database.image()
    await database.close()
    return image


__all__ = ["OPERATOR", "Gateway", "Gone", "empty_image"]
