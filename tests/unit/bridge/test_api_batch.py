"""Many keys in one request, over real HTTP: all or none, in one transaction, for the operator alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.credentials.audit_ports import AuditFilter
from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.base64url import encode_base64url
from keygw.model.entitlement import PROFILES
from keygw.token.grant import Grant, sign_grant

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
_ISSUED = AuditFilter(action="key.issued")


def phone() -> LocalSigner:
    return LocalSigner.generate()


def wish(signer: LocalSigner, **more: Any) -> dict[str, Any]:
    return {"public_key": encode_base64url(signer.public_key), **more}


async def post(client: httpx.AsyncClient, world: World, keys: list[dict[str, Any]], headers: Any) -> httpx.Response:
    return await client.post(f"/v1/vehicles/{world.vehicle.id}/keys:batch", json={"keys": keys}, headers=headers)


async def test_a_hundred_keys_are_one_transaction(
    client: httpx.AsyncClient, world: World, operator: dict[str, str]
) -> None:
    works: list[int] = []
    world.store.database.watch(lambda count, _seconds: works.append(count))
    answer = await post(client, world, [wish(phone(), label=f"Van {n}") for n in range(100)], operator)
    assert answer.status_code == 201
    made = answer.json()["keys"]
    assert [key["label"] for key in made] == [f"Van {n}" for n in range(100)]
    assert len({key["id"] for key in made}) == 100
    assert len({key["index"] for key in made}) == 100
    assert works == [1]
    records = await world.store.credentials.audit_entries(0, 1000, _ISSUED)
    assert [each.entry.key_id for each in records] == [key["id"] for key in made]
    assert {each.entry.actor for each in records} == {"operator:operator"}


async def test_an_issue_costs_the_same_however_many_keys_the_vehicle_has(
    client: httpx.AsyncClient, world: World, operator: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It asks for none of them."""

    async def asked(*_: object, **__: object) -> object:
        raise AssertionError("all keys of the vehicle were read")

    monkeypatch.setattr(world.credentials, "keys", asked)
    assert (await post(client, world, [wish(phone())], operator)).status_code == 201


async def test_a_friend_key_comes_with_the_grant_of_its_parent(
    client: httpx.AsyncClient, world: World, operator: dict[str, str]
) -> None:
    owner, friend, now = phone(), phone(), int(world.clock())
    parent = (await post(client, world, [wish(owner)], operator)).json()["keys"][0]
    said = Grant(
        world.vehicle.id, parent["id"], thumbprint(friend.public_key), PROFILES["access"], now, now, now + 3600, 1, 1
    )
    asked = wish(friend, parent_id=parent["id"], grant=encode_base64url(sign_grant(said, owner)))
    answer = await post(client, world, [asked, wish(phone())], operator)
    assert [(key["role"], key["parent_id"]) for key in answer.json()["keys"]] == [
        ("friend", parent["id"]), ("owner", None)
    ]  # fmt: skip
    again = await post(client, world, [asked], operator)
    assert (again.status_code, again.json()["code"]) == (409, "grant_used")
    other = sign_grant(replace(said, expires_at=now + 10**9), owner)
    beyond = await post(client, world, [wish(friend, parent_id=parent["id"], grant=encode_base64url(other))], operator)
    assert (beyond.status_code, beyond.json()["code"]) == (403, "outlives_parent")


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"lifetime_seconds": 366 * 86_400}, 422, "bad_lifetime"),
        ({"parent_id": "key_mfrggzdfmztwq2lk"}, 422, "bad_batch"),
        ({"public_key": "A" * 44}, 422, "bad_public_key"),
        ({"role": "owner"}, 422, "validation"),
    ],
)
async def test_one_wrong_key_leaves_none(
    client: httpx.AsyncClient, world: World, operator: dict[str, str], wrong: dict[str, Any], status: int, code: str
) -> None:
    before = len(await world.store.credentials.keys())
    answer = await post(client, world, [wish(phone()), {**wish(phone()), **wrong}], operator)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert len(await world.store.credentials.keys()) == before


async def test_it_is_bounded_and_for_the_operator(
    client: httpx.AsyncClient, world: World, operator: dict[str, str], auth: Auth
) -> None:
    key = wish(phone())
    assert (await post(client, world, [key] * 101, operator)).json()["code"] == "validation"
    assert (await post(client, world, [], operator)).json()["code"] == "validation"
    _, token = await world.app("key.manage", "key.read", "vehicle.read")
    assert (await post(client, world, [key], auth(token))).json()["code"] == "insufficient_scope"


async def test_a_batch_is_carried_out_once(client: httpx.AsyncClient, world: World, operator: dict[str, str]) -> None:
    keys, headers = [wish(phone()) for _ in range(3)], {**operator, "Idempotency-Key": "k"}
    first, again = [await post(client, world, keys, headers) for _ in range(2)]
    assert first.json() == again.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(await world.store.credentials.keys()) == 3
