"""Bad input to every route of the document, from a request that is accepted and differs from it in one thing.

The routes come from the OpenAPI document and the ways to be wrong from their schemas, so a new route is in at once: it
needs a row in ``tests/support/api_cases.py``, and the first test says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from api_bad import Operation, bad, operations
from api_cases import GOOD, PROVEN, Good, Scene, furnish
from keygw.bridge.offer_ports import Voice
from keygw.crypto.signer import LocalSigner

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

DOCUMENT = json.loads((Path(__file__).resolve().parents[3] / "protocols/bridge_api/openapi.json").read_text("utf-8"))
OAUTH = re.compile(r"/oauth2/(?!authorize/)")
EVERY = {each.id: each for each in operations(DOCUMENT) if not OAUTH.match(each.path)}
"""But the authorization server, which says no in other words: ``test_oauth_api``. Its page says it in ours."""
WITH_BODY = [name for name, each in EVERY.items() if each.body]
WORDS = {"scopes": "unknown_scope", "action": "unknown_action", "entitlements": "unknown_entitlement"}
WORDS |= {"id": "bad_id", "role": "unknown_role"}
"""Fields whose wrong words have codes of their own, so that an app can tell."""
BROKEN = {
    "cut off": b'{"a":',
    "two values": b"{} {}",
    "a comma too many": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "a comment": b"{/* */}",
    "duplicate names": b'{"a": 1, "a": 1}',
    "duplicate names inside": b'{"a": [{"b": 1, "b": 2}]}',
    "not a number": b'{"a": NaN}',
    "infinity": b'{"a": -Infinity}',
    "deep nesting": b"[" * 30_000,
    "deep objects": b'{"a":' * 12_000,
    "not UTF-8": b'{"a": "\xff"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a lone surrogate": b'{"a": "\\ud800"}',
    "a control character": b'{"a": "\x00"}',
    "a number of 5000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "nothing but space": b"  ",
}
TYPES = ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"]
TYPES += ["application/json; charset=utf-16", "application/json, text/plain"]


@pytest.fixture
async def scene(client: httpx.AsyncClient, world: World, operator: dict[str, str]) -> Scene:
    object.__setattr__(world.services, "public_url", "http://localhost:8765")  # passkeys want a name
    _, token, key = await world.owner()
    app, _ = await world.app()
    kid = (await client.get("/.well-known/jwks.json")).json()["keys"][0]["kid"]
    grant = await world.granted("key.read")
    session = await world.bridge.sessions.open(await world.bridge.apps.authenticate(token), None, [])
    caller, words = await world.bridge.apps.authenticate(token), Voice("navigation.home", "")
    ids = {
        "event_id": (await world.bridge.offers.send(caller, session.session.id, words)).id,
        "session_id": session.session.id,
        "card": "bay",
        "passkey_id": await world.passkey(),
        "grant_id": grant.held.grant_id,
        "user_code": await world.asked(),
        "vehicle_id": world.vehicle.id,
        "key_id": key.id,
        "device_id": key.device_id,
        "app_id": app.id,
        "kid": kid,
    }
    headers = {"Authorization": f"Bearer {token}"}
    person = await world.at_home("key.manage")
    return Scene(client, headers, operator, world.car.signer, {**ids, "page": "1"}, int(world.clock()), person)


async def send(
    scene: Scene, operation: Operation, content: bytes | None, by: dict[str, str] | None = None, **headers: str | bytes
) -> httpx.Response:
    given: dict[str, str | bytes] = {**(scene.headers if by is None else by), **headers}
    if content is not None:
        given.setdefault("Content-Type", "application/json")
    if "idempotency-key" in operation.named("header"):
        given.setdefault("Idempotency-Key", "a-wish")
    path = operation.path.format_map(scene.ids)
    if by is PROVEN:
        given |= scene.proven(operation.method, path)
    return await scene.client.request(operation.method, path, content=content, headers=list(given.items()))  # type: ignore[arg-type]  # httpx takes a mixture


def problem(response: httpx.Response, what: object) -> dict[str, Any]:
    """The body of a refusal; it is a problem document."""
    where = f"{what}: {response.status_code} {response.text[:300]}"
    assert 400 <= response.status_code < 500, where
    assert response.headers["content-type"] == "application/problem+json", where
    body: dict[str, Any] = response.json()
    assert (body["status"], body["may_have_happened"]) == (response.status_code, False), where
    return body


async def accepted(scene: Scene, operation: Operation, good: Good) -> httpx.Response:
    """What all the bad ones were made of, as it is: nothing else was wrong with them, and they have changed nothing."""
    content = None if good.body is None else json.dumps(good.body).encode()
    response = await send(scene, operation, content, good.by)
    assert response.status_code == good.status, f"{operation.id}: {response.text}"
    return response


def test_every_operation_with_a_body_has_a_good_one() -> None:
    """For a new route: write its row in ``tests/support/api_cases.py``, a request that is accepted."""
    assert set(WITH_BODY) - GOOD.keys() == set(), "operations without a good request in tests/support/api_cases.py"
    assert GOOD.keys() - set(WITH_BODY) == set(), "good requests of operations that are gone"


@pytest.mark.parametrize("name", WITH_BODY)
async def test_one_thing_wrong_in_a_body_is_refused_and_named(scene: Scene, name: str) -> None:
    """Every field of another kind, gone, too long, too short, out of range, not of its form; and fields that are none:
    what the service decides (mass assignment), and nonsense."""
    operation, good = EVERY[name], await GOOD[name](scene)
    assert good.body is not None
    cases = list(bad(DOCUMENT, operation.body, good.body))
    assert len(cases) >= 12
    for case in cases:
        what = f"{name}, {case.at or 'the body'}: {case.why}"
        response = await send(scene, operation, json.dumps(case.body).encode(), good.by)
        said = problem(response, what)
        if said["code"] != "validation":
            assert said["code"] == WORDS.get(case.at.rpartition(".")[2]), what
            assert case.why in ("not of the form", "no such word"), what
            continue
        where = f"body.{case.at}" if case.at else "body"
        assert response.status_code == 422, what
        assert said["errors"], what
        assert all(f"{each['at']}.".startswith(f"{where}.") for each in said["errors"]), f"{what}: {said['errors']}"
        assert "surprise-value" not in response.text
    await accepted(scene, operation, good)


@pytest.mark.parametrize("name", WITH_BODY)
async def test_a_body_that_is_not_what_it_says_is_not_read(scene: Scene, name: str) -> None:
    operation, good = EVERY[name], await GOOD[name](scene)
    content = json.dumps(good.body).encode()
    for why, broken in BROKEN.items():
        response = await send(scene, operation, broken, good.by)
        assert (response.status_code, problem(response, (name, why))["code"]) == (400, "malformed_json"), (name, why)
    for kind in TYPES:
        response = await send(scene, operation, content, good.by, **{"Content-Type": kind})
        assert (response.status_code, problem(response, (name, kind))["code"]) == (415, "unsupported_media_type")
    response = await send(scene, operation, content, good.by, **{"Content-Encoding": "gzip"})
    assert (response.status_code, problem(response, name)["code"]) == (415, "unsupported_media_type")
    response = await send(scene, operation, content + b" " * 65_536, good.by)
    assert (response.status_code, problem(response, name)["code"]) == (413, "body_too_large")
    await accepted(scene, operation, good)


# -- parameters -----------------------------------------------------------------------------------------------------


def wrong(schema: dict[str, Any]) -> Iterator[str]:
    """Texts that a parameter refuses."""
    plain = next((each for each in schema.get("anyOf", ()) if each["type"] != "null"), schema)
    if plain["type"] in ("integer", "number"):
        yield from ("", "x", "0x10", "nan", "inf", "1e400", "9" * 400, "1,5", "\u0661\u0662x")
        if plain["type"] == "integer":
            yield "1.5"
        yield from (str(plain["minimum"] - 1), str(plain["maximum"] + 1))
    elif "enum" in plain:
        yield from ("", "nonsense", plain["enum"][0].upper())
    else:
        yield "x" * (plain["maxLength"] + 1)


async def test_one_thing_wrong_in_a_query_is_refused_and_named(scene: Scene) -> None:
    await furnish(scene)
    asked = 0
    for operation in EVERY.values():
        path, by = operation.path.format_map(scene.ids), caller(scene, operation)
        if not operation.named("query"):
            continue
        async with scene.client.stream(operation.method, path, headers=by) as plain:
            assert plain.status_code == 200, operation.id
        for parameter in operation.parameters:
            for value in wrong(parameter["schema"]) if parameter["in"] == "query" else ():
                query = {parameter["name"]: value}
                response = await scene.client.request(operation.method, path, params=query, headers=by)
                said = problem(response, (operation.id, parameter["name"], value[:40]))
                assert [each["at"] for each in said["errors"]] == [f"query.{parameter['name']}"]
                asked += 1
    assert asked >= 80


def caller(scene: Scene, operation: Operation) -> dict[str, str]:
    """Who may use an operation without a body: some are the operator's alone."""
    other = operation.id == "keys_resume" or operation.path.startswith("/v1/people/")  # not its own key, not its person
    return scene.operator if operation.alone or other else scene.headers


