"""Stories of lists: a car that is away for a week, an only owner key that pauses, a gateway that lost its memory.

Everything is real but radio and clocks: the API, the credential service on its database, the fleet, the phones, the
car. A week passes when the test says so.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from keygw.api.factory import create_api
from keygw.api.services import Services
from keygw.app.books import ServiceBooks
from keygw.bridge.apps import token_hash
from keygw.bridge.bridge import Bridge
from keygw.bridge.feed import Feed
from keygw.bridge.signals import SignalCache
from keygw.credentials.journal import Journal
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
from keygw_sim.phone.satchel import CarriedList, Satchel
from keygw_sim.road import Road
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash
from keygw_sim.vehicle.flash import Issuer as TrustedIssuer
from keygw_sim.vehicle.runner import new_vehicle

START = 1_800_000_000.0
OPERATOR = "kgw_operator"


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
    """One gateway with its API, one car, and whoever walks by with a phone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
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

    async def start(self) -> None:
        """Start the gateway with what is on its disk."""
        self._stack = AsyncExitStack()
        self.store: Store = await self._stack.enter_async_context(await open_store(self.folder / "gateway"))
        self.hub = Hub("boot", self.clock)
        feed = Feed(self.hub, SignalCache(self.clock))
        signers = SignerPlaces(self.store.directory)
        keyring = await open_keyring(self.store.credentials, signers, self.clock)
        self.service = CredentialService(
            self.store.credentials, self.store.vault, keyring, self.clock, self.random, notify=feed.on_key_event
        )
        self.rotation = Rotation(
            self.store.credentials, signers, keyring, self.clock, Journal(feed.on_key_event, self.clock)
        )
        fleet = await self._stack.enter_async_context(
            Fleet(
                self.air,
                ServiceBooks(self.service),
                self.random,
                self.clock,
                on_signal=feed.on_signal,
                on_link=feed.on_link,
                on_receipt=feed.on_receipt,
                on_alert=lambda vehicle_id, reason: feed.on_key_event(
                    "security.alert", {"vehicle_id": vehicle_id, "reason": reason}
                ),
                issuer_keys=self.rotation,
            )
        )
        bridge = Bridge(
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
        )
        await bridge.start()
        self._stack.push_async_callback(bridge.stop)
        services = Services(bridge=bridge, hub=self.hub, issuer=keyring, clock=self.clock, version="1")
        transport = httpx.ASGITransport(create_api(services))
        self._http = await self._stack.enter_async_context(
            httpx.AsyncClient(transport=transport, base_url="http://gateway")
        )

    async def aclose(self) -> None:
        await self._stack.aclose()

    async def ask(self, method: str, path: str, token: str = OPERATOR, **body: Any) -> dict[str, Any]:
        """The answer; ``AssertionError`` for a problem."""
        headers = {"Authorization": f"Bearer {token}"}
        response = await self._http.request(method, f"/v1{path}", headers=headers, json=body or None)
        assert response.is_success, response.text
        return dict(response.json())

    async def app(self, name: str, *scopes: str) -> tuple[str, str]:
        """The id and token of an app."""
        made = await self.ask("POST", "/apps", name=name, scopes=list(scopes))
        return made["app"]["id"], made["token"]

    async def owner(self) -> tuple[str, str]:
        """The owner's app, with a key that the car knows: its token and the key's id."""
        _, token = await self.app(
            "Owner", "vehicle.manage", "vehicle.read", "key.manage", "key.share", "key.read", "command.unlock"
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

    async def friend(self, owner: tuple[str, str], name: str) -> Friend:
        """A friend with a phone, an app on it, and a driver's key for three days."""
        app_id, token = await self.app(name, "key.read")
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

    async def tries(self, action: Action = Action.UNLOCK) -> str:
        self.town.brain.set_body({"locked": True, "engine_running": False})
        tried = await self.phone.command(action)
        if tried.time_nonce is not None:  # the car has lost the time: the app fetches a proof
            path = f"/vehicles/{self.town.vehicle.id}/time-proofs"
            answer = await self.town.ask("POST", path, self.token, nonce=encode_base64url(tried.time_nonce))
            tried = await self.phone.prove_time(decode_base64url(answer["proof"]))
        return tried.outcome


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    made = Town(tmp_path)
    await made.start()
    yield made
    await made.aclose()
    await made.road.close()


async def test_a_car_away_for_a_week_learns_of_a_revocation_from_another_friends_phone(town: Town) -> None:
    owner = await town.owner()
    visitor = await town.friend(owner, "Visitor")
    await town.eventually(1)
    assert await visitor.tries(Action.START_ENGINE) == "done"

    town.air.near = False  # the car is driven away, and the gateway does not hear it any more
    town.now += 6 * DAY
    ann, bob = await town.friend(owner, "Ann"), await town.friend(owner, "Bob")
    assert await bob.tries() == "done"
    revoking = await town.ask("POST", f"/keys/{bob.key_id}:revoke", owner[0])
    assert revoking["state"] == "revoking"
    assert await bob.tries() == "done", "the car cannot know"
    town.now += DAY + 60
    assert await bob.tries() == "list_required", "the time proof that it needs by now names the list that he withholds"
    assert (await town.key(bob.key_id))["state"] == "revoking"

    await ann.fetch_list()
    assert await ann.tries() == "done"
    assert town.brain.memory.list_sequence == revoking["list"]["current"]
    assert await bob.tries() == "key_revoked"
    assert await ann.tries(Action.START_ENGINE) == "done"
    assert (await town.key(bob.key_id))["state"] == "revoking", "the service has not heard of it"

    told = await ann.hand_in()
    assert told["acknowledged"] == told["sequence"] == revoking["list"]["current"]
    assert (await town.key(bob.key_id))["state"] == "revoked"
    assert (await ann.hand_in())["acknowledged"] == told["acknowledged"], "twice is as good as once"
    assert (await town.key(ann.key_id))["state"] == "active"


async def test_a_friend_brings_the_fresh_list_and_drives_in_the_same_meeting(town: Town) -> None:
    owner = await town.owner()
    town.air.near = False
    town.now += 8 * DAY
    ann = await town.friend(owner, "Ann")
    town.now += DAY
    assert await ann.tries(Action.START_ENGINE) == "done", "the car's first list came with her key"
    assert town.brain.body.engine_running is True
    assert (await ann.hand_in())["acknowledged"] == 1
    town.now += 6 * DAY + 1
    bob = await town.friend(owner, "Bob")
    bob.phone.satchel = Satchel()  # an app that carries nothing
    assert await bob.tries(Action.START_ENGINE) == "list_stale"
    assert await bob.tries() == "done"
    await bob.fetch_list()
    assert await bob.tries(Action.START_ENGINE) == "done"
    assert (await bob.hand_in())["acknowledged"] == 2


async def test_what_no_car_has_signed_is_not_taken(town: Town) -> None:
    owner = await town.owner()
    ann = await town.friend(owner, "Ann")
    town.air.near = False
    await town.eventually(1)
    ann.phone.satchel.acks[town.vehicle.id] = bytes(100)
    with pytest.raises(AssertionError, match="token_malformed"):
        await ann.hand_in()
    _, stranger = await town.app("Stranger", "key.read")
    for method, path in (("GET", "revocation-list"), ("POST", "revocation-acks")):
        body = {"ack": encode_base64url(bytes(100))} if method == "POST" else {}
        with pytest.raises(AssertionError, match="unknown_vehicle"):
            await town.ask(method, f"/vehicles/{town.vehicle.id}/{path}", stranger, **body)


async def test_an_only_owner_key_that_was_suspended_comes_back(town: Town) -> None:
    """Its own device brings the list that resumes it: nobody else has a key to open a session with."""
    token, key_id = await town.owner()
    await town.ask("POST", f"/keys/{key_id}:suspend")  # the operator: an app does not suspend itself by mistake
    await town.eventually(1)
    assert await town.unlocks(token, key_id) == ("refused", "key_suspended")
    assert town.brain.body.locked is True
    resumed = await town.ask("POST", f"/keys/{key_id}:resume")
    assert resumed["state"] == "active"
    await town.eventually(2)
    assert await town.unlocks(token, key_id) == ("confirmed", None)


async def test_a_suspension_is_followed_by_a_revocation_that_the_same_key_brings(town: Town) -> None:
    _, key_id = await town.owner()
    await town.ask("POST", f"/keys/{key_id}:suspend")
    await town.eventually(1)
    await town.ask("POST", f"/keys/{key_id}:revoke")
    await town.eventually(2)
    assert (await town.key(key_id))["state"] == "revoked"


async def test_a_gateway_restored_from_a_backup_takes_the_cars_word_for_what_was_revoked(town: Town) -> None:
    owner = await town.owner()
    ann, bob = await town.friend(owner, "Ann"), await town.friend(owner, "Bob")
    for friend in (ann, bob):
        assert await friend.tries() == "done"
    await town.eventually(1)
    await town.aclose()
    backup = town.folder / "backup"
    shutil.copytree(town.folder / "gateway", backup)

    await town.start()
    town.now += 60
    carl = await town.friend(owner, "Carl")
    assert await carl.tries() == "done"
    await town.ask("POST", f"/keys/{bob.key_id}:revoke", owner[0])
    await town.eventually(2)
    assert await bob.tries() == "key_revoked"
    await town.aclose()
    shutil.rmtree(town.folder / "gateway")
    backup.rename(town.folder / "gateway")

    town.now += 60
    await town.start()
    assert (await town.key(bob.key_id))["state"] == "active", "so the backup says"
    with town.hub.subscribe(lambda event: event.type == "keygw.security.alert") as alerts:
        assert await town.unlocks(*owner) == ("confirmed", None)
        alert = await alerts.next(5)
    assert alert is not None
    assert (alert.data["reason"], alert.data["vehicle_id"]) == ("list_forgotten", town.vehicle.id)
    await town.eventually(3)
    assert (await town.key(bob.key_id))["state"] == "revoked"
    assert await bob.tries() == "key_revoked"
    assert await carl.tries() == "key_revoked", "nobody here knows of his key, so nobody could revoke it"
    assert await town.unlocks(*owner) == ("confirmed", None), "with a new token"
    assert await ann.tries() == "key_revoked", "hers is too old now"
    await ann.fetch_key()
    assert await ann.tries() == "done"

    await town.ask("POST", f"/keys/{ann.key_id}:revoke", owner[0])
    await town.eventually(4)
    assert await ann.tries() == "key_revoked", "what is revoked after the restoration reaches the car"
