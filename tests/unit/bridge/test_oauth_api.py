"""The authorization server over HTTP: every answer in OAuth's words, and no token of use without its key."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from keygw.bridge.oauth import grants
from keygw.bridge.oauth.grants import ACCESS_SECONDS, IDLE_SECONDS, STEP_UP_SECONDS
from keygw.bridge.oauth.proofs import SLOT_SECONDS
from keygw.client.bound import BoundAuth
from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.model.entitlement import PROFILES
from keygw.token.access import AccessClaims, decode_access
from keygw.token.trust import TrustedIssuers

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

REGISTER, TOKEN = "/oauth2/register", "/oauth2/token"
PAIRING = "urn:keygw:params:oauth:grant-type:pairing-code"
KEY = LocalSigner.from_secret(11)


def base(world: World) -> str:
    return world.services.public_url


def bound(auth: BoundAuth, method: str, path: str, **changes: Any) -> dict[str, str]:
    """The headers of one request by that grant."""
    token = changes.get("token", auth.held.access_token)
    return {"Authorization": f"DPoP {token}", "DPoP": auth.proof(method, auth.url + path.partition("?")[0], token)}


async def ask(client: httpx.AsyncClient, auth: BoundAuth, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {**bound(auth, method, path), **more.pop("headers", {})}
    return await client.request(method, path, headers=headers, **more)


def refusal(response: httpx.Response, status: int = 400) -> str:
    assert response.status_code == status, response.text
    said = response.json()
    assert said.keys() == {"error", "error_description"}
    return str(said["error"])


async def refresh(client: httpx.AsyncClient, auth: BoundAuth, **form: str) -> httpx.Response:
    sent = {"grant_type": "refresh_token", "client_id": auth.held.client_id, "refresh_token": auth.held.refresh_token}
    return await client.post(TOKEN, data=sent | form, headers={"DPoP": auth.proof("POST", auth.url + TOKEN)})


# -- registration ----------------------------------------------------------------------------------------------------


async def test_a_client_registers_itself_and_hears_the_first_nonce(client: httpx.AsyncClient, world: World) -> None:
    wish = {
        "client_name": "My car app",
        "scope": "vehicle.read command.unlock",
        "redirect_uris": ["https://app.example/back"],
        "logo_uri": "https://app.example/logo.png",
    }
    response = await client.post(REGISTER, json=wish)
    assert response.status_code == 201
    made = response.json()
    assert made["client_id"].startswith("cli_")
    assert (made["token_endpoint_auth_method"], made["dpop_bound_access_tokens"]) == ("none", True)
    assert made["scope"] == "command.unlock vehicle.read"
    assert "client_secret" not in made
    assert response.headers["DPoP-Nonce"] == world.bridge.oauth.proofs.nonce


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_name": None}, "invalid_client_metadata"),
        ({"client_name": ""}, "invalid_client_metadata"),
        ({"client_name": "a\nb"}, "invalid_client_metadata"),
        ({"client_name": 7}, "invalid_client_metadata"),
        ({"scope": "vehicle.fly"}, "invalid_client_metadata"),
        ({"scope": "operator.manage"}, "invalid_client_metadata"),
        ({"scope": "vehicle.manage"}, "invalid_client_metadata"),
        ({"scope": ""}, "invalid_client_metadata"),
        ({"scope": ["vehicle.read"]}, "invalid_client_metadata"),
    ],
)
async def test_a_registration_that_is_not_as_described(
    client: httpx.AsyncClient, changes: dict[str, Any], error: str
) -> None:
    assert refusal(await client.post(REGISTER, json={"client_name": "x", "scope": "key.read"} | changes)) == error


async def test_nobody_fills_the_table_with_clients(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keygw.bridge.oauth.clients.MOST_UNUSED", 3)
    for _ in range(3):
        assert (await client.post(REGISTER, json={"client_name": "x"})).status_code == 201
    response = await client.post(REGISTER, json={"client_name": "x"})
    assert (response.status_code, response.json()["code"]) == (429, "too_many_clients")
    assert int(response.headers["Retry-After"]) > 0


# -- the token endpoint ----------------------------------------------------------------------------------------------


async def test_what_is_asked_of_the_token_endpoint_in_a_wrong_way(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read")
    good = {"grant_type": PAIRING, "client_id": auth.held.client_id, "pairing_code": "12345678"}

    async def sent(data: dict[str, str] | bytes, **headers: str) -> httpx.Response:
        proof = {"DPoP": auth.proof("POST", auth.url + TOKEN)}
        if isinstance(data, bytes):
            return await client.post(TOKEN, content=data, headers=proof | headers)
        return await client.post(TOKEN, data=data, headers=proof | headers)

    assert refusal(await client.post(TOKEN, json=good)) == "invalid_request"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert refusal(await sent(b"grant_type=x&grant_type=y", **form)) == "invalid_request"
    assert refusal(await sent("grant_type=é".encode(), **form)) == "invalid_request"
    assert refusal(await sent(b"&".join(b"a%d=1" % n for n in range(40)), **form)) == "invalid_request"
    assert refusal(await sent(b"", **form)) == "invalid_request"
    assert refusal(await sent({**good, "grant_type": "password"})) == "unsupported_grant_type"
    assert refusal(await sent({**good, "grant_type": "client_credentials"})) == "unsupported_grant_type"
    for name in ("", "x", "cli_aaaaaaaaaaaaaaaa", "app_aaaaaaaaaaaaaaaa", "cli_" + "a" * 500):
        assert refusal(await sent({**good, "client_id": name}), 401) == "invalid_client"
    for code in ("", "1234567", "123456789", "abcdefgh", "1234567\x00"):
        assert refusal(await sent({**good, "pairing_code": code})) == "invalid_request", code
    assert refusal(await sent({**good, "scope": "command.unlock"})) == "invalid_scope", "not registered with it"
    assert refusal(await sent({**good, "grant_type": "refresh_token"})) == "invalid_request"


async def test_a_code_that_no_car_shows(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read")
    form = {"grant_type": PAIRING, "client_id": auth.held.client_id, "pairing_code": "12345678"}
    response = await client.post(TOKEN, data=form, headers={"DPoP": auth.proof("POST", auth.url + TOKEN)})
    assert refusal(response) == "invalid_grant"
    assert "out_of_range" in response.json()["error_description"]
    assert "12345678" not in response.text


async def test_a_proof_needs_a_nonce_of_ours(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read")
    for nonce in (None, "x", encode_base64url(bytes(20)), auth.nonce and auth.nonce[:-2]):
        auth.nonce = nonce
        response = await refresh(client, auth)
        assert refusal(response) == "use_dpop_nonce", nonce
        answer = await ask(client, auth, "GET", "/v1/keys")
        assert (answer.status_code, answer.json()["code"]) == (401, "use_dpop_nonce")
        assert answer.headers["WWW-Authenticate"].startswith('DPoP realm="keygw", error="use_dpop_nonce"')
        assert answer.headers["DPoP-Nonce"] == response.headers["DPoP-Nonce"] == world.bridge.oauth.proofs.nonce
    auth.nonce = world.bridge.oauth.proofs.nonce
    assert (await ask(client, auth, "GET", "/v1/keys")).status_code == 200


async def test_a_nonce_grows_old_and_the_newer_one_is_told_in_time(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read")
    assert "DPoP-Nonce" not in (await ask(client, auth, "GET", "/v1/keys")).headers
    world.clock.now += SLOT_SECONDS
    answer = await ask(client, auth, "GET", "/v1/keys")
    assert (answer.status_code, answer.headers["DPoP-Nonce"]) == (200, world.bridge.oauth.proofs.nonce)
    world.clock.now += SLOT_SECONDS
    assert refusal(await refresh(client, auth)) == "use_dpop_nonce"


async def test_a_proof_counts_once(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read")
    headers = bound(auth, "GET", "/v1/keys")
    answers = await asyncio.gather(*(client.get("/v1/keys", headers=headers) for _ in range(5)))
    assert sorted(each.status_code for each in answers) == [200, 401, 401, 401, 401]
    assert {each.json()["code"] for each in answers if each.status_code == 401} == {"invalid_dpop_proof"}
    world.clock.now += SLOT_SECONDS  # remembered for as long as its nonce counts
    assert (await client.get("/v1/keys", headers=headers)).status_code == 401


async def test_a_proof_is_for_one_request(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read", "vehicle.read")
    other = await world.granted("key.read")
    for headers in (
        bound(auth, "POST", "/v1/keys"),
        bound(auth, "GET", "/v1/vehicles"),
        {**bound(auth, "GET", "/v1/keys"), "DPoP": ""},
        {"Authorization": f"DPoP {auth.held.access_token}"},
        {"Authorization": f"DPoP {auth.held.access_token}", "DPoP": auth.proof("GET", auth.url + "/v1/keys")},
        {**bound(auth, "GET", "/v1/keys"), "Authorization": f"DPoP {other.held.access_token}"},
        bound(auth, "GET", "/v1/keys", token=other.held.access_token),
    ):
        answer = await client.get("/v1/keys", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_dpop_proof"), headers
    two = [*bound(auth, "GET", "/v1/keys").items(), ("DPoP", auth.proof("GET", auth.url + "/v1/keys"))]
    assert (await client.get("/v1/keys", headers=two)).json()["code"] == "invalid_dpop_proof"
    assert (await ask(client, auth, "GET", "/v1/keys")).status_code == 200


async def test_a_stolen_token_is_of_no_use(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read")
    thief = BoundAuth(auth.url, KEY, auth.held, clock=world.clock)
    thief.nonce = auth.nonce
    assert (await ask(client, thief, "GET", "/v1/keys")).json()["code"] == "invalid_dpop_proof"
    assert refusal(await refresh(client, thief)) == "invalid_grant"
    plain = await client.get("/v1/keys", headers={"Authorization": f"Bearer {auth.held.access_token}"})
    assert (plain.status_code, plain.json()["code"]) == (401, "token_malformed")
    assert plain.headers["WWW-Authenticate"].startswith("DPoP ")
    assert (await refresh(client, auth)).status_code == 200, "and the thief has ended nothing"


async def test_an_access_token_ends_by_itself(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read")
    world.clock.now += ACCESS_SECONDS
    auth.nonce = world.bridge.oauth.proofs.nonce
    assert (await ask(client, auth, "GET", "/v1/keys")).json()["code"] == "token_expired"


# -- refresh ---------------------------------------------------------------------------------------------------------


async def test_a_token_that_was_opened_before_counts_no_longer_than_any(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its signature is checked once; what else may end it, each time."""
    auth = await world.granted("key.read")
    opened: list[str] = []

    def counted(text: str, *args: Any, **more: Any) -> AccessClaims:
        opened.append(text)
        return decode_access(text, *args, **more)

    monkeypatch.setattr(grants, "decode_access", counted)
    for _ in range(3):
        assert (await ask(client, auth, "GET", "/v1/keys")).status_code == 200
    assert len(opened) == 1
    other = await world.granted("key.read")
    crossed = bound(auth, "GET", "/v1/keys", token=other.held.access_token)
    assert (await client.get("/v1/keys", headers=crossed)).json()["code"] == "invalid_dpop_proof"
    keyring: Any = world.services.issuer
    current, trusted, records = keyring._now
    monkeypatch.setattr(keyring, "_now", (current, TrustedIssuers(()), records))
    assert (await ask(client, auth, "GET", "/v1/keys")).json()["code"] == "token_malformed"
    monkeypatch.setattr(keyring, "_now", (current, trusted, records))
    assert (await ask(client, auth, "GET", "/v1/keys")).status_code == 200
    world.clock.now += ACCESS_SECONDS
    auth.nonce = world.bridge.oauth.proofs.nonce
    assert (await ask(client, auth, "GET", "/v1/keys")).json()["code"] == "token_expired"


