"""The authorization code with PKCE over HTTP: what RFC 6749, 7636, 9207, 9449 and 9700 want, and their must-nots."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from authenticator import Authenticator
from consenting import VERIFIER, authorization, options_of
from keygw.bridge.oauth.codes import SECONDS
from keygw.client.bound import BoundAuth
from keygw.crypto.signer import LocalSigner
from keygw.token.dpop import thumbprint_of

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

SITE = "http://localhost:8765"
BACK = "https://app.example/back?kept=1"
HERE = "/oauth2/authorize"
KEY = LocalSigner.from_secret(31)


@dataclass
class Scene:
    """A person with a passkey and a car, and a client that wants to be let in."""

    world: World
    http: httpx.AsyncClient
    passkey: Authenticator
    client_id: str
    home: BoundAuth

    def query(self, **changes: str | None) -> str:
        return authorization(self.client_id, changes.pop("redirect_uri", BACK) or "", **changes)

    async def page(self, **changes: str | None) -> httpx.Response:
        return await self.http.get(f"{HERE}?{self.query(**changes)}")

    async def sent(self, page: httpx.Response, passkey: Authenticator | None = None, **bent: Any) -> httpx.Response:
        """The page's answer, after the person has said yes."""
        headers = bent.pop("headers", {})
        query = bent.pop("query", page.request.url.query.decode())
        body = {"query": query, **(passkey or self.passkey).sign(options_of(page.text), **bent)}
        return await self.http.post(f"{HERE}/allow", json=body, headers=headers)

    async def code(self, **changes: str | None) -> str:
        answer = await self.sent(await self.page(**changes))
        assert answer.status_code == 200, answer.text
        return told(answer.json()["redirect_to"])["code"]

    async def exchange(self, code: str, *, key: LocalSigner = KEY, **form: str) -> httpx.Response:
        auth = BoundAuth(SITE, key, clock=self.world.clock)
        auth.nonce = self.world.bridge.oauth.proofs.nonce
        sent = {"grant_type": "authorization_code", "client_id": self.client_id, "code": code, "redirect_uri": BACK}
        data = {**sent, "code_verifier": VERIFIER, **form}
        headers = {"DPoP": auth.proof("POST", f"{SITE}/oauth2/token")}
        return await self.http.post("/oauth2/token", data=data, headers=headers)


@pytest.fixture
async def scene(client: httpx.AsyncClient, world: World) -> Scene:
    object.__setattr__(world.services, "public_url", SITE)
    home, passkey = await world.at_home("key.manage"), Authenticator(SITE)

    async def ask(path: str, body: Any = None) -> Any:
        token = home.held.access_token
        headers = {"Authorization": f"DPoP {token}", "DPoP": home.proof("POST", SITE + path, token)}
        return (await client.post(path, json=body, headers=headers)).json()

    await ask("/v1/passkeys", passkey.make(await ask("/v1/passkeys:options")))
    wish = {"client_name": "<b>Radio</b>", "scope": "key.read command.unlock", "redirect_uris": [BACK]}
    made = (await client.post("/oauth2/register", json=wish)).json()
    return Scene(world, client, passkey, made["client_id"], home)


def told(location: str) -> dict[str, str]:
    assert location.startswith("https://app.example/back?kept=1&"), location
    return {name: value for name, (value,) in parse_qs(urlsplit(location).query, strict_parsing=True).items()}


def refused(response: httpx.Response, error: str = "invalid_grant") -> None:
    assert (response.status_code, response.json()["error"]) == (400, error), response.text


async def test_from_a_link_to_an_unlocked_car(scene: Scene) -> None:
    page = await scene.page(scope="command.unlock")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    answer = await scene.sent(page)
    back = told(answer.json()["redirect_to"])
    assert (back["state"], back["iss"]) == ("a state", SITE)
    tokens = (await scene.exchange(back["code"])).json()
    assert (tokens["token_type"], tokens["scope"]) == ("DPoP", "command.unlock")
    auth = BoundAuth(SITE, KEY, clock=scene.world.clock)
    auth.nonce = scene.world.bridge.oauth.proofs.nonce
    path, token = f"/v1/vehicles/{scene.world.vehicle.id}/commands", tokens["access_token"]
    headers = {"Authorization": f"DPoP {token}", "DPoP": auth.proof("POST", SITE + path, token), "Idempotency-Key": "k"}
    assert (await scene.http.post(path, json={"action": "unlock"}, headers=headers)).status_code == 202
    (shown,) = [
        each.grant
        for each in await scene.world.bridge.oauth.grants.list(
            await scene.world.bridge.apps.authenticate("kgw_operator-for-tests")
        )
        if each.grant.app_id == tokens["grant_id"]
    ]
    assert shown.kind == "authorization_code", "its owner sees it, and may end it"