async def request(scene: Scene, operation: Operation) -> Good:
    """The good one, of an operation with a body or without, by a phone that nobody knows."""
    scene.phone = LocalSigner.generate()
    scene.ids |= scene.home
    return await GOOD[operation.id](scene) if operation.body else Good(None, by=caller(scene, operation))


NO_IDS = [
    "x",
    "key_MFRGGZDFMZTWQ2LK",
    "..%2f..%2fetc",
    "%00",
    "%0d%0aSet-Cookie:%20a=b",
    "%ff",
    "' OR 1=1--",
    "x" * 5000,
]
NO_NAMES = [each for each in NO_IDS if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", each)]


async def test_an_id_that_is_none_is_unknown(scene: Scene) -> None:
    """Also where it is no id at all, and whatever it tries in the path."""
    await furnish(scene)
    for operation in EVERY.values():
        if not operation.named("path"):
            continue
        good = await request(scene, operation)
        content = None if good.body is None else json.dumps(good.body).encode()
        taken = dict(scene.ids)
        # Whether anybody shows a code is told to owners with an account alone, and this app has none.
        words = {"kid": "unknown_issuer_key", "page": "validation", "user_code": "not_vehicle_owner"}
        words["card"] = "validation"
        unknown = {words.get(each, f"unknown_{each.removesuffix('_id')}") for each in operation.named("path")}
        for parameter in operation.named("path"):
            # The name of a card is the app's own choice: what is no name is refused, and one that is not there is gone.
            for value in NO_IDS if parameter != "card" else NO_NAMES:
                scene.ids = {**taken, parameter: value}
                response = await send(scene, operation, content, good.by)
                what = (operation.id, parameter, value[:40])
                said = problem(response, what)
                assert said["code"] in unknown or (said["code"] == "no_route" and "%2f" in value), what
                assert "set-cookie" not in response.headers
        scene.ids = taken


# -- who asks, and how often ----------------------------------------------------------------------------------------


async def test_a_request_that_is_repeated_is_answered_again_and_another_is_refused(scene: Scene) -> None:
    """Under one Idempotency-Key, which is one: not empty, not long, not of other letters, not two."""
    tried = 0
    for operation in EVERY.values():
        if "idempotency-key" not in operation.named("header"):
            continue
        wish = {"vehicle_id": scene.ids["vehicle_id"], "role": "owner"}
        key = (await scene.ask("/v1/keys", wish))["id"]  # one that no other operation has ended
        scene.home["key_id"] = key
        offer = {"profile": "access", "lifetime_seconds": 60}
        scene.ids["invitation_id"] = (await scene.ask(f"/v1/keys/{key}/invitations", offer))["id"]
        good = await request(scene, operation)
        content = None if good.body is None else json.dumps(good.body).encode()
        for key in ("", "x" * 256, "a b", b"\xe9"):
            response = await send(scene, operation, content, good.by, **{"Idempotency-Key": key})
            assert problem(response, (operation.id, key))["code"] == "idempotency_key_required"
        path = operation.path.format_map(scene.ids)
        doubled = [*(good.by or scene.headers).items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
        if content is not None:
            doubled.append(("Content-Type", "application/json"))
        response = await scene.client.request(operation.method, path, content=content, headers=doubled)
        assert problem(response, operation.id)["code"] == "idempotency_key_required"
        once = {"Idempotency-Key": f"wish-{operation.id}"}
        first, again = [await send(scene, operation, content, good.by, **once) for _ in range(2)]
        assert (first.status_code, again.is_success) == (good.status, True), (operation.id, first.text)
        assert "Idempotent-Replayed" not in first.headers, operation.id
        assert again.headers["Idempotent-Replayed"] == "true", operation.id
        assert again.json().get("id") == first.json().get("id")
        if operation.id != "commands_create":  # whose keys are a book of their own
            other = EVERY["keys_revoke" if operation.id == "keys_suspend" else "keys_suspend"]
            response = await send(scene, other, None, good.by, **once)
            assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch"), operation.id
        if content is not None:
            fresh = json.dumps(altered(operation, good.body or {})).encode()
            response = await send(scene, operation, fresh, good.by, **once)
            assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch"), operation.id
        tried += 1
    assert tried >= 9


def altered(operation: Operation, body: dict[str, Any]) -> dict[str, Any]:
    """Another request, as good as the first."""
    if operation.id == "commands_create":
        return {**body, "action": "lock"}
    if operation.id == "vehicles_issue_batch":
        return {"keys": [{**body["keys"][0], "label": "Another"}]}
    if operation.id == "pairings_redeem":
        return {**body, "vehicle": {**body["vehicle"], "name": "Another"}}
    return {**body, "name" if "name" in body else "label": "Another"}


async def test_who_is_nobody_any_more_may_nothing(scene: Scene, world: World) -> None:
    """With the very request that is good in another's hand: expired, revoked, made up, and none at all."""
    await furnish(scene)
    good = {}
    for operation in EVERY.values():
        if operation.secured:
            good[operation.id] = (await request(scene, operation)).body, {"transfer_id": "trf_x", **scene.ids}
    gone, revoked = await world.app()
    await world.bridge.apps.revoke(gone.id)
    _, expired = await world.bridge.apps.register("brief", ["key.read"], 1)
    world.clock.now += 2
    tokens = {
        revoked: "token_revoked",
        expired: "token_expired",
        "kgw_" + "A" * 43: "token_unknown",
        "": "token_missing",
    }
    for name, (body, scene.ids) in good.items():
        for token, code in tokens.items():
            by = {"Authorization": f"Bearer {token}"} if token else {}
            response = await send(scene, EVERY[name], None if body is None else json.dumps(body).encode(), by)
            assert (response.status_code, response.json()["code"]) == (401, code), name


FOREIGN = {"vehicle_id": "veh", "key_id": "key", "device_id": "dev", "command_id": "cmd", "invitation_id": "inv"}
FOREIGN |= {"transfer_id": "trf", "pairing_id": "par"}


async def test_what_another_app_has_answers_as_what_nobody_has(scene: Scene, world: World) -> None:
    """The same status, code and words, with a request that its owner may make; in the path, and in the body."""
    await furnish(scene)
    _, token = await world.app()
    stranger, tried = {"Authorization": f"Bearer {token}"}, 0
    for operation in EVERY.values():
        if not operation.secured or "/admin/" in operation.path:
            continue
        good = await request(scene, operation)
        for name in [*operation.named("path"), *(good.body or {})]:
            if name not in FOREIGN or good.by == scene.operator or "secret" in (good.body or {}):
                continue  # whoever has the secret may take the vehicle over
            answers = []
            for value in (scene.ids[name], f"{FOREIGN[name]}_mfrggzdfmztwq2lk"):
                ids = {**scene.ids, name: value}
                body = None if good.body is None else {**good.body, **({name: value} if name in good.body else {})}
                asked = Scene(scene.client, stranger, scene.operator, scene.vehicle_signer, ids, scene.now)
                content = None if body is None else json.dumps(body).encode()
                response = await send(asked, operation, content, stranger, **{"Idempotency-Key": value})
                said = problem(response, (operation.id, name))
                answers.append((response.status_code, said["code"], said["detail"].replace(value, "it")))
            assert answers[0] == answers[1], (operation.id, name)
            assert answers[0][0] == 404, (operation.id, name)
            tried += 1
    assert tried >= 40
