"""Stories of operators: the first one, roles, tokens that end, and several makers on one gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.bridge.gate import EventGate
from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.model.entitlement import PROFILES
from keygw.model.errors import Conflict, Forbidden, NotFound
from keygw.model.signal import SignalId

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
Add = Callable[..., Any]


@pytest.fixture
def add(client: httpx.AsyncClient, operator: dict[str, str], auth: Auth) -> Add:
    """``await add(role, ...)``: id and token header of a new operator, made by the first one."""

    async def made(role: str, **more: Any) -> tuple[str, dict[str, str]]:
        wish = {"name": role, "role": role, **more}
        answer = await client.post("/v1/operators", json=wish, headers=operator)
        assert answer.status_code == 201, answer.text
        return answer.json()["operator"]["id"], auth(answer.json()["token"])

    return made


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_the_first_operator_hands_over_to_a_named_one(
    client: httpx.AsyncClient, operator: dict[str, str], add: Add
) -> None:
    assert code(await client.delete("/v1/operators/bootstrap", headers=operator)) == (409, "last_admin")
    name, ada = await add("admin")
    assert (await client.delete("/v1/operators/bootstrap", headers=ada)).status_code == 204
    assert code(await client.get("/v1/apps/self", headers=operator)) == (401, "token_revoked")
    assert (await client.get("/v1/operators/bootstrap", headers=ada)).json() == {"ended": True}
    assert code(await client.delete(f"/v1/operators/{name}", headers=ada)) == (409, "last_admin")
    second = await client.post("/v1/operators", json={"name": "Eve", "role": "admin"}, headers=ada)
    assert second.status_code == 201
    assert (await client.delete(f"/v1/operators/{name}", headers=ada)).status_code == 204
    assert code(await client.get("/v1/operators", headers=ada)) == (401, "token_revoked")


async def test_the_trail_says_who_did_what(client: httpx.AsyncClient, operator: dict[str, str], add: Add) -> None:
    name, ada = await add("admin")
    made = (await client.post("/v1/apps", json={"name": "x", "scopes": ["key.read"]}, headers=ada)).json()["app"]
    await client.delete(f"/v1/apps/{made['id']}", headers=ada)
    await client.post(f"/v1/operators/{name}:rotate", json={}, headers=operator)
    entries = (await client.get("/v1/audit", headers=operator)).json()["entries"]
    told = [(each["actor"], each["action"], each["tenant_id"]) for each in reversed(entries)][1:]
    assert told == [
        ("operator:operator", "operator.added", None),
        (f"operator:{name}", "app.registered", "default"),
        (f"operator:{name}", "app.removed", "default"),
        ("operator:operator", "operator.token_replaced", None),
    ]


async def test_support_holds_keys_and_does_nothing_else(client: httpx.AsyncClient, world: World, add: Add) -> None:
    app, _, key = await world.owner()
    world.car.present = False
    _, grace = await add("support", tenant_id="default")
    assert (await client.get(f"/v1/keys/{key.id}", headers=grace)).json()["state"] == "active"
    assert (await client.post(f"/v1/keys/{key.id}:suspend", headers=grace)).json()["state"] == "suspended"
    assert (await client.post(f"/v1/keys/{key.id}:resume", headers=grace)).json()["state"] == "active"
    assert code(await client.post(f"/v1/keys/{key.id}:revoke", headers=grace)) == (403, "insufficient_scope")
    assert code(await client.delete(f"/v1/apps/{app.id}", headers=grace)) == (403, "insufficient_scope")
    assert code(await client.get("/v1/audit", headers=grace)) == (403, "insufficient_scope")
    lost = await client.post(f"/v1/devices/{key.device_id}:lost", headers=grace)
    assert lost.json()["key_ids"] == [key.id]
    found = await client.post(f"/v1/devices/{key.device_id}:found", json={}, headers=grace)
    assert found.json()["key_ids"] == [key.id]


async def test_the_bridge_asks_again_where_no_route_stands_before_it(world: World) -> None:
    first = await world.bridge.apps.authenticate("kgw_operator-for-tests")
    _, token = await world.bridge.operators.add(first, "Sam", "support", None)
    support = await world.bridge.apps.authenticate(token)
    _, _, key = await world.owner()
    refusals = (
        world.bridge.keys.revoke(support, key.id),
        world.bridge.keys.issue_batch(support, world.vehicle.id, []),
        world.bridge.keys.renew(support, key.id),
        world.bridge.devices.remove(support, key.device_id),
        world.bridge.ownership.end_epoch(support, world.vehicle.id),
        world.bridge.vehicles.disconnect(support, world.vehicle.id),
        world.bridge.audit.check(support),
        world.bridge.operators.list(support),
        world.bridge.tenants.add(support, "x"),
        world.bridge.issuer_keys.list(support),
    )
    for refusal in refusals:
        with pytest.raises(Forbidden) as refused:
            await refusal
        assert refused.value.code == "insufficient_scope"


async def test_nobody_reaches_beyond_what_he_has(client: httpx.AsyncClient, operator: dict[str, str], add: Add) -> None:
    tenant = (await client.post("/v1/tenants", json={"name": "Blue"}, headers=operator)).json()["id"]
    name, admin = await add("admin", tenant_id=tenant)
    for wish, answer in (
        ({"role": "admin"}, (201, tenant)),
        ({"role": "admin", "tenant_id": "default"}, (404, "unknown_tenant")),
        ({"role": "issuer"}, (422, "role_of_the_platform")),
        ({"role": "king"}, (422, "unknown_role")),
    ):
        made = await client.post("/v1/operators", json={"name": "x", **wish}, headers=admin)
        said = made.json()["operator"]["tenant_id"] if made.status_code == 201 else made.json()["code"]
        assert (made.status_code, said) == answer
    assert code(await client.delete("/v1/operators/bootstrap", headers=admin)) == (403, "not_platform_operator")
    assert code(await client.post("/v1/tenants", json={"name": "x"}, headers=admin)) == (403, "insufficient_scope")
    assert code(await client.post("/v1/audit:verify", headers=admin)) == (403, "insufficient_scope")
    assert code(await client.get("/v1/admin/issuer-keys", headers=admin)) == (403, "insufficient_scope")
    assert (await client.get("/v1/apps/self", headers=admin)).json()["id"] == name


async def test_a_token_is_replaced_by_its_owner_and_lives_no_longer_for_it(
    client: httpx.AsyncClient, auth: Auth, add: Add
) -> None:
    name, grace = await add("support", lifetime_seconds=60)
    other, _ = await add("support")
    assert code(await client.post(f"/v1/operators/{other}:rotate", json={}, headers=grace)) == (
        403,
        "insufficient_scope",
    )
    before = (await client.get("/v1/apps/self", headers=grace)).json()["expires_at"]
    fresh = await client.post(f"/v1/operators/{name}:rotate", json={"lifetime_seconds": 9999}, headers=grace)
    assert fresh.json()["operator"]["expires_at"] == before
    assert code(await client.get("/v1/apps/self", headers=grace)) == (401, "token_unknown")
    assert (await client.get("/v1/apps/self", headers=auth(fresh.json()["token"]))).json()["role"] == "support"


async def listening(client: httpx.AsyncClient, headers: dict[str, str]) -> AsyncGenerator[str]:
    async with client.stream("GET", "/v1/events", headers=headers) as stream:
        async for line in stream.aiter_lines():
            yield line


@pytest.mark.parametrize("how", ["revoke", "rotate", "another process"])
async def test_an_open_stream_ends_with_its_token(
    client: httpx.AsyncClient, world: World, operator: dict[str, str], add: Add, how: str
) -> None:
    name, ada = await add("auditor")
    _, bob = await add("auditor")
    heard, other = listening(client, ada), listening(client, bob)
    assert await anext(heard) == await anext(other) == "retry: 2000"
    if how == "revoke":
        await client.delete(f"/v1/operators/{name}", headers=operator)
    elif how == "rotate":
        await client.post(f"/v1/operators/{name}:rotate", json={}, headers=operator)
    else:
        elsewhere = await world.rebuild()  # another gateway on the same database, which announces it
        await elsewhere.operators.revoke(await elsewhere.apps.authenticate("kgw_operator-for-tests"), name)
        await world.bridge.apps.look()
    async with asyncio.timeout(5):
        assert not [line async for line in heard if line.startswith(("data", "event"))]
    assert [(await anext(other))[:3] for _ in range(2)] == ["id:", ""]  # its neighbour's goes on
    await other.aclose()


async def test_operators_hear_of_their_tenant_and_what_their_role_reads(
    world: World, client: httpx.AsyncClient, operator: dict[str, str], add: Add, auth: Auth
) -> None:
    tenant = (await client.post("/v1/tenants", json={"name": "Blue"}, headers=operator)).json()["id"]
    ears = []
    for role, more in (
        ("auditor", {}),
        ("issuer", {}),
        ("support", {"tenant_id": "default"}),
        ("admin", {"tenant_id": tenant}),
    ):
        _, header = await add(role, **more)
        caller = await world.bridge.apps.authenticate(header["Authorization"].split()[1])
        gate = EventGate(caller, world.bridge.access, world.feed, world.clock)
        ears.append((gate, world.hub.subscribe(gate.wanted)))
    app, _, _ = await world.owner()
    record, _ = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="k")
    await world.settled(record)
    world.car.report(SignalId.CENTRAL_LOCK, False)
    world.feed.on_event("security.alert", {"vehicle_id": world.vehicle.id, "reason": "receipt_conflict"})
    heard = []
    for gate, stream in ears:
        found = set()
        while (event := await stream.next(0)) is not None:
            if await gate.allows(event):
                found.add(event.type.removeprefix("keygw."))
        heard.append(found)
    everything = {"key.issued", "key.met", "key.used", "command.updated", "vehicle.reachable", "signal.changed",
                  "security.alert"}  # fmt: skip
    assert heard == [everything, set(), everything, set()]


async def test_two_makers_on_one_gateway(
    world: World, client: httpx.AsyncClient, operator: dict[str, str], add: Add, auth: Auth
) -> None:
    """Blue's admin registers its app, the app its car and first key; the fleet of the default tenant sees none."""
    tenant = (await client.post("/v1/tenants", json={"name": "Blue"}, headers=operator)).json()["id"]
    _, blue = await add("admin", tenant_id=tenant)
    _, fleet = await add("fleet", tenant_id="default")
    made = await client.post(
        "/v1/apps",
        json={"name": "Blue", "scopes": ["vehicle.manage", "vehicle.read", "key.manage", "key.read"]},
        headers=blue,
    )
    assert made.json()["app"]["tenant_id"] == tenant
    app = auth(made.json()["token"])
    car = {
        "id": "veh_mfrggzdfmztwq2lk",
        "name": "Blue car",
        "public_key": encode_base64url(LocalSigner.from_secret(3).public_key),
        "advertising_key": "AAECAwQFBgcICQoLDA0ODw",
    }

    registered = await client.post("/v1/vehicles", json=car, headers=app)
    assert registered.json()["tenant_id"] == tenant
    key = (await client.post("/v1/keys", json={"vehicle_id": car["id"], "role": "owner"}, headers=app)).json()
    seen = {}
    for who, headers in (("blue", blue), ("fleet", fleet), ("gateway", operator)):
        vehicles = (await client.get("/v1/vehicles", headers=headers)).json()["vehicles"]
        keys = (await client.get("/v1/keys", headers=headers)).json()["keys"]
        seen[who] = (sorted(each["name"] for each in vehicles), [each["id"] for each in keys])
    assert seen == {
        "blue": (["Blue car"], [key["id"]]),
        "fleet": (["Blue van"], []),
        "gateway": (["Blue car", "Blue van"], [key["id"]]),
    }
    entries = (await client.get("/v1/audit", headers=blue)).json()["entries"]
    assert {each["tenant_id"] for each in entries} == {tenant}
    assert {"vehicle.registered", "device.registered", "key.issued", "app.registered"} <= {e["action"] for e in entries}