async def test_the_page_is_strict_and_shows_what_others_chose_as_text(scene: Scene) -> None:
    page = await scene.page(scope="command.unlock")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "<b>Radio</b>" not in page.text
    assert "&lt;b&gt;Radio&lt;/b&gt;" in page.text
    assert "https://app.example<" in page.text, "where it leads back to"
    assert "unlock the car" in page.text
    assert "<script>" not in page.text
    assert " style=" not in page.text
    for path in ("/authorize/main.js", "/authorize/style.css", "/shared/base.css"):
        assert (await scene.http.get(path)).status_code == 200, path
    cookie = page.headers["set-cookie"].lower()
    assert all(word in cookie for word in ("httponly", "samesite=strict", "path=/", "max-age=600"))
    assert (await scene.http.get("/authorize/page.template")).status_code == 404


async def test_the_page_speaks_chinese(scene: Scene) -> None:
    page = await scene.http.get(f"{HERE}?{scene.query()}", headers={"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"})
    assert '<html lang="zh-CN">' in page.text
    assert "解锁车辆" in page.text


async def test_over_https_the_cookie_is_of_this_host_alone(scene: Scene) -> None:
    object.__setattr__(scene.world.services, "public_url", "https://keys.example")
    page = await scene.page()
    cookie = page.headers["set-cookie"]
    assert cookie.startswith("__Host-keygw_authorize=")
    assert "secure" in cookie.lower()
    assert "domain" not in cookie.lower()


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "cli_aaaaaaaaaaaaaaaa"},
        {"client_id": ""},
        {"redirect_uri": "https://evil.example/back"},
        {"redirect_uri": "https://app.example/back"},
        {"redirect_uri": BACK + "&more=1"},
        {"redirect_uri": BACK + "/../x"},
        {"redirect_uri": "https://app.example.evil.example/back?kept=1"},
        {"redirect_uri": BACK.upper()},
        {"redirect_uri": ""},
    ],
)
async def test_nobody_is_sent_where_it_is_not_certain(scene: Scene, changes: dict[str, str | None]) -> None:
    """RFC 6749 section 4.1.2.1: it must not redirect."""
    page = await scene.page(**changes)
    assert page.status_code == 400
    assert "location" not in page.headers
    assert "evil" not in page.text
    assert "set-cookie" not in page.headers


async def test_nor_where_it_is_said_twice(scene: Scene) -> None:
    for more in ("redirect_uri=https%3A%2F%2Fevil.example", f"client_id={scene.client_id}"):
        page = await scene.http.get(f"{HERE}?{scene.query()}&{more}")
        assert (page.status_code, "location" in page.headers) == (400, False)


async def test_nor_a_client_that_registered_no_address(scene: Scene) -> None:
    made = (await scene.http.post("/oauth2/register", json={"client_name": "x"})).json()
    assert made["response_types"] == []
    assert (await scene.page(client_id=made["client_id"])).status_code == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "vehicle.fly"}, "invalid_scope"),
        ({"scope": "key.manage"}, "invalid_scope"),
        ({"scope": "operator.manage"}, "invalid_scope"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"request_uri": "https://app.example/r"}, "request_uri_not_supported"),
        ({"dpop_jkt": "x"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"state": "s" * 513}, "invalid_request"),
        ({"state": "a\r\nb"}, "invalid_request"),
    ],
)
async def test_other_faults_are_told_to_the_client(scene: Scene, changes: dict[str, str | None], error: str) -> None:
    page = await scene.page(**changes)
    assert page.status_code == 303
    back = told(page.headers["location"])
    assert (back["error"], back["iss"], "code" in back) == (error, SITE, False)
    assert back.get("state") == (None if "state" in changes else "a state")


async def test_a_parameter_that_stands_twice_is_no_request(scene: Scene) -> None:
    page = await scene.http.get(f"{HERE}?{scene.query()}&scope=key.read&scope=command.unlock")
    assert told(page.headers["location"])["error"] == "invalid_request"


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/back",
        "https://app.example/back#x",
        "https://user@app.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "app:/back",
        "//app.example",
        "https://app.example/a b",
        'https://app.example/"x',
        "https://app.example/\\x",
        "",
        "https://" + "a" * 600,
    ],
)
async def test_addresses_that_may_not_be_registered(client: httpx.AsyncClient, uri: str) -> None:
    response = await client.post("/oauth2/register", json={"client_name": "x", "redirect_uris": [uri]})
    assert response.status_code == 400
    assert response.json()["error"] in ("invalid_redirect_uri", "invalid_client_metadata")


async def test_addresses_that_may(client: httpx.AsyncClient) -> None:
    uris = ["https://app.example", "http://127.0.0.1:7777/cb", "http://[::1]/cb", "example.app.cars:/back?x=1"]
    made = await client.post("/oauth2/register", json={"client_name": "x", "redirect_uris": uris})
    assert made.json()["redirect_uris"] == uris
    assert made.json()["response_types"] == ["code"]


# -- the person ------------------------------------------------------------------------------------------------------


