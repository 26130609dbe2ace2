"""The issuer's keys over real HTTP: the public set, and what the operator alone may do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.crypto.signer import compress
from keygw.model.base64url import decode_base64url
from keygw.token.jwt import decode_jwt
from keygw.token.trust import IssuerKey, TrustedIssuers

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
PATH = "/v1/admin/issuer-keys"


async def key_set(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = await client.get("/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/jwk-set+json"
    return {each["kid"]: each for each in answer.json()["keys"]}


async def states(client: httpx.AsyncClient, operator: dict[str, str]) -> list[str]:
    return [each["state"] for each in (await client.get(PATH, headers=operator)).json()["keys"]]


async def test_a_rotation_from_end_to_end(client: httpx.AsyncClient, world: World, operator: dict[str, str]) -> None:
    _, _, key = await world.owner()
    first = (await client.get("/.well-known/keygw")).json()["issuer"]
    assert list(await key_set(client)) == [first["kid"]]
    made = await client.post(PATH, json={}, headers=operator)
    assert made.status_code == 201
    new = made.json()
    assert (new["state"], new["signer"], new["issuer"]) == ("next", "file:issuer-2.pem", first["issuer"])
    assert new["activated_at"] is None
    assert list(await key_set(client)) == [first["kid"], new["kid"]]
    assert (await client.get("/.well-known/keygw")).json()["issuer"]["kid"] == first["kid"]

    active = await client.post(f"{PATH}/{new['kid']}/activate", json={"overlap_seconds": 60}, headers=operator)
    assert (active.status_code, active.json()["state"]) == (200, "current")
    assert await states(client, operator) == ["retiring", "current"]
    assert list(await key_set(client)) == [first["kid"], new["kid"]]
    shown = (await client.get("/.well-known/keygw")).json()["issuer"]
    assert shown == {"issuer": first["issuer"], "kid": new["kid"], "public_key": new["public_key"]}
    assert (await client.get(f"{PATH}/{first['kid']}", headers=operator)).json()["retire_at"] is not None

    gone = await client.post(f"{PATH}/{first['kid']}/retire", headers=operator)
    assert (gone.status_code, gone.json()["state"]) == (200, "retired")
    found = await key_set(client)
    assert list(found) == [new["kid"]]
    jwk = found[new["kid"]]
    assert {name: jwk[name] for name in ("kty", "crv", "use", "alg")} == {
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
    }  # fmt: skip
    point = compress(decode_base64url(jwk["x"]), decode_base64url(jwk["y"]))
    trusted = TrustedIssuers([IssuerKey(first["issuer"], decode_base64url(jwk["kid"]), point)])
    token = await world.credentials.key_token(key.id)
    assert decode_jwt(token.jwt, trusted).key_id == key.id


async def test_the_set_is_kept_by_those_who_have_it(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    url = "/.well-known/jwks.json"
    first = await client.get(url)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "public, max-age=300"
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await client.get(url, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == "public, max-age=300"
    assert (await client.get(url, headers={"If-None-Match": '"other"'})).status_code == 200
    await client.post(PATH, json={}, headers=operator)
    later = await client.get(url, headers={"If-None-Match": tag})
    assert later.status_code == 200
    assert later.headers["etag"] != tag


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/AAAAAAAAAAA", None),
        ("POST", "", {}),
        ("POST", "/AAAAAAAAAAA/activate", {}),
        ("POST", "/AAAAAAAAAAA/retire", None),
    ],
)
async def test_it_is_for_the_operator_alone(
    client: httpx.AsyncClient, world: World, auth: Auth, method: str, path: str, body: Any
) -> None:
    _, token = await world.app()
    answer = await client.request(method, PATH + path, json=body, headers=auth(token))
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert answer.json()["required_scope"] == ("issuer.read" if method == "GET" else "issuer.manage")
    assert (await client.request(method, PATH + path, json=body)).status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("", {"place": "pkcs11:token=a;object=b?pin-value=1234"}, 422, "bad_signer"),
        ("", {"place": "/etc/passwd"}, 422, "bad_signer"),
        ("", {"place": "file:../../other.pem"}, 422, "bad_signer"),
        ("", {"place": "pkcs11:token=a;object=b"}, 503, "hsm_module_missing"),
        ("", {"signer": "file"}, 422, "validation"),
        ("", {"place": 7}, 422, "validation"),
        ("/AAAAAAAAAAA/activate", {}, 404, "unknown_issuer_key"),
        ("/not-a-kid/activate", {}, 404, "unknown_issuer_key"),
        ("/%00%FF/activate", {}, 404, "unknown_issuer_key"),
        ("/{kid}/activate", {"overlap_seconds": -1}, 422, "validation"),
        ("/{kid}/activate", {"overlap_seconds": 10**12}, 422, "validation"),
        ("/{kid}/activate", {"overlap_seconds": True}, 422, "validation"),
        ("/{kid}/retire", None, 409, "issuer_key_current"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    client: httpx.AsyncClient, world: World, operator: dict[str, str], path: str, body: Any, status: int, code: str
) -> None:
    kid = (await client.get("/.well-known/keygw")).json()["issuer"]["kid"]
    answer = await client.post(PATH + path.replace("{kid}", kid), json=body, headers=operator)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert "1234" not in answer.text
    assert await states(client, operator) == ["current"]


async def test_a_key_whose_overlap_is_over_is_retired_by_the_upkeep(
    client: httpx.AsyncClient, world: World, operator: dict[str, str]
) -> None:
    new = (await client.post(PATH, json={}, headers=operator)).json()
    await client.post(f"{PATH}/{new['kid']}/activate", json={"overlap_seconds": 0}, headers=operator)
    await world.bridge.issuer_keys.upkeep()
    assert await states(client, operator) == ["retired", "current"]
