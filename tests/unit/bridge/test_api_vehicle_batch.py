"""Many vehicles made known at once, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.model.ids import new_id

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
KEY = encode_base64url(LocalSigner.generate().public_key)


def new(world: World, **changes: Any) -> dict[str, Any]:
    made = {"id": new_id("veh", world.random), "name": "Van", "public_key": KEY, "advertising_key": "A" * 22}
    return {**made, **changes}


async def results(client: httpx.AsyncClient, headers: dict[str, str], *rows: dict[str, Any]) -> list[str]:
    answer = await client.post("/v1/vehicles:batch", json={"vehicles": rows}, headers=headers)
    assert answer.status_code == 200, answer.text
    said = answer.json()["vehicles"]
    assert [each["id"] for each in said] == [row["id"] for row in rows]
    return [each["result"] for each in said]


async def test_each_row_is_answered(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, mine = await world.app()
    _, other = await world.app()
    first, second, third = new(world), new(world), new(world)
    assert await results(client, auth(mine), first, second) == ["created", "created"]
    changed = {**second, "name": "Another"}
    assert await results(client, auth(mine), first, changed, third) == ["known", "conflict", "created"]
    assert await results(client, auth(other), first, new(world)) == ["conflict", "created"], "nobody's but mine"
    listed = (await client.get("/v1/vehicles", headers=auth(mine))).json()["vehicles"]
    assert {each["id"]: each["name"] for each in listed} == {row["id"]: "Van" for row in (first, second, third)}


async def test_one_row_twice_in_a_batch(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app()
    row = new(world)
    assert await results(client, auth(token), row, row, {**row, "name": "x"}) == ["created", "known", "conflict"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": "veh_x"}, "bad_id"),
        ({"public_key": "A" * 44}, "bad_public_key"),
        ({"public_key": "AA"}, "validation"),
        ({"owner": "me"}, "validation"),
    ],
)
async def test_a_malformed_row_refuses_all(
    client: httpx.AsyncClient, world: World, auth: Auth, changes: dict[str, str], code: str
) -> None:
    _, token = await world.app()
    body = {"vehicles": [new(world), new(world, **changes)]}
    refused = await client.post("/v1/vehicles:batch", json=body, headers=auth(token))
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert (await client.get("/v1/vehicles", headers=auth(token))).json()["vehicles"] == []


async def test_how_many(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app()
    widest = [new(world, name="\N{AUTOMOBILE}" * 80) for _ in range(100)]
    assert await results(client, auth(token), *widest) == ["created"] * 100, "100 of the widest stay below 64 KiB"
    for rows in ([], [new(world) for _ in range(101)]):
        refused = await client.post("/v1/vehicles:batch", json={"vehicles": rows}, headers=auth(token))
        assert (refused.status_code, refused.json()["code"]) == (422, "validation")


async def test_the_scope(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app("vehicle.read")
    refused = await client.post("/v1/vehicles:batch", json={"vehicles": [new(world)]}, headers=auth(token))
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


async def test_two_apps_at_once_share_no_vehicle(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    tokens = [(await world.app())[1] for _ in range(2)]
    rows = [new(world) for _ in range(20)]
    ours, theirs = await asyncio.gather(*(results(client, auth(token), *rows) for token in tokens))
    for mine, other in zip(ours, theirs, strict=True):
        assert [mine, other].count("conflict") == 1


async def test_the_root_has_the_sequence_of_its_statement(
    client: httpx.AsyncClient, world: World, auth: Auth, operator: dict[str, str]
) -> None:
    prepared = (await client.post("/v1/admin/issuer-keys", json={}, headers=operator)).json()
    activated = await client.post(f"/v1/admin/issuer-keys/{prepared['kid']}/activate", json={}, headers=operator)
    assert activated.status_code == 200, activated.text
    _, token = await world.app()
    root = (await client.post("/v1/vehicles", json=new(world), headers=auth(token))).json()["issuer"]
    assert (root["kid"], root["sequence"]) == (prepared["kid"], 1)


async def test_a_refused_vehicle_stays_refused_under_its_idempotency_key(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    """A conflict must undo its transaction, or the repetition would be answered as a success."""
    _, token = await world.app()
    row = new(world)
    assert await results(client, auth(token), row) == ["created"]
    headers = {**auth(token), "Idempotency-Key": "once"}
    for _ in range(2):
        refused = await client.post("/v1/vehicles", json={**row, "name": "Another"}, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (409, "vehicle_exists")
