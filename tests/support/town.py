"""A gateway with its API, one car, and whoever walks by with a phone: all real but radio and clocks.

On PostgreSQL there may be several gateways: ``beside``.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx

from keygw.api.factory import create_api
from keygw.api.services import Services
from keygw.app.books import ServiceBooks
from keygw.bridge.apps import token_hash
from keygw.bridge.bridge import Bridge
from keygw.bridge.feed import Feed
from keygw.bridge.leases import Pulse
from keygw.bridge.signals import SignalCache
from keygw.credentials.journal import Journal
from keygw.credentials.outbox import Outbox
from keygw.credentials.policy import authorize
from keygw.credentials.rotation import Rotation, open_keyring
from keygw.credentials.service import CredentialService
from keygw.credentials.values import DAY
from keygw.crypto.signer import device_id, thumbprint
from keygw.events.hub import Hub
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.command import Action
from keygw.model.device import Device, DeviceKind
from keygw.model.errors import LinkError
from keygw.model.vehicle import Vehicle
from keygw.store.keyfile import load_or_create_issuer_key
from keygw.store.signers import SignerPlaces
from keygw.store.store import Store, open_store
from keygw.token.trust import kid_of
from keygw.vehicle.fleet import Fleet
from keygw.vehicle.ports import Link, Sighting
from keygw_sim.chance import chance, new_signer
from keygw_sim.phone.phone import Invitation, Phone, describe
from keygw_sim.phone.satchel import CarriedList
from keygw_sim.road import Road
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash
from keygw_sim.vehicle.flash import Issuer as TrustedIssuer
from keygw_sim.vehicle.runner import new_vehicle

START = 1_800_000_000.0
OPERATOR = "kgw_operator"
DEATH = 6.0


class GatewayAir:
    """The gateway's radio: it hears the car only while ``near``."""

    def __init__(self, road: Road) -> None:
        self.road = road
        self.near = True

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        return await self.road.scan(seconds) if self.near else []

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> Link:
        if not self.near:
            raise LinkError("the car is away", code="out_of_range")
        return await self.road.open(wanted, timeout, avoid)

    async def close(self) -> None:
        """Nothing is held."""