async def test_a_tenant_has_limits_of_its_own_at_once(
    world: World, client: httpx.AsyncClient, operator: dict[str, str], add: Add
) -> None:
    app, _, key = await world.owner()
    _, fleet = await add("fleet", tenant_id="default")
    path = "/v1/tenants/default/limits"
    assert (await client.get(path, headers=fleet)).json()["own"] == {}
    changed = await client.patch(path, json={"keys_per_vehicle": 1, "share_depth": 1}, headers=fleet)
    assert changed.json()["own"] == {"keys_per_vehicle": 1, "share_depth": 1}
    assert changed.json()["limits"]["keys_per_vehicle"] == 1
    with pytest.raises(Conflict) as refused:
        await world.bridge.keys.issue_owner(app, world.vehicle.id, "")
    assert refused.value.code == "vehicle_full"
    back = await client.patch(path, json={"keys_per_vehicle": None}, headers=fleet)
    assert back.json()["own"] == {"share_depth": 1}
    await world.bridge.keys.issue_owner(app, world.vehicle.id, "")
    for who, wish, answer in (
        (fleet, {"keys_per_device": 101}, (403, "limit_too_high")),
        (operator, {"share_depth": 9}, (422, "bad_limit")),
        (operator, {"keys": 9}, (422, "validation")),
    ):
        assert code(await client.patch(path, json=wish, headers=who)) == answer
    assert (await client.patch(path, json={"keys_per_device": 101}, headers=operator)).status_code == 200
    entries = (await client.get("/v1/audit?action=limits.changed", headers=operator)).json()["entries"]
    assert entries[1]["data"] == {"keys_per_vehicle": "default"}

    elsewhere = await world.rebuild()  # a gateway that starts, or hears of a change
    world.credentials.limits.tenants.clear()
    await elsewhere.limits.look()
    assert world.credentials.limits.of_tenant("default").keys_per_device == 101
    assert world.credentials.limits.of_tenant("ten_blue").keys_per_device == 100
    assert key.id


async def test_a_key_of_another_tenant_is_not_claimed_with_a_token(world: World) -> None:
    _, _, top = await world.owner()
    foreign, _ = await world.bridge.apps.register("Blue", ["key.read"], tenant_id="ten_blue")
    made = await world.credentials.invitations.create(
        top.id, app_id="x", entitlements=PROFILES["access"], key_lifetime=60
    )
    with pytest.raises(NotFound) as refused:
        await world.bridge.invitations.claim(made.invitation.id, made.secret, b"\x02" * 33, b"", None, foreign)
    assert refused.value.code == "unknown_invitation"