async def test_a_consent_is_for_this_request_and_this_browser(scene: Scene) -> None:
    page = await scene.page(scope="key.read")
    wider = await scene.sent(page, query=scene.query(scope="command.unlock"))
    assert (wider.status_code, wider.json()["code"]) == (409, "challenge_unknown")
    cookie = page.headers["set-cookie"].partition(";")[0]
    scene.http.cookies.clear()
    assert (await scene.sent(page)).json()["code"] == "foreign_page"
    other = {"Cookie": f"keygw_authorize={'A' * 43}"}
    assert (await scene.sent(page, headers=other)).json()["code"] == "challenge_unknown"
    assert (await scene.sent(page, headers={"Cookie": cookie})).status_code == 200, "nothing else was wrong"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_no_other_site_says_yes(scene: Scene, headers: dict[str, str]) -> None:
    answer = await scene.sent(await scene.page(), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign_page")


async def test_an_assertion_is_good_once(scene: Scene) -> None:
    page = await scene.page()
    body = {"query": scene.query(), **scene.passkey.sign(options_of(page.text))}
    assert (await scene.http.post(f"{HERE}/allow", json=body)).status_code == 200
    assert (await scene.http.post(f"{HERE}/allow", json=body)).json()["code"] == "challenge_unknown"


async def test_who_is_not_known_here_lets_nobody_in(scene: Scene) -> None:
    answer = await scene.sent(await scene.page(), Authenticator(SITE))
    assert (answer.status_code, answer.json()["code"]) == (403, "passkey_refused")


async def test_a_no_is_told(scene: Scene) -> None:
    page = await scene.page()
    body = {"query": scene.query(), "challenge": options_of(page.text)["challenge"]}
    back = told((await scene.http.post(f"{HERE}/deny", json=body)).json()["redirect_to"])
    assert (back["error"], back["state"], back["iss"]) == ("access_denied", "a state", SITE)


async def test_who_has_no_car_any_more_lets_nobody_in(scene: Scene) -> None:
    app = await scene.world.store.bridge.app(scene.home.held.grant_id)
    assert app is not None
    assert app.person_id is not None
    for key in await scene.world.store.bridge.keys_of_person(app.person_id):
        await scene.world.credentials.revoke(key)
    answer = await scene.sent(await scene.page())
    assert told(answer.json()["redirect_to"])["error"] == "access_denied"


# -- the code --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": "v" * 42}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"redirect_uri": "https://app.example/back"}, "invalid_grant"),
        ({"redirect_uri": ""}, "invalid_request"),
        ({"code": "kgc_unknown"}, "invalid_grant"),
        ({"code": ""}, "invalid_request"),
    ],
)
async def test_what_a_code_is_bound_to(scene: Scene, form: dict[str, str], error: str) -> None:
    sent = dict(form)
    code = sent.pop("code") if "code" in sent else await scene.code()
    refused(await scene.exchange(code, key=KEY, **sent), error)


async def test_a_code_is_its_clients_alone(scene: Scene) -> None:
    wish = {"client_name": "Thief", "redirect_uris": [BACK]}
    thief = (await scene.http.post("/oauth2/register", json=wish)).json()["client_id"]
    code = await scene.code()
    refused(await scene.exchange(code, client_id=thief))
    assert (await scene.exchange(code)).status_code == 200, "and a thief does not spend it"


async def test_a_code_is_over_after_a_minute(scene: Scene) -> None:
    code = await scene.code()
    scene.world.clock.now += SECONDS
    refused(await scene.exchange(code))


async def test_a_code_that_comes_twice_ends_what_came_of_it(scene: Scene) -> None:
    """RFC 6749 section 4.1.2."""
    code = await scene.code()
    tokens = (await scene.exchange(code)).json()
    refused(await scene.exchange(code))
    app = await scene.world.store.bridge.app(tokens["grant_id"])
    assert app is not None
    assert app.revoked


async def test_of_two_that_come_at_once_none_is_left_with_tokens_of_use(scene: Scene) -> None:
    code = await scene.code()
    answers = await asyncio.gather(*(scene.exchange(code) for _ in range(2)))
    for answer in answers:
        if answer.status_code == 200:
            app = await scene.world.store.bridge.app(answer.json()["grant_id"])
            assert app is not None
            assert app.revoked


async def test_a_code_for_a_key_is_of_no_use_to_another(scene: Scene) -> None:
    """RFC 9449 section 10."""
    code = await scene.code(dpop_jkt=thumbprint_of(KEY.public_key))
    refused(await scene.exchange(code, key=LocalSigner.from_secret(32)))
    code = await scene.code(dpop_jkt=thumbprint_of(KEY.public_key))
    assert (await scene.exchange(code)).status_code == 200


async def test_what_is_announced(client: httpx.AsyncClient) -> None:
    told = (await client.get("/.well-known/oauth-authorization-server")).json()
    assert told["authorization_endpoint"].endswith("/oauth2/authorize")
    assert (told["response_types_supported"], told["code_challenge_methods_supported"]) == (["code"], ["S256"])
    assert told["authorization_response_iss_parameter_supported"] is True
    assert "authorization_code" in told["grant_types_supported"]
