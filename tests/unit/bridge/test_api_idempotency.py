"""Requests under an Idempotency-Key, over real HTTP: carried out once, answered again, never mixed up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx

from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.model.ids import new_id

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
SCOPES = ("vehicle.manage", "vehicle.read", "key.manage", "key.read", "key.share")


def once(headers: dict[str, str], key: str) -> dict[str, str]:
    return {**headers, "Idempotency-Key": key}


def share(lifetime: int = 3600) -> dict[str, Any]:
    phone = LocalSigner.generate().public_key
    return {"public_key": encode_base64url(phone), "profile": "access", "lifetime_seconds": lifetime}


async def keys(world: World) -> int:
    return len(await world.store.credentials.keys())


async def test_the_same_request_is_carried_out_once(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner(*SCOPES)
    body, headers = share(), once(auth(token), "a-wish")
    first = await client.post(f"/v1/keys/{owner.id}:share", json=body, headers=headers)
    again = await client.post(f"/v1/keys/{owner.id}:share", json=dict(reversed(body.items())), headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await keys(world) == 2


async def test_another_request_under_the_same_key_is_refused(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    _, token, owner = await world.owner(*SCOPES)
    headers = once(auth(token), "k")
    assert (await client.post(f"/v1/keys/{owner.id}:share", json=share(), headers=headers)).status_code == 201
    wish = {"vehicle_id": owner.vehicle_id, "role": "owner"}
    for path, body in (
        (f"/v1/keys/{owner.id}:share", share()),
        (f"/v1/keys/{owner.id}:suspend", None),
        ("/v1/keys", wish),
    ):
        wrong = await client.post(path, json=body, headers=headers)
        assert (wrong.status_code, wrong.json()["code"]) == (422, "idempotency_mismatch")
    assert await keys(world) == 2


async def test_keys_of_different_apps_have_nothing_to_do_with_each_other(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    _, one, owner = await world.owner(*SCOPES)
    app, other = await world.app(*SCOPES)
    mine = await world.give_key(app)
    body = share()
    first = await client.post(f"/v1/keys/{owner.id}:share", json=body, headers=once(auth(one), "k"))
    second = await client.post(f"/v1/keys/{mine.id}:share", json=body, headers=once(auth(other), "k"))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]


async def test_twins_at_the_same_time_make_one_key(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner(*SCOPES)
    body, headers = share(), once(auth(token), "k")
    answers = await asyncio.gather(
        *(client.post(f"/v1/keys/{owner.id}:share", json=body, headers=headers) for _ in range(6))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await keys(world) == 2


async def test_an_owner_key_is_issued_once_with_the_same_provisioning(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    _, token = await world.app(*SCOPES)
    vehicle = {
        "id": new_id("veh", world.random),
        "name": "Red van",
        "public_key": encode_base64url(LocalSigner.generate().public_key),
        "advertising_key": encode_base64url(bytes(16)),
    }
    for _ in range(2):
        assert (await client.post("/v1/vehicles", json=vehicle, headers=once(auth(token), "v"))).status_code == 201
    wish = {"vehicle_id": vehicle["id"], "role": "owner", "label": "Mine"}
    answers = [await client.post("/v1/keys", json=wish, headers=once(auth(token), "k")) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert len(await world.store.credentials.keys(vehicle_id=str(vehicle["id"]))) == 1


async def test_a_token_is_renewed_once(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner(*SCOPES)
    path, headers = f"/v1/keys/{owner.id}:renew", once(auth(token), "fresh")
    world.clock.now += 3600
    first = await client.post(path, headers=headers)
    world.clock.now += 3600
    again = await client.post(path, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json()["jwt"] == first.json()["jwt"], "an hour later a new one could be signed"
    other = await client.post(path, headers=once(auth(token), "another"))
    assert other.json()["jwt"] != first.json()["jwt"]
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b"), *auth(token).items()]
    refused = await client.post(path, headers=twice)
    assert (refused.status_code, refused.json()["code"]) == (400, "idempotency_key_required")


async def test_an_app_is_registered_once_and_its_token_shown_once(
    client: httpx.AsyncClient, operator: dict[str, str]
) -> None:
    wish, headers = {"name": "A phone's app", "scopes": ["key.read"]}, once(operator, "an-app")
    first, again = [await client.post("/v1/apps", json=wish, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["token"]
    assert again.json() == {**first.json(), "token": None}
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await client.post("/v1/apps", json={**wish, "name": "Another"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    entries = (await client.get("/v1/audit?action=app.registered", headers=operator)).json()["entries"]
    assert [entry["data"]["app_id"] for entry in entries] == [first.json()["app"]["id"]]


async def test_a_refusal_leaves_no_mark(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner(*SCOPES)
    headers, beyond = once(auth(token), "k"), {**share(), "lifetime_seconds": 366 * 86_400}
    refused = await client.post(f"/v1/keys/{owner.id}:share", json=beyond, headers=headers)
    assert refused.json()["code"] == "outlives_parent"
    assert (await client.post(f"/v1/keys/{owner.id}:share", json=share(), headers=headers)).status_code == 201


async def test_what_is_shown_once_is_not_shown_twice(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner(*SCOPES)
    wish = {"profile": "access", "lifetime_seconds": 3600, "activation_code": True}
    first, again = [
        await client.post(f"/v1/keys/{owner.id}/invitations", json=wish, headers=once(auth(token), "k"))
        for _ in range(2)
    ]
    assert (first.status_code, again.status_code) == (201, 201)
    shown, hidden = first.json(), again.json()
    assert (hidden.pop("link"), hidden.pop("activation_code")) == (None, None)
    assert hidden.items() <= shown.items()
    link = shown["link"].rpartition("#")[2]
    rows = await world.store.database.fetch("SELECT fingerprint, resource FROM idempotency")
    assert link not in str([tuple(row) for row in rows])


async def test_after_a_day_the_key_is_free_again(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, owner = await world.owner(*SCOPES)
    body, headers = share(10 * 86_400), once(auth(token), "k")
    first = await client.post(f"/v1/keys/{owner.id}:share", json=body, headers=headers)
    world.clock.now += 86_400
    assert await world.credentials.drop_answered() == 0
    world.clock.now += 1
    assert await world.credentials.drop_answered() == 1
    again = await client.post(f"/v1/keys/{owner.id}:share", json=body, headers=headers)
    assert again.json()["id"] != first.json()["id"]
