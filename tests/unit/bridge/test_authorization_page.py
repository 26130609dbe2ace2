"""The consent page in real Chromium, with a virtual authenticator that is not ours."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from browsing import chromium, missing, shoot, usable_by_all, visiting
from consenting import VERIFIER, authorization
from keygw.client.bound import BoundAuth
from keygw.crypto.signer import LocalSigner

if TYPE_CHECKING:
    from playwright.async_api import Page
    from tests.unit.bridge.conftest import World

REGISTER = """async (options) => {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const made = (await navigator.credentials.create({ publicKey })).toJSON();
  return { name: "Chromium", client_data: made.response.clientDataJSON,
           attestation_object: made.response.attestationObject };
}"""


@asynccontextmanager
async def authenticator(page: Page, **options: Any) -> AsyncIterator[None]:
    """Built into Chromium: a platform authenticator that keeps passkeys and verifies its person."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    usual = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    verified = {"isUserVerified": True, "automaticPresenceSimulation": True}
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": usual | verified | options})
    yield
    await devtools.detach()


@pytest.mark.parametrize(
    ("language", "yes"), [("en", "Log in with a passkey and allow"), ("zh-CN", "使用通行密钥登录并允许")]
)
async def test_a_person_logs_in_and_lets_an_app_in(
    client: httpx.AsyncClient, world: World, require: Callable[[str, bool, str], None], language: str, yes: str
) -> None:
    lacking = missing()
    require("chromium", not lacking, lacking)
    site = f"http://localhost:{client.base_url.port}"
    object.__setattr__(world.services, "public_url", site)
    home, back = await world.at_home("key.manage"), f"{site}/phone/"

    async def ask(path: str, body: Any = None) -> Any:
        token = home.held.access_token
        headers = {"Authorization": f"DPoP {token}", "DPoP": home.proof("POST", site + path, token)}
        answer = await client.post(path, json=body, headers=headers)
        assert answer.is_success, answer.text
        return answer.json()

    wish = {"client_name": "Garage radio", "scope": "key.read command.unlock", "redirect_uris": [back]}
    app = (await client.post("/oauth2/register", json=wish)).json()["client_id"]
    link = f"/oauth2/authorize?{authorization(app, back)}"
    async with chromium() as browser, visiting(browser, site, language=language) as (page, watch):
        watch.allow("404", "pubKeyCredParams")  # no page where the app comes back; Chromium would like RSA
        await page.goto(link)
        await usable_by_all(page)
        await shoot(page, f"consent-{language}")
        async with authenticator(page):
            await ask("/v1/passkeys", await page.evaluate(REGISTER, await ask("/v1/passkeys:options")))
            await page.get_by_role("button", name=yes).click()
            await page.wait_for_url(lambda url: url.startswith(back))
        told = {name: value for name, (value,) in parse_qs(urlsplit(page.url).query).items()}
        assert (told["state"], told["iss"]) == ("a state", site)
        assert await page.evaluate("document.cookie") == "", "no script reads it"

        auth = BoundAuth(site, LocalSigner.from_secret(41), clock=world.clock)
        auth.nonce = world.bridge.oauth.proofs.nonce
        form = {"grant_type": "authorization_code", "client_id": app, "code": told["code"], "redirect_uri": back}
        proof = {"DPoP": auth.proof("POST", f"{site}/oauth2/token")}
        tokens = await client.post("/oauth2/token", data={**form, "code_verifier": VERIFIER}, headers=proof)
        assert tokens.json()["scope"] == "command.unlock key.read"


async def test_a_person_who_is_not_verified_lets_nobody_in_and_a_no_is_told(
    client: httpx.AsyncClient, world: World, require: Callable[[str, bool, str], None]
) -> None:
    lacking = missing()
    require("chromium", not lacking, lacking)
    site = f"http://localhost:{client.base_url.port}"
    object.__setattr__(world.services, "public_url", site)
    back = f"{site}/phone/"
    wish = {"client_name": "Garage radio", "scope": "key.read", "redirect_uris": [back]}
    app = (await client.post("/oauth2/register", json=wish)).json()["client_id"]
    async with chromium() as browser, visiting(browser, site) as (page, watch):
        watch.allow("404")
        await page.goto(f"/oauth2/authorize?{authorization(app, back)}")
        async with authenticator(page, isUserVerified=False):
            await page.get_by_role("button", name="Log in with a passkey and allow").click()
            await page.get_by_role("status").filter(has_text="nothing was allowed").wait_for()
        await usable_by_all(page)
        await page.get_by_role("button", name="Do not allow").click()
        await page.wait_for_url(lambda url: url.startswith(back))
        told = {name: value for name, (value,) in parse_qs(urlsplit(page.url).query).items()}
        assert (told["error"], "code" in told) == ("access_denied", False)