async def test_a_refresh_replaces_both_tokens(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read", "vehicle.read")
    first = auth.held
    told = (await refresh(client, auth)).json()
    assert told["refresh_token"] != first.refresh_token
    assert told["access_token"] != first.access_token
    assert (told["token_type"], told["scope"], told["grant_id"]) == ("DPoP", "key.read vehicle.read", first.grant_id)


async def test_a_lost_answer_costs_nobody_the_grant(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read")
    lost = (await refresh(client, auth)).json()
    again = (await refresh(client, auth)).json()
    assert again["refresh_token"] != lost["refresh_token"]
    assert (await refresh(client, auth, refresh_token=again["refresh_token"])).status_code == 200


async def test_an_older_refresh_token_ends_the_grant(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read")
    newest = auth.held.refresh_token
    for _ in range(2):
        newest = (await refresh(client, auth, refresh_token=newest)).json()["refresh_token"]
    assert refusal(await refresh(client, auth)) == "invalid_grant", "replaced twice: somebody else has it"
    assert refusal(await refresh(client, auth, refresh_token=newest)) == "invalid_grant"
    assert (await ask(client, auth, "GET", "/v1/keys")).json()["code"] == "token_revoked"


async def test_refreshes_at_once_leave_one_good_token(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read")
    answers = await asyncio.gather(*(refresh(client, auth) for _ in range(6)))
    good = [each.json()["refresh_token"] for each in answers if each.status_code == 200]
    assert good
    for each in answers:
        if each.status_code != 200:
            assert refusal(each) == "invalid_grant"
    assert (await ask(client, auth, "GET", "/v1/keys")).status_code == 200, "the grant stands"


async def test_a_refresh_may_ask_for_less_and_never_for_more(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("key.read", "vehicle.read")
    told = (await refresh(client, auth, scope="vehicle.read")).json()
    assert told["scope"] == "vehicle.read"
    token = told["access_token"]
    answer = await client.get("/v1/keys", headers=bound(auth, "GET", "/v1/keys", token=token))
    assert (answer.status_code, answer.json()["required_scope"]) == (403, "key.read")
    more = await refresh(client, auth, refresh_token=told["refresh_token"], scope="command.unlock")
    assert refusal(more) == "invalid_scope"
    whole = await refresh(client, auth, refresh_token=told["refresh_token"])
    assert whole.json()["scope"] == "key.read vehicle.read"


async def test_refresh_tokens_of_others_and_of_nobody(client: httpx.AsyncClient, world: World) -> None:
    auth, other = await world.granted("key.read"), await world.granted("key.read")
    for text in (
        other.held.refresh_token,
        "kgr_",
        "x",
        "kgr_app_aaaaaaaaaaaaaaaa." + "A" * 43,
        auth.held.access_token,
        f"kgr_{other.held.grant_id}.{'A' * 43}",
    ):
        assert refusal(await refresh(client, auth, refresh_token=text)) == "invalid_grant"
    assert refusal(await refresh(client, auth, client_id=other.held.client_id)) == "invalid_grant"
    assert (await refresh(client, other)).status_code == 200
    world.clock.now += IDLE_SECONDS + 1
    auth.nonce = world.bridge.oauth.proofs.nonce
    assert refusal(await refresh(client, auth)) == "invalid_grant", "nobody came for ninety days"


# -- what a grant may ------------------------------------------------------------------------------------------------


async def test_a_grants_key_is_no_wider_than_the_grant(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("command.unlock", "key.read")
    keys = (await ask(client, auth, "GET", "/v1/keys")).json()["keys"]
    assert [each["entitlements"] for each in keys] == [["status.read", "door.unlock"]]
    answer = await ask(
        client,
        auth,
        "POST",
        f"/v1/vehicles/{world.vehicle.id}/commands",
        json={"action": "unlock"},
        headers={"Idempotency-Key": "a", "Prefer": "wait=5"},
    )
    assert (answer.status_code, answer.json()["state"]) == (201, "confirmed")


async def test_a_grant_with_key_manage_reaches_the_vehicles_keys_and_makes_no_wider_one(
    client: httpx.AsyncClient, world: World
) -> None:
    home, _, top = await world.owner()
    friend = await world.give_friend_key(home, top, PROFILES["access"])
    auth = await world.granted_by(home, top, "key.manage", "key.read", "key.share", "vehicle.read")
    seen = {each["id"] for each in (await ask(client, auth, "GET", "/v1/keys")).json()["keys"]}
    assert {top.id, friend.id} < seen
    assert (await ask(client, auth, "POST", f"/v1/keys/{friend.id}:suspend")).json()["state"] == "suspended"
    wish = {"vehicle_id": world.vehicle.id, "role": "owner"}
    refused = await ask(client, auth, "POST", "/v1/keys", json=wish)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_vehicle_owner")
    refused = await ask(client, auth, "POST", "/v1/pairings", json={"code": "12345678", "name": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "use_pairing_grant")


async def test_sharing_takes_a_person_who_was_seen_a_moment_ago(client: httpx.AsyncClient, world: World) -> None:
    home, _, top = await world.owner()
    auth = await world.granted_by(home, top, "key.manage", "key.read", "key.share")
    wish = {"public_key": encode_base64url(KEY.public_key), "profile": "access", "lifetime_seconds": 3600}
    world.clock.now += STEP_UP_SECONDS
    auth.nonce = world.bridge.oauth.proofs.nonce
    assert (await ask(client, auth, "POST", f"/v1/keys/{top.id}:share", json=wish)).status_code == 201
    world.clock.now += 1
    refused = await ask(client, auth, "POST", f"/v1/keys/{top.id}:share", json=wish)
    assert (refused.status_code, refused.json()["code"]) == (401, "insufficient_user_authentication")
    assert f'max_age="{STEP_UP_SECONDS}"' in refused.headers["WWW-Authenticate"]
    assert (await ask(client, auth, "GET", "/v1/keys")).status_code == 200, "reading takes no such thing"


async def test_starting_the_engine_takes_the_same(client: httpx.AsyncClient, world: World) -> None:
    auth = await world.granted("command.start", "command.lock")
    world.clock.now += STEP_UP_SECONDS + 1
    auth.nonce = world.bridge.oauth.proofs.nonce
    where = f"/v1/vehicles/{world.vehicle.id}/commands"
    for action, status in (("start_engine", 401), ("lock", 202)):
        answer = await ask(client, auth, "POST", where, json={"action": action}, headers={"Idempotency-Key": action})
        assert answer.status_code == status, answer.text


# -- streams ---------------------------------------------------------------------------------------------------------


async def spoken(
    client: httpx.AsyncClient, path: str, protocol: str, first: dict[str, Any]
) -> tuple[str, int | None, str]:
    """The type of the first answer to that first message; or how the stream was ended."""
    url = f"{str(client.base_url).replace('http', 'ws', 1).rstrip('/')}{path}"
    async with connect(url, subprotocols=[Subprotocol(protocol)], proxy=None, close_timeout=2) as socket:
        await socket.send(json.dumps(first))
        try:
            async with asyncio.timeout(5):
                return str(json.loads(await socket.recv())["type"]), None, ""
        except ConnectionClosed:
            return "", socket.close_code, (socket.close_reason or "").partition(":")[0]


async def test_a_stream_takes_the_proof_beside_the_token_in_its_first_message(
    client: httpx.AsyncClient, world: World
) -> None:
    """As a browser does it, which sets no headers there."""
    auth, where = await world.granted("vehicle.read", "key.read"), "/v1/stream"
    hello = {"type": "hello", "version": 1, "token": auth.held.access_token}
    proof = auth.proof("GET", auth.url + where, auth.held.access_token)
    assert (await spoken(client, where, "keygw.v1", {**hello, "proof": proof}))[0] == "welcome"
    for wrong in (
        {"proof": proof},  # once is enough
        {"proof": auth.proof("POST", auth.url + where, auth.held.access_token)},
        {"proof": BoundAuth(auth.url, KEY, clock=world.clock).proof("GET", auth.url + where, auth.held.access_token)},
        {},
    ):
        _, code, word = await spoken(client, where, "keygw.v1", hello | wrong)
        assert (code, word in ("invalid_dpop_proof", "use_dpop_nonce")) == (4401, True), wrong


async def test_the_owners_keys_behind_a_grant_are_no_phones(client: httpx.AsyncClient, world: World) -> None:
    """Its home is hosted here: there is no phone for which a link would be lent."""
    home, _, top = await world.owner()
    auth = await world.granted_by(home, top, "key.manage", "vehicle.read")
    where = f"/v1/vehicles/{world.vehicle.id}/frames"
    proof = auth.proof("GET", auth.url + where, auth.held.access_token)
    first = {"type": "open", "version": 1, "token": auth.held.access_token, "proof": proof}
    assert (await spoken(client, where, "keygw.frames.v1", first))[1:] == (4403, "no_phone_key")


# -- the end of a grant ----------------------------------------------------------------------------------------------


async def test_ending_a_grant_ends_its_tokens_streams_and_keys(client: httpx.AsyncClient, world: World) -> None:
    home, _, top = await world.owner()
    manager = await world.granted_by(home, top, "key.manage", "key.read")
    auth = await world.granted_by(home, top, "key.read", "vehicle.read")
    grant = world.bridge.apps.held
    headers = bound(auth, "GET", "/v1/events")
    async with client.stream("GET", "/v1/events", headers=headers) as stream:
        assert stream.status_code == 200
        listed = (await ask(client, manager, "GET", "/v1/grants")).json()["grants"]
        assert {each["id"] for each in listed} == {manager.held.grant_id, auth.held.grant_id}
        path = f"/v1/grants/{auth.held.grant_id}"
        shown = (await ask(client, manager, "GET", path)).json()
        assert (await ask(client, manager, "DELETE", path)).status_code == 204
        async with asyncio.timeout(5):
            async for _ in stream.aiter_bytes():
                pass
    assert grant is not None
    assert (await ask(client, auth, "GET", "/v1/keys")).json()["code"] == "token_revoked"
    assert refusal(await refresh(client, auth)) == "invalid_grant"
    (key_id,) = shown["key_ids"]
    assert (await world.credentials.key(key_id)).state.value == "revoked" or await _revoking(world, key_id)
    assert (await ask(client, manager, "DELETE", path)).status_code == 204, "again: a success"


async def _revoking(world: World, key_id: str) -> bool:
    return (await world.credentials.standing(key_id)).stage.value in ("revoking", "revoked")


async def test_grants_of_others_are_not_there(client: httpx.AsyncClient, world: World) -> None:
    home, _, top = await world.owner()
    auth = await world.granted_by(home, top, "key.read")
    twin = await world.granted_by(home, top, "key.read")
    stranger_home, _, stranger_top = await world.owner()
    stranger = await world.granted_by(stranger_home, stranger_top, "key.manage", "key.read")
    for by in (twin, stranger):
        for method in ("GET", "DELETE"):
            answer = await ask(client, by, method, f"/v1/grants/{auth.held.grant_id}")
            assert (answer.status_code, answer.json()["code"]) == (404, "unknown_grant")
    listed = (await ask(client, twin, "GET", "/v1/grants")).json()["grants"]
    assert [each["id"] for each in listed] == [twin.held.grant_id], "without key.manage only one's own"
    assert (await ask(client, twin, "DELETE", f"/v1/grants/{twin.held.grant_id}")).status_code == 204


async def test_a_token_is_revoked_with_its_whole_grant(client: httpx.AsyncClient, world: World) -> None:
    for which in ("refresh_token", "access_token"):
        auth, other = await world.granted("key.read"), await world.granted("key.read")
        token = getattr(auth.held, which)
        foreign = await client.post("/oauth2/revoke", data={"token": token, "client_id": other.held.client_id})
        assert foreign.status_code == 200
        assert (await ask(client, auth, "GET", "/v1/keys")).status_code == 200, "not by another client"
        sent = await client.post("/oauth2/revoke", data={"token": token, "client_id": auth.held.client_id})
        assert sent.status_code == 200
        assert (await ask(client, auth, "GET", "/v1/keys")).json()["code"] == "token_revoked"
        for text in ("x", "kgr_x", "eyJ.x.y"):
            data = {"token": text, "client_id": auth.held.client_id}
            assert (await client.post("/oauth2/revoke", data=data)).status_code == 200, (
                "of what is unknown nothing is said"
            )


# -- the device grant ------------------------------------------------------------------------------------------------

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


async def ask_person(client: httpx.AsyncClient, scope: str = "vehicle.read command.lock") -> tuple[str, dict[str, Any]]:
    made = (await client.post(REGISTER, json={"client_name": "Head unit", "scope": scope})).json()
    told = await client.post("/oauth2/device_authorization", data={"client_id": made["client_id"]})
    assert told.status_code == 200, told.text
    return made["client_id"], told.json()


async def collect(client: httpx.AsyncClient, world: World, client_id: str, device_code: str) -> httpx.Response:
    unit = BoundAuth(base(world), KEY, clock=world.clock)
    unit.nonce = world.bridge.oauth.proofs.nonce
    form = {"grant_type": DEVICE, "client_id": client_id, "device_code": device_code}
    return await client.post(TOKEN, data=form, headers={"DPoP": unit.proof("POST", base(world) + TOKEN)})


async def owners_grant(client: httpx.AsyncClient, world: World) -> BoundAuth:
    """A grant that may manage keys, of a person with an account."""
    home, token, top = await world.owner()
    headers = {"Authorization": f"Bearer {token}"}
    assert (await client.post("/v1/people", json={"name": "Owner"}, headers=headers)).status_code == 201
    bound_home = await world.store.bridge.app(home.id)
    assert bound_home is not None
    return await world.granted_by(bound_home, top, "key.manage", "key.read")


async def test_a_head_unit_is_let_in_by_a_person_elsewhere(client: httpx.AsyncClient, world: World) -> None:
    person = await owners_grant(client, world)
    client_id, told = await ask_person(client)
    assert told["verification_uri"].startswith(base(world))
    assert (await client.get("/device")).status_code == 200
    assert refusal(await collect(client, world, client_id, told["device_code"])) == "authorization_pending"
    assert refusal(await collect(client, world, client_id, told["device_code"])) == "slow_down"

    path = f"/v1/consents/{told['user_code'].lower()}"
    seen = (await ask(client, person, "GET", path)).json()
    assert (seen["client_name"], seen["scopes"], seen["answer"]) == (
        "Head unit",
        ["command.lock", "vehicle.read"],
        "waiting",
    )
    for _ in range(2):
        assert (await ask(client, person, "POST", f"{path}:approve")).json()["answer"] == "approved"
    assert (await ask(client, person, "POST", f"{path}:deny")).json()["code"] == "request_answered"

    tokens = (await collect(client, world, client_id, told["device_code"])).json()
    assert tokens["scope"] == "command.lock vehicle.read"
    unit = BoundAuth(base(world), KEY, clock=world.clock)
    unit.nonce = world.bridge.oauth.proofs.nonce
    where, held = "/v1/vehicles", {"Authorization": f"DPoP {tokens['access_token']}"}
    proof = {"DPoP": unit.proof("GET", base(world) + where, tokens["access_token"])}
    vehicles = (await client.get(where, headers=held | proof)).json()["vehicles"]
    assert [each["id"] for each in vehicles] == [world.vehicle.id]
    grants = (await ask(client, person, "GET", "/v1/grants")).json()["grants"]
    assert {each["kind"] for each in grants} == {"pairing_code", "device_code"}
    unit_keys = next(each["key_ids"] for each in grants if each["kind"] == "device_code")
    entitlements = (await world.credentials.key(unit_keys[0])).entitlements
    assert entitlements.names == ("status.read", "door.lock"), "no wider than what the person saw"
    assert refusal(await collect(client, world, client_id, told["device_code"])) == "invalid_grant", "good once"


async def test_a_person_who_says_no_or_nothing(client: httpx.AsyncClient, world: World) -> None:
    person = await owners_grant(client, world)
    client_id, told = await ask_person(client)
    assert (await ask(client, person, "POST", f"/v1/consents/{told['user_code']}:deny")).json()["answer"] == "denied"
    assert refusal(await collect(client, world, client_id, told["device_code"])) == "access_denied"
    client_id, told = await ask_person(client)
    stranger, _ = await ask_person(client)
    assert refusal(await collect(client, world, stranger, told["device_code"])) == "invalid_grant"
    world.clock.now += told["expires_in"]
    assert refusal(await collect(client, world, client_id, told["device_code"])) == "expired_token"
    for code in (told["user_code"], "BCDF-GHJK", "x", "%00"):
        person.nonce = world.bridge.oauth.proofs.nonce
        answer = await refresh(client, person)
        token = answer.json()["access_token"] if answer.status_code == 200 else person.held.access_token
        path = f"/v1/consents/{code}"
        answer = await client.get(path, headers=bound(person, "GET", path, token=token))
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_request"), code


async def test_only_an_owner_who_is_there_lets_anybody_in(client: httpx.AsyncClient, world: World) -> None:
    person = await owners_grant(client, world)
    _, told = await ask_person(client)
    path = f"/v1/consents/{told['user_code']}"
    reader = await world.granted("key.read")
    assert (await ask(client, reader, "GET", path)).json()["code"] == "insufficient_scope"
    nobody = await world.granted("key.manage")  # of a home without an account: no owner key is known to be its person's
    assert (await ask(client, nobody, "GET", path)).json()["code"] == "not_vehicle_owner"
    world.clock.now += STEP_UP_SECONDS + 1
    person.nonce = world.bridge.oauth.proofs.nonce
    refused = await ask(client, person, "POST", f"{path}:approve")
    assert refused.json()["code"] == "insufficient_user_authentication"


async def test_introspection_is_for_operators(
    client: httpx.AsyncClient, world: World, operator: dict[str, str]
) -> None:
    auth = await world.granted("key.read")
    for which, kind in (("access_token", "DPoP"), ("refresh_token", "refresh_token")):
        token = getattr(auth.held, which)
        told = (await client.post("/oauth2/introspect", data={"token": token}, headers=operator)).json()
        assert told["active"] is True
        assert (told["token_type"], told["scope"], told["client_id"]) == (kind, "key.read", auth.held.client_id)
        assert (await client.post("/oauth2/introspect", data={"token": token})).status_code == 401
    for text in ("x", "eyJ.x.y", "kgr_" + "x" * 64, auth.held.refresh_token[:-1] + "A"):
        told = (await client.post("/oauth2/introspect", data={"token": text}, headers=operator)).json()
        assert told == {"active": False}