class Town:
    """One gateway with its API, one car, and whoever walks by with a phone. ``database``: a PostgreSQL database."""

    def __init__(self, folder: Path, database: str | None = None) -> None:
        self.folder = folder
        self.database = database
        self.ticks = 0.0
        """What a clock on the wall of the gateways shows, by which they see each other live."""
        self.now = START
        self.random = chance("offline", "all")
        kid = kid_of((issuer := load_or_create_issuer_key(folder / "gateway" / "issuer.pem")).public_key)
        memory = new_vehicle("Car", self.random)
        memory.issuers.append(TrustedIssuer(f"urn:keygw:{kid.hex()}", kid, issuer.public_key))
        self.vehicle = Vehicle(memory.vehicle_id, "Car", memory.signer.public_key, memory.advertising_key)
        self.brain = Brain(memory, Flash(folder / "car"), self.random, self.clock)
        self.road = Road(self.brain)
        self.air = GatewayAir(self.road)

    def clock(self) -> float:
        return self.now

    async def beside(self) -> Town:
        """One more gateway on the same database and the same key files, with a radio of its own."""
        other = copy.copy(self)
        other.air = GatewayAir(self.road)
        await other.start()
        return other

    async def start(self) -> None:
        """Start the gateway with what is on its disk."""
        self._stack = AsyncExitStack()
        self.store: Store = await self._stack.enter_async_context(
            await open_store(self.folder / "gateway", database_url=self.database)
        )
        self.hub = Hub(self.random(4).hex(), self.clock)
        feed = Feed(self.hub, SignalCache(self.clock))
        outbox = Outbox(self.store.credentials, feed.on_event, self.clock)
        await outbox.catch_up()
        self.hub.position = outbox.begins_at or self.hub.position
        signers = SignerPlaces(self.store.directory)
        keyring = await open_keyring(self.store.credentials, signers, self.clock)
        self.service = CredentialService(
            self.store.credentials, self.store.vault, keyring, self.clock, self.random, notify=outbox
        )
        self.rotation = Rotation(self.store.credentials, signers, keyring, self.clock, Journal(outbox, self.clock))
        fleet = await self._stack.enter_async_context(
            Fleet(
                self.air,
                ServiceBooks(self.service),
                self.random,
                self.clock,
                on_signal=feed.on_signal,
                on_link=feed.on_link,
                on_receipt=feed.on_receipt,
                issuer_keys=self.rotation,
            )
        )
        self.bridge = bridge = Bridge(
            store=self.store.bridge,
            credentials=self.service,
            issuer_keys=self.rotation,
            fleet=fleet,
            feed=feed,
            authorize=authorize,
            clock=self.clock,
            random=self.random,
            operator_hash=token_hash(OPERATOR),
            backoff=(0.01,),
            sole=self.database is None,
            pulse=Pulse(beat=3600.0, death=DEATH),
            ticks=lambda: self.ticks,
            notify=outbox,
            answers={"outbox": outbox.heard, "issuer": self.rotation.heard},
            looks=(outbox.look, self.rotation.reload),
        )
        self._stack.push_async_callback(outbox.stop)
        await bridge.start()
        self.store.database.listen(bridge.neighbours.hear)
        self._stack.push_async_callback(bridge.stop)
        self.services = services = Services(bridge=bridge, hub=self.hub, issuer=keyring, clock=self.clock, version="1")
        transport = httpx.ASGITransport(create_api(services))
        self._http = await self._stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://gateway")
        )

    async def aclose(self) -> None:
        await self._stack.aclose()

    async def ask(self, method: str, path: str, token: str = OPERATOR, **body: Any) -> dict[str, Any]:
        """The answer; ``AssertionError`` for a problem."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = await self._http.request(method, f"/v1{path}", headers=headers, json=body or None)
        assert response.is_success, response.text
        return dict(response.json())

    async def disconnect(self) -> None:
        """End the gateway's link to the car."""
        path = f"/v1/vehicles/{self.vehicle.id}/link"
        response = await self._http.delete(path, headers={"Authorization": f"Bearer {OPERATOR}"})
        assert response.status_code == 204, response.text

    async def app(self, name: str, *scopes: str) -> tuple[str, str]:
        """The id and token of an app."""
        made = await self.ask("POST", "/apps", name=name, scopes=list(scopes), machine=True)
        return made["app"]["id"], made["token"]

    async def owner(self) -> tuple[str, str]:
        """The owner's app, with a key that the car knows: its token and the key's id."""
        _, token = await self.app(
            "Owner",
            "vehicle.manage",
            "vehicle.read",
            "key.manage",
            "key.share",
            "key.read",
            "command.unlock",
            "command.lock",
            "command.trunk",
        )
        car = {
            "id": self.vehicle.id,
            "name": "Car",
            "public_key": encode_base64url(self.vehicle.public_key),
            "advertising_key": encode_base64url(self.vehicle.advertising_key),
        }
        await self.ask("POST", "/vehicles", token, **car)
        key = await self.ask("POST", "/keys", token, vehicle_id=self.vehicle.id, role="owner")
        device = await self.service.device(key["device_id"])
        self.brain.memory.owners.append(thumbprint(device.public_key))
        assert await self.unlocks(token, key["id"]) == ("confirmed", None)
        return token, key["id"]

    async def unlocks(self, token: str, key_id: str) -> tuple[str, str | None]:
        """State and reason of an unlock through the gateway; ``refused`` and why, if it does not even try."""
        self.brain.set_body({"locked": True})
        headers = {
            "Authorization": f"Bearer {token}",
            "Idempotency-Key": self.random(8).hex(),
            "Prefer": "wait=5",
        }
        body = {"action": "unlock", "key_id": key_id}
        path = f"/v1/vehicles/{self.vehicle.id}/commands"
        made = (await self._http.post(path, headers=headers, json=body)).json()
        return ("refused", made["code"]) if "code" in made else (made["state"], made["reason"])

    async def friend(self, owner: tuple[str, str], name: str, *scopes: str) -> Friend:
        """A friend with a phone, an app on it (with those scopes, and that for its key), and a driver's key for three
        days."""
        app_id, token = await self.app(name, "key.read", *scopes)
        phone = Phone(self.road, new_signer(self.random), self.random)
        device = Device(device_id(phone.public_key), DeviceKind.PHONE, phone.public_key, name, app_id)
        await self.store.credentials.write(lambda tx: tx.add_device(device))
        key = await self.ask(
            "POST",
            f"/keys/{owner[1]}:share",
            owner[0],
            public_key=describe(phone)["public_key"],
            profile="driver",
            lifetime_seconds=3 * DAY,
        )
        friend = Friend(self, token, key["id"], phone)
        await friend.fetch_key()
        return friend

    async def key(self, key_id: str) -> dict[str, Any]:
        return await self.ask("GET", f"/keys/{key_id}")

    async def eventually(self, sequence: int) -> None:
        """Until the car has acknowledged that list."""
        async with asyncio.timeout(5):
            while (await self.service.current_list(self.vehicle.id)).acknowledged_sequence < sequence:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0.002)


class Friend:
    def __init__(self, town: Town, token: str, key_id: str, phone: Phone) -> None:
        self.town, self.token, self.key_id, self.phone = town, token, key_id, phone

    async def fetch_key(self) -> None:
        token = await self.town.ask("GET", f"/keys/{self.key_id}/token", self.token)
        self.phone.accept(Invitation.from_json({"key_id": self.key_id, **token}))

    async def fetch_list(self) -> None:
        newest = await self.town.ask("GET", f"/vehicles/{self.town.vehicle.id}/revocation-list", self.token)
        carried = CarriedList.from_json(newest)
        assert carried is not None
        self.phone.satchel.put(carried)

    async def hand_in(self) -> dict[str, Any]:
        ack = encode_base64url(self.phone.satchel.acks[self.town.vehicle.id])
        return await self.town.ask("POST", f"/vehicles/{self.town.vehicle.id}/revocation-acks", self.token, ack=ack)

    async def tries(self, action: Action = Action.UNLOCK, *, withholding: bool = False) -> str:
        """The outcome. ``withholding``: the phone leaves the list at home that comes with a time proof."""
        self.town.brain.set_body({"locked": True, "engine_running": False})
        tried = await self.phone.command(action)
        if tried.time_nonce is not None:  # the car has lost the time: the app fetches a proof
            path = f"/vehicles/{self.town.vehicle.id}/time-proofs"
            answer = await self.town.ask("POST", path, self.token, nonce=encode_base64url(tried.time_nonce))
            newest = None if withholding else CarriedList.from_json(answer["revocation_list"])
            tried = await self.phone.prove_time(decode_base64url(answer["proof"]), newest)
        return tried.outcome
