"""Every route, asked by another tenant for what is really there, answers as for an id that nobody gave out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.api import permissions
from keygw.api.factory import create_api
from keygw.bridge.roles import OperatorRole, scopes_of
from keygw.bridge.scopes import GRANTABLE
from keygw.credentials.audit_ports import AuditFilter
from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.model.entitlement import PROFILES
from keygw.model.ids import new_id
from keygw.token.statement import StatementAct, sign_statement

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]

PHONE = LocalSigner.from_secret(11)
KEY = encode_base64url(PHONE.public_key)
SIGNED = encode_base64url(bytes(64))
SECRET = encode_base64url(bytes(32))
HOOK = {"url": "https://example.com/"}
CLOSED = {"kid", "page"}
"""Parameters of what belongs to the whole gateway; ``test_permissions`` has who may ask."""


@dataclass
class Two:
    """Tenant A has one of everything, ``there``; B has an app that may all that apps may, and an admin."""

    there: dict[str, str]
    callers: dict[str, dict[str, str]]
    secret: str
    app_b: dict[str, str]


@pytest.fixture
async def two(world: World, client: httpx.AsyncClient, operator: dict[str, str], auth: Auth) -> Two:
    app, token, top = await world.owner()
    owner = auth(token)
    friend = await world.give_friend_key(app, top, PROFILES["access"])
    record, _ = await world.bridge.commands.create(app, world.vehicle.id, action="lock", idempotency_key="k")
    await world.settled(record)
    made = await client.post(f"/v1/keys/{top.id}/invitations", json={"profile": "access", "lifetime_seconds": 60},
                             headers=owner)  # fmt: skip
    offered = await client.post(f"/v1/vehicles/{world.vehicle.id}:transfer", json={}, headers=owner)
    pairing = await client.post("/v1/pairings", json={"code": "00000000", "name": "x"}, headers=owner)
    person = await client.post("/v1/people", json={"name": "A"}, headers=owner)
    someone = await client.post(
        "/v1/operators", json={"name": "A", "role": "admin", "tenant_id": "default"}, headers=operator
    )
    tenant = (await client.post("/v1/tenants", json={"name": "B"}, headers=operator)).json()["id"]
    wish = {"name": "B", "scopes": sorted(GRANTABLE), "tenant_id": tenant}
    app_b = (await client.post("/v1/apps", json=wish, headers=operator)).json()
    admin = await client.post(
        "/v1/operators", json={"name": "B", "role": "admin", "tenant_id": tenant}, headers=operator
    )
    webhook = (await client.post("/v1/webhooks", json=HOOK, headers=owner)).json()["webhook"]["id"]
    there = {
        "tenant_id": "default",
        "app_id": app.id,
        "operator_id": someone.json()["operator"]["id"],
        "vehicle_id": world.vehicle.id,
        "key_id": friend.id,
        "device_id": top.device_id,
        "command_id": record.id,
        "invitation_id": made.json()["id"],
        "transfer_id": offered.json()["id"],
        "pairing_id": pairing.json()["id"],
        "person_id": person.json()["id"],
        "session_id": (await client.post("/v1/sessions", json={}, headers=owner)).json()["session"]["id"],
        "event_id": await sent(client, owner),
        "user_code": await world.asked(),
        "card": "bay",
        "webhook_id": webhook,
        "delivery_id": (await client.post(f"/v1/webhooks/{webhook}:ping", headers=owner)).json()["id"],
        "passkey_id": await world.passkey(),
        "grant_id": (await world.granted("key.read")).held.grant_id,
    }
    callers = {"app": auth(app_b["token"]), "admin": auth(admin.json()["token"])}
    return Two(there, callers, offered.json()["secret"], app_b["app"])


async def sent(client: httpx.AsyncClient, owner: dict[str, str]) -> str:
    """A destination that waits in a car."""
    session = (await client.post("/v1/sessions", json={}, headers=owner)).json()["session"]["id"]
    place = {"name": "x", "latitude": 0.5, "longitude": 0.5}
    body = {"type": "destination", "destination": place}
    return str((await client.post(f"/v1/sessions/{session}/events", json=body, headers=owner)).json()["id"])


def bodies(ids: dict[str, str], two: Two) -> dict[str, Any]:
    """A good body for every route that takes one and has an id in its path."""
    rights = {"profile": "access", "lifetime_seconds": 60}
    return {
        "/v1/devices/{device_id}:found": {},
        "/v1/invitations/{invitation_id}:grant": {"grant": SIGNED},
        "/v1/keys/{key_id}/invitations": rights,
        "/v1/keys/{key_id}:share": {**rights, "public_key": KEY},
        "/v1/operators/{operator_id}:rotate": {},
        "/v1/sessions/{session_id}": {"capabilities": []},
        "/v1/sessions/{session_id}/cards/{card}": {"template": "navigation", "title": "x"},
        "/v1/sessions/{session_id}/events": {"type": "voice", "voice": {"intent": "x"}},
        "/v1/tenants/{tenant_id}/limits": {"share_depth": 1},
        "/v1/transfers/{transfer_id}:accept": {"secret": two.secret},
        "/v1/vehicles/{vehicle_id}/commands": {"action": "lock"},
        "/v1/vehicles/{vehicle_id}/commands:check": {"action": "lock"},
        "/v1/vehicles/{vehicle_id}/signals:batchGet": {"paths": ["Vehicle.Speed"]},
        "/v1/vehicles/{vehicle_id}/head-unit:answer": {"event_id": ids["event_id"], "accept": True},
        "/v1/vehicles/{vehicle_id}/head-unit:say": {"session_id": ids["session_id"], "intent": "x"},
        "/v1/vehicles/{vehicle_id}/head-unit:press": {"session_id": ids["session_id"], "card": "x", "button": "x"},
        "/v1/vehicles/{vehicle_id}/keys:batch": {"keys": [{"public_key": KEY}]},
        "/v1/vehicles/{vehicle_id}/link:connect": {"key_id": ids["key_id"]},
        "/v1/vehicles/{vehicle_id}/revocation-acks": {"ack": SIGNED},
        "/v1/vehicles/{vehicle_id}/time-proofs": {"nonce": "AAECAwQFBgc"},
        "/v1/vehicles/{vehicle_id}:end-epoch": {"person_id": ids["person_id"]},
        "/v1/vehicles/{vehicle_id}:transfer": {},
        "/v1/webhooks/{webhook_id}": {"enabled": False},
        "/v1/webhooks/{webhook_id}:rotate": {},
    }


def telling(answer: httpx.Response, ids: dict[str, str]) -> tuple[int, str]:
    """All that tells one answer from another: its status, and its text without the id that was sent."""
    text = re.sub(r'"trace_id":\s*"[^"]*"', "", answer.text)
    for value in sorted(ids.values(), key=len, reverse=True):
        text = text.replace(value, "ID")
    return answer.status_code, text


async def test_every_route_with_an_id_in_its_path(client: httpx.AsyncClient, world: World, two: Two) -> None:
    absent = {name: new_id(value[:3] if "_" in value else "ten", world.random) for name, value in two.there.items()}
    document = (await client.get("/openapi.json")).json()
    asked = 0
    for path, methods in document["paths"].items():
        names = set(re.findall(r"\{([a-z_]+)\}", path))
        for method, said in methods.items():
            if not names or names & CLOSED or said["x-keygw-permission"].get("public"):
                continue
            for who, headers in two.callers.items():
                answers = []
                for ids in (two.there, absent):
                    body = bodies(ids, two).get(path)
                    assert body is not None or "requestBody" not in said, f"{path}: give it a good body above"
                    once = {**headers, "Idempotency-Key": f"{asked}"}
                    answer = await client.request(method, path.format_map(ids), json=body, headers=once)
                    answers.append(telling(answer, ids))
                    asked += 1
                assert answers[0] == answers[1], (who, method, path)
                assert answers[0][0] in (403, 404), (who, method, path, answers[0])
    assert asked > 150


async def test_filters_and_lists_hold_nothing_of_another_tenant(client: httpx.AsyncClient, two: Two) -> None:
    for who, headers in two.callers.items():
        for path, name in (
            ("/v1/vehicles", "vehicles"),
            ("/v1/keys", "keys"),
            ("/v1/keys:overdue?older_than_seconds=0", "keys"),
            ("/v1/invitations", "invitations"),
            ("/v1/devices", "devices"),
        ):
            answer = await client.get(path, headers=headers)
            assert answer.json().get(name, []) == [], (who, path)
    admin = two.callers["admin"]
    assert (await client.get("/v1/people", headers=admin)).json() == {"people": []}
    assert [each["id"] for each in (await client.get("/v1/apps", headers=admin)).json()["apps"]] == [two.app_b["id"]]
    assert len((await client.get("/v1/operators", headers=admin)).json()["operators"]) == 1
    assert len((await client.get("/v1/tenants", headers=admin)).json()["tenants"]) == 1
    for query in ("", *(f"?{name}={two.there[name]}" for name in ("tenant_id", "vehicle_id", "key_id", "device_id"))):
        entries = (await client.get(f"/v1/audit{query}", headers=admin)).json()["entries"]
        assert {each["tenant_id"] for each in entries} <= {two.app_b["tenant_id"]}
        assert bool(entries) is (query == "")


@pytest.mark.parametrize("who", ["app", "admin"])
async def test_ids_of_another_tenant_in_bodies_and_queries(
    client: httpx.AsyncClient, world: World, two: Two, who: str
) -> None:
    absent = {"vehicle_id": new_id("veh", world.random), "key_id": new_id("key", world.random)}
    absent["tenant_id"] = new_id("ten", world.random)
    tenant = two.there["tenant_id"]
    car = {"name": "x", "public_key": KEY, "advertising_key": "AAECAwQFBgcICQoLDA0ODw"}
    proof = encode_base64url(sign_statement(StatementAct.GIVE_BACK, two.there["key_id"], 0, PHONE))
    for method, path, body in (
        ("POST", "/v1/keys", {"vehicle_id": "{vehicle_id}", "role": "owner"}),
        ("GET", "/v1/keys?vehicle_id={vehicle_id}", None),
        ("GET", "/v1/invitations?vehicle_id={vehicle_id}", None),
        ("GET", "/v1/events?vehicle={vehicle_id}", None),
        ("POST", "/v1/apps", {"name": "x", "scopes": ["key.read"], "tenant_id": "{tenant_id}"}),
        ("POST", "/v1/operators", {"name": "x", "role": "admin", "tenant_id": "{tenant_id}"}),
        ("POST", "/v1/people", {"name": "x", "tenant_id": "{tenant_id}"}),
        ("POST", "/v1/vehicles", {"id": new_id("veh", world.random), **car, "tenant_id": "{tenant_id}"}),
        ("POST", "/v1/keys/{key_id}:give-back", None),
        ("POST", "/v1/keys/{key_id}:share", {"public_key": KEY, "grant": SIGNED}),
        ("POST", "/v1/keys/{key_id}:give-back", {"public_key": KEY, "proof": proof}),
    ):
        answers = []
        for ids in ({**two.there, "tenant_id": tenant}, absent):
            sent = None if body is None else {name: _filled(value, ids) for name, value in body.items()}
            answer = await client.request(method, _filled(path, ids), json=sent, headers=two.callers[who])
            answers.append(telling(answer, ids))
        assert answers[0] == answers[1], path
        assert answers[0][0] in (403, 404), (path, answers)


async def test_a_car_of_another_tenant_is_registered_already_whoever_asks(
    client: httpx.AsyncClient, world: World, two: Two
) -> None:
    """An id stands for one car in the whole gateway, so this much must be said; and nothing is changed."""
    car = {"name": "mine now", "public_key": KEY, "advertising_key": "AAECAwQFBgcICQoLDA0ODw"}
    for headers in two.callers.values():
        for body in (car, {**car, "name": "Blue van", "public_key": encode_base64url(world.vehicle.public_key)}):
            one = await client.post("/v1/vehicles", json={"id": world.vehicle.id, **body}, headers=headers)
            assert (one.status_code, one.json()["code"]) == (409, "vehicle_taken")
            many = {"vehicles": [{"id": world.vehicle.id, **body}]}
            batch = (await client.post("/v1/vehicles:batch", json=many, headers=headers)).json()
            assert batch == {"vehicles": [{"id": world.vehicle.id, "result": "conflict"}]}
    assert (await world.credentials.vehicle(world.vehicle.id)) == world.vehicle


def _filled(text: Any, ids: dict[str, str]) -> Any:
    return re.sub(r"\{([a-z_]+)\}", lambda found: ids[found[1]], text) if isinstance(text, str) else text


# Each of these lets a secret or a key of the caller's own speak, which no id replaces; or it is for everybody.
WITHOUT_TOKEN = {
    "invitations.view", "invitations.claim", "invitations.decline", "keys.give_back", "link.page",
    "pages.asset",
    "status_lists.status_list",
}  # fmt: skip
ROLES = [role for role in OperatorRole if role is not OperatorRole.ISSUER]
"""Those that somebody within one tenant may have."""


def cell(name: str, who: str) -> str:
    """What the matrix expects of a route that is asked for another's thing: ``token``, ``scope``, or ``absent``: the
    answer that an id gets which nobody gave out. ``KeyError`` for a route of which nobody has said who may ask."""
    permission = permissions.PERMISSIONS[name]
    if who == "nobody":
        return "token"
    if who in ("app", "neighbour"):
        return "scope" if permission.apps is None else "absent"
    scopes = scopes_of(OperatorRole(who), platform=False)
    return "absent" if not permission.operators or scopes & set(permission.operators) else "scope"


async def test_every_route_by_every_role_for_what_is_anothers(
    client: httpx.AsyncClient, world: World, operator: dict[str, str], auth: Auth, two: Two
) -> None:
    """Drawn from the routes themselves. ``neighbour``: an app of the same tenant, which has nothing to do with it."""
    two = replace(two, secret=SECRET)  # who knows the true one is meant to get in
    absent = {name: new_id(value[:3] if "_" in value else "ten", world.random) for name, value in two.there.items()}
    callers = {"nobody": {}, "app": two.callers["app"], "neighbour": auth((await world.app())[1])}
    for role in ROLES:
        wish = {"name": role.value, "role": role.value, "tenant_id": two.app_b["tenant_id"]}
        made = await client.post("/v1/operators", json=wish, headers=operator)
        callers[role.value] = auth(made.json()["token"])
    routes = {permissions.name_of(each): each for each in create_api(world.services).state.routes if "{" in each.path}
    public = {name for name in routes if permissions.PERMISSIONS[name].public}
    assert public == WITHOUT_TOKEN, "say why a route with an id needs no token"
    cells, wrong = 0, []
    for name, route in routes.items():
        if name in public:
            continue
        for who, headers in callers.items():
            once, body = {**headers, "Idempotency-Key": f"matrix-{cells}"}, bodies(two.there, two).get(route.path)
            method, place = sorted(route.methods)[0], route.path
            there, nowhere = [
                await client.request(method, place.format_map({"kid": "AAAAAAAAAAA", **ids}), json=body, headers=once)
                for ids in (two.there, absent)
            ]
            answers = [telling(there, two.there), telling(nowhere, absent)]
            status, code = there.status_code, there.json().get("code")
            expected = cell(name, who)
            held = {
                "token": (status, code) == (401, "token_missing"),
                "scope": (status, code) == (403, "insufficient_scope"),
                "absent": status in (403, 404),
            }[expected]
            if not held or answers[0] != answers[1]:
                wrong.append((name, who, expected, answers))
            cells += 1
    assert wrong == []
    assert cells == (len(routes) - len(public)) * len(callers) > 300
    assert await actions_of(world, "person.erased", "person.exported") == [], "and nothing was done"


async def actions_of(world: World, *wanted: str) -> list[str]:
    found = await world.store.credentials.audit_entries(0, 10_000, AuditFilter())
    return [each.entry.action for each in found if each.entry.action in wanted]
