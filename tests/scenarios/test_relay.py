"""A phone that holds its device key unlocks through the gateway's link: opaque frames, lent for a while."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from keygw.client.relay import RelayAir
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.command import Action
from keygw.model.errors import LinkError
from keygw.wire.messages import LinkKind
from keygw_sim.chance import chance, new_signer
from keygw_sim.phone.phone import Invitation, Phone, Tried
from keygw_sim.phone.satchel import CarriedList
from keygw_sim.scenarios.app import App
from keygw_sim.scenarios.world import World

RANDOM = chance("relay", "phone")


class Guest:
    """An app of its own, on phones with device keys of their own."""

    def __init__(self, world: World, token: str) -> None:
        self.world = world
        self.token = token
        self.app = App(world.url, token)

    def phone(self) -> Phone:
        air = RelayAir(self.world.url, self.token, self.world.vehicle_id)
        return Phone(air, new_signer(RANDOM), RANDOM, kind=LinkKind.RELAYED)

    async def with_key(self) -> tuple[Phone, str]:
        """A phone that the app has registered, with a friend's key from the owner."""
        phone = self.phone()
        challenge = (await self.app.post("/v1/devices/challenges"))["challenge"]
        proof = phone.prove_registration(decode_base64url(challenge))
        public_key = encode_base64url(phone.public_key)
        await self.app.post(
            "/v1/devices",
            {"public_key": public_key, "challenge": challenge, "proof": encode_base64url(proof), "label": "Phone"},
        )
        wish = {"public_key": public_key, "profile": "access", "lifetime_seconds": 86_400, "label": "Guest"}
        key = await self.world.app.post(f"/v1/keys/{self.world.owner_key}:share", wish)
        token = await self.app.get(f"/v1/keys/{key['id']}/token")
        phone.accept(Invitation.from_json({"key_id": key["id"], **token}))
        return phone, key["id"]

    async def tries(self, phone: Phone, action: Action = Action.UNLOCK) -> Tried:
        tried = await phone.command(action)
        if tried.time_nonce is not None:
            where = f"/v1/vehicles/{self.world.vehicle_id}/time-proofs"
            answer = await self.app.post(where, {"nonce": encode_base64url(tried.time_nonce)})
            newest = CarriedList.from_json(answer["revocation_list"])
            tried = await phone.prove_time(decode_base64url(answer["proof"]), newest)
        return tried


async def guest(world: World) -> Guest:
    wish = {"name": "Guest", "scopes": ["key.read", "vehicle.read"]}
    one = Guest(world, (await world.operator.post("/v1/apps", wish))["token"])
    world._stack.push_async_callback(one.app.close)
    return one


async def locked(world: World) -> bool:
    return bool((await world.car.ask(do="status"))["body"]["locked"])


async def refused(air: RelayAir) -> str:
    with pytest.raises(LinkError) as caught:
        await air.open(lambda rotating_id: True, 8.0)
    return caught.value.code


async def test_a_phone_unlocks_through_the_relay_and_a_suspended_one_does_not(world: World) -> None:
    one = await guest(world)
    assert await refused(RelayAir(world.url, one.token, world.vehicle_id)) == "unknown_vehicle"
    assert await refused(RelayAir(world.url, world.token, world.vehicle_id)) == "no_phone_key"
    (phone, key_id), (other, _) = await one.with_key(), await one.with_key()
    await world.command("lock")
    assert await locked(world)
    tried = await one.tries(phone)
    assert (tried.outcome, tried.receipt is not None) == ("done", True), tried
    assert not await locked(world)
    assert (await world.command("lock"))["state"] == "confirmed", "the gateway has its link again"

    # Suspended: while another phone of the app has a live key the gateway lends the link, and the car refuses.
    await world.app.post(f"/v1/keys/{key_id}:suspend")
    assert (await world.acknowledged(key_id))["stage"] == "suspended"
    assert (await phone.command(Action.UNLOCK)).outcome == "key_suspended"
    assert await locked(world)
    assert (await one.tries(other)).outcome == "done"


async def test_without_a_live_key_there_is_no_link_and_one_that_is_lent_ends(world: World) -> None:
    one = await guest(world)
    _, key_id = await one.with_key()
    air = RelayAir(world.url, one.token, world.vehicle_id)
    link = await air.open(lambda rotating_id: True, 8.0)
    assert await link.receive(), "the car greets"
    await world.app.post(f"/v1/keys/{key_id}:suspend")
    with pytest.raises(LinkError) as caught:
        async with asyncio.timeout(3):
            await link.receive()
    assert caught.value.code == "key_suspended"
    assert await refused(air) == "key_suspended"
    await world.app.post(f"/v1/keys/{key_id}:revoke")
    assert await refused(air) == "key_revoked"


async def test_a_link_that_is_lent_gives_way_to_a_command(world: World) -> None:
    one = await guest(world)
    await one.with_key()
    air = RelayAir(world.url, one.token, world.vehicle_id)
    where = f"/v1/vehicles/{world.vehicle_id}/link"
    await world.command("lock")
    assert (await world.app.get(where))["state"] == "authenticated"
    link = await air.open(lambda rotating_id: True, 8.0)
    await link.receive()
    assert (await world.app.get(where))["state"] == "disconnected", "one link carries one session"
    began = time.monotonic()
    command: asyncio.Task[dict[str, Any]] = asyncio.create_task(world.command("unlock"))
    with pytest.raises(LinkError) as caught:
        await link.receive()
    assert caught.value.code == "gave_way"
    assert (await command)["state"] == "confirmed"
    assert time.monotonic() - began < 4.0


async def test_a_token_that_ends_and_a_car_that_goes_are_told(world: World) -> None:
    one = await guest(world)
    await one.with_key()
    air = RelayAir(world.url, one.token, world.vehicle_id)
    link = await air.open(lambda rotating_id: True, 8.0)
    await link.receive()
    await world.car.kill()
    with pytest.raises(LinkError) as caught:
        async with asyncio.timeout(8):
            await link.receive()
    assert caught.value.code == "link_lost"
    apps = (await world.operator.get("/v1/apps"))["apps"]
    app_id = next(each["id"] for each in apps if each["name"] == "Guest")
    await world.operator.delete(f"/v1/apps/{app_id}")
    assert await refused(air) == "token_revoked"
