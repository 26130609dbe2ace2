"""Passkeys: registered a moment after the person was seen, at this site, once for each challenge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from authenticator import ATTESTED, ELIGIBLE, PRESENT, USUAL, VERIFIED, Authenticator
from keygw.bridge.oauth import passkeys
from keygw.bridge.oauth.challenges import SECONDS
from keygw.bridge.oauth.grants import STEP_UP_SECONDS
from keygw.client.bound import BoundAuth, Held

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

SITE = "http://localhost:8765"
PASSKEYS = "/v1/passkeys"
Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def ask(client: httpx.AsyncClient, world: World) -> Ask:
    """A request by a grant, with a proof of its own."""
    object.__setattr__(world.services, "public_url", SITE)

    async def asked(auth: BoundAuth, method: str, path: str, body: Any = None) -> httpx.Response:
        token = auth.held.access_token
        proof = auth.proof(method, auth.url + path, token)
        return await client.request(method, path, json=body, headers={"Authorization": f"DPoP {token}", "DPoP": proof})

    return asked


def refused(response: httpx.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text


async def registered(ask: Ask, auth: BoundAuth, key: Authenticator, **bent: Any) -> httpx.Response:
    options = (await ask(auth, "POST", f"{PASSKEYS}:options")).json()
    return await ask(auth, "POST", PASSKEYS, key.make(options, **bent))


async def seen(ask: Ask, auth: BoundAuth, key: Authenticator, **bent: Any) -> httpx.Response:
    options = (await ask(auth, "POST", f"{PASSKEYS}:challenge")).json()
    return await ask(auth, "POST", f"{PASSKEYS}:verify", key.sign(options, **bent))


async def refresh(client: httpx.AsyncClient, world: World, auth: BoundAuth) -> None:
    """By the tokens of a later time."""
    auth.nonce = world.bridge.oauth.proofs.nonce
    form = {
        "grant_type": "refresh_token",
        "client_id": auth.held.client_id,
        "refresh_token": auth.held.refresh_token,
    }
    proof = {"DPoP": auth.proof("POST", f"{auth.url}/oauth2/token")}
    told = (await client.post("/oauth2/token", data=form, headers=proof)).json()
    ends = world.clock() + told["expires_in"]
    auth._held = Held(
        auth.held.client_id, told["grant_id"], told["scope"], told["access_token"], told["refresh_token"], ends
    )


@pytest.mark.parametrize("alg", [-7, -8])
async def test_a_person_is_seen_by_a_passkey_in_place_of_the_cars_code(
    client: httpx.AsyncClient, world: World, ask: Ask, alg: int
) -> None:
    auth = await world.at_home("key.manage", "key.share")
    key = Authenticator(SITE, alg)
    made = await registered(ask, auth, key)
    assert (made.status_code, made.json()["name"], made.json()["used_at"]) == (201, "My phone", None)

    world.clock.now += STEP_UP_SECONDS + 1
    await refresh(client, world, auth)
    assert auth.held.access_token
    stale = await ask(auth, "POST", f"{PASSKEYS}:options")
    refused(stale, 401, "insufficient_user_authentication")
    assert "passkey" in stale.json()["detail"], "the next step"

    assert (await seen(ask, auth, key)).status_code == 200
    refused(await ask(auth, "POST", f"{PASSKEYS}:options"), 401, "insufficient_user_authentication")
    await refresh(client, world, auth)
    assert (await ask(auth, "POST", f"{PASSKEYS}:options")).status_code == 200, "its next token says so"
    (known,) = (await ask(auth, "GET", PASSKEYS)).json()["passkeys"]
    assert known["used_at"] is not None


async def test_what_a_browser_is_asked_for(world: World, ask: Ask) -> None:
    auth, key = await world.at_home("key.manage"), Authenticator(SITE)
    options = (await ask(auth, "POST", f"{PASSKEYS}:options")).json()
    assert options["rp"] == {"id": "localhost", "name": "keygw"}
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert [each["alg"] for each in options["pubKeyCredParams"]] == [-7, -8]
    assert auth.held.grant_id not in str(options["user"]), "the handle names nobody"
    await registered(ask, auth, key)
    again = (await ask(auth, "POST", f"{PASSKEYS}:options")).json()
    assert len(again["excludeCredentials"]) == 1
    assert again["challenge"] != options["challenge"]
    asked = (await ask(auth, "POST", f"{PASSKEYS}:challenge")).json()
    assert (asked["rpId"], asked["userVerification"]) == ("localhost", "required")
    assert asked["allowCredentials"] == again["excludeCredentials"]


NOT_TAKEN: dict[str, dict[str, Any]] = {
    "another origin": {"origin": "http://localhost:9999"},
    "a page of another host": {"origin": "https://evil.example"},
    "an origin that begins like ours": {"origin": f"{SITE}.evil.example"},
    "another site's": {"rp_id": "evil.example"},
    "the other ceremony": {"type": "webauthn.nothing"},
    "a page inside another": {"cross_origin": True},
    "a page that says who is above it": {"more": {"topOrigin": SITE}},
    "an origin that is no text": {"origin": 7},
}


@pytest.mark.parametrize("what", [*NOT_TAKEN, "nobody verified", "nobody there", "no key"])
async def test_registrations_that_are_not_taken(world: World, ask: Ask, what: str) -> None:
    """Section 7.1: each of its must-nots."""
    flags = {"nobody verified": PRESENT | ATTESTED, "nobody there": VERIFIED | ATTESTED, "no key": USUAL}
    bent = NOT_TAKEN.get(what) or {"flags": flags[what]}
    auth = await world.at_home("key.manage")
    refused(await registered(ask, auth, Authenticator(SITE), **bent), 403, "passkey_refused")
    assert (await ask(auth, "GET", PASSKEYS)).json() == {"passkeys": []}


@pytest.mark.parametrize(
    "cose",
    [
        {1: 3, 3: -257, -1: b"n" * 256, -2: b"\x01\x00\x01"},
        {1: 2, 3: -35, -1: 2, -2: b"x" * 48, -3: b"y" * 48},
        {1: 2, 3: -7, -1: 2, -2: b"x" * 32, -3: b"y" * 32},
        {1: 2, 3: -7, -1: 1, -2: b"x" * 33, -3: b"y" * 32},
        {1: 2, 3: -7, -1: 1, -2: b"x" * 32, -3: True},
        {1: 2, 3: -7, -1: 1, -2: b"x" * 32, -3: b"y" * 32, -4: b"d" * 32},
        {1: 1, 3: -8, -1: 7, -2: b"x" * 57},
        {},
        [],
        {3: -7},
    ],
)
async def test_keys_of_another_kind_are_not_taken(world: World, ask: Ask, cose: Any) -> None:
    auth = await world.at_home("key.manage")
    refused(await registered(ask, auth, Authenticator(SITE), cose=cose), 403, "passkey_refused")


@pytest.mark.parametrize("what", [*NOT_TAKEN, "nobody verified", "nobody there", "another key's", "unknown"])
async def test_assertions_that_are_not_taken(world: World, ask: Ask, what: str) -> None:
    """Section 7.2: each of its must-nots."""
    auth, key = await world.at_home("key.manage"), Authenticator(SITE)
    await registered(ask, auth, key)
    other: dict[str, dict[str, Any]] = {
        "nobody verified": {"flags": PRESENT},
        "nobody there": {"flags": VERIFIED},
        "another key's": {"signed_by": Authenticator(SITE)},
        "unknown": {"id": b"x" * 32},
    }
    refused(await seen(ask, auth, key, **(NOT_TAKEN.get(what) or other[what])), 403, "passkey_refused")
    assert (await ask(auth, "GET", PASSKEYS)).json()["passkeys"][0]["used_at"] is None
    assert (await seen(ask, auth, key)).status_code == 200, "nothing else was wrong"


async def test_a_challenge_is_good_once_for_one_purpose_and_caller_and_a_while(world: World, ask: Ask) -> None:
    auth, key = await world.at_home("key.manage"), Authenticator(SITE)
    other = await world.at_home("key.manage")
    options = (await ask(auth, "POST", f"{PASSKEYS}:options")).json()
    refused(await ask(other, "POST", PASSKEYS, key.make(options)), 409, "challenge_unknown")
    made = key.make(options)
    assert (await ask(auth, "POST", PASSKEYS, made)).status_code == 201
    refused(await ask(auth, "POST", PASSKEYS, made), 409, "challenge_unknown")
    refused(await ask(auth, "POST", PASSKEYS, Authenticator(SITE).make(options)), 409, "challenge_unknown")

    asked = (await ask(auth, "POST", f"{PASSKEYS}:challenge")).json()
    refused(await ask(auth, "POST", PASSKEYS, Authenticator(SITE).make(asked)), 409, "challenge_unknown")
    signed = key.sign(asked)
    assert (await ask(auth, "POST", f"{PASSKEYS}:verify", signed)).status_code == 200
    refused(await ask(auth, "POST", f"{PASSKEYS}:verify", signed), 409, "challenge_unknown")
    own = {"challenge": "A" * 54}
    refused(await ask(auth, "POST", f"{PASSKEYS}:verify", key.sign(own)), 409, "challenge_unknown")

    late = (await ask(auth, "POST", f"{PASSKEYS}:challenge")).json()
    world.clock.now += SECONDS
    auth.nonce = world.bridge.oauth.proofs.nonce
    refused(await ask(auth, "POST", f"{PASSKEYS}:verify", key.sign(late)), 409, "challenge_unknown")


async def test_a_counter_that_does_not_go_on_is_a_copy(world: World, ask: Ask) -> None:
    auth, key = await world.at_home("key.manage"), Authenticator(SITE, counts=True)
    await registered(ask, auth, key)
    assert (await seen(ask, auth, key)).status_code == 200
    assert (await seen(ask, auth, key)).status_code == 200
    refused(await seen(ask, auth, key, counter=2), 403, "passkey_refused")
    refused(await seen(ask, auth, key, counter=0), 403, "passkey_refused")
    assert (await seen(ask, auth, key, counter=9)).status_code == 200


async def test_a_passkey_is_its_persons_alone(world: World, ask: Ask) -> None:
    mine, others = await world.at_home("key.manage"), await world.at_home("key.manage")
    key, theirs = Authenticator(SITE), Authenticator(SITE)
    passkey = (await registered(ask, mine, key)).json()["id"]
    await registered(ask, others, theirs)
    refused(await seen(ask, others, key), 403, "passkey_refused")
    assert (await ask(mine, "GET", f"{PASSKEYS}/{passkey}")).status_code == 200
    refused(await ask(others, "GET", f"{PASSKEYS}/{passkey}"), 404, "unknown_passkey")
    refused(await ask(others, "DELETE", f"{PASSKEYS}/{passkey}"), 404, "unknown_passkey")
    refused(await registered(ask, others, key), 409, "passkey_exists")


async def test_a_removed_one_is_good_for_nothing(world: World, ask: Ask) -> None:
    auth, key = await world.at_home("key.manage"), Authenticator(SITE)
    passkey = (await registered(ask, auth, key)).json()["id"]
    options = (await ask(auth, "POST", f"{PASSKEYS}:challenge")).json()
    assert (await ask(auth, "DELETE", f"{PASSKEYS}/{passkey}")).status_code == 204
    refused(await ask(auth, "POST", f"{PASSKEYS}:verify", key.sign(options)), 403, "passkey_refused")
    refused(await ask(auth, "POST", f"{PASSKEYS}:challenge"), 403, "no_passkey")
    refused(await ask(auth, "DELETE", f"{PASSKEYS}/{passkey}"), 404, "unknown_passkey")


async def test_who_has_none(client: httpx.AsyncClient, world: World, ask: Ask, operator: dict[str, str]) -> None:
    _, token, _ = await world.owner()
    app = {"Authorization": f"Bearer {token}"}
    for headers in (app, operator):
        refused(await client.post(f"{PASSKEYS}:options", headers=headers), 403, "not_a_grant")
        refused(await client.post(f"{PASSKEYS}:challenge", headers=headers), 403, "no_passkey")
    narrow = await world.at_home("key.read")
    refused(await ask(narrow, "POST", f"{PASSKEYS}:options"), 403, "insufficient_scope")


async def test_a_gateway_without_a_name_says_what_to_do(client: httpx.AsyncClient, world: World, ask: Ask) -> None:
    object.__setattr__(world.services, "public_url", "http://127.0.0.1:8765")
    auth = await world.at_home("key.manage")
    answer = await ask(auth, "POST", f"{PASSKEYS}:options")
    refused(answer, 409, "passkeys_unavailable")
    assert "public_url" in answer.json()["detail"]


async def test_there_is_an_end_to_them(world: World, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passkeys, "MOST", 2)
    auth = await world.at_home("key.manage")
    for _ in range(2):
        assert (await registered(ask, auth, Authenticator(SITE))).status_code == 201
    refused(await registered(ask, auth, Authenticator(SITE)), 409, "too_many_passkeys")


async def test_a_synced_one_is_told_as_such(world: World, ask: Ask) -> None:
    auth = await world.at_home("key.manage")
    made = await registered(ask, auth, Authenticator(SITE), flags=USUAL | ATTESTED | ELIGIBLE)
    assert made.json()["synced"] is True


async def test_they_are_told_and_erased_with_their_person(
    client: httpx.AsyncClient, world: World, ask: Ask, operator: dict[str, str]
) -> None:
    auth = await world.at_home("key.manage")
    made = (await registered(ask, auth, Authenticator(SITE))).json()
    app = await world.store.bridge.app(auth.held.grant_id)
    assert app is not None
    path = f"/v1/people/{app.person_id}"
    kept = (await client.get(f"{path}:export", headers=operator)).json()["kept"]["passkeys"]
    assert [(each["id"], each["name"]) for each in kept] == [(made["id"], "My phone")]
    assert (await client.post(f"{path}:erase", headers=operator)).status_code == 200
    assert await world.store.bridge.passkey(made["id"]) is None


async def test_the_trail_tells_of_them(world: World, ask: Ask) -> None:
    auth = await world.at_home("key.manage")
    made = (await registered(ask, auth, Authenticator(SITE))).json()
    await ask(auth, "DELETE", f"{PASSKEYS}/{made['id']}")
    told = await world.store.database.fetch("SELECT action, actor FROM audit WHERE action LIKE 'passkey.%'", ())
    actor = f"app:{auth.held.grant_id}"
    assert [tuple(row) for row in told] == [("passkey.added", actor), ("passkey.removed", actor)]
