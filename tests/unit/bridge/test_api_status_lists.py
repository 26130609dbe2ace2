"""The public status lists over real HTTP: no token, the right headers, and what a reader makes of a key token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from keygw.credentials.status_list import PAUSE, RENEW_AFTER
from keygw.model.errors import TokenError
from keygw.token.jwt import decode_jwt
from keygw.token.status_list import check_status, verify_status_list
from keygw.token.trust import IssuerKey, TrustedIssuers

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

LIST = "/v1/status-lists/1"


def trust(world: World) -> TrustedIssuers:
    return TrustedIssuers([IssuerKey(world.issuer.issuer, world.issuer.kid, world.issuer.public_key)])


async def verdict(client: httpx.AsyncClient, world: World, key_id: str) -> str | None:
    """As somebody who was shown a key token: follow its ``status`` to the list, and look."""
    world.clock.now += PAUSE
    claims = decode_jwt((await world.credentials.key_token(key_id)).jwt, trust(world))
    assert claims.status is not None
    path = claims.status.uri.removeprefix("https://keys.example")
    answer = await client.get(path, headers={"Accept": "application/statuslist+jwt"})
    try:
        check_status(claims, verify_status_list(answer.text, trust(world), claims.status.uri, world.clock()))
    except TokenError as error:
        return error.code
    return None


async def test_a_stranger_sees_what_became_of_a_key(client: httpx.AsyncClient, world: World) -> None:
    _, _, owner = await world.owner()
    other = await world.give_key((await world.app())[0])
    assert await verdict(client, world, owner.id) is None
    await world.credentials.suspend(owner.id)
    assert await verdict(client, world, owner.id) == "status_suspended"
    await world.credentials.revoke(owner.id)
    assert await verdict(client, world, owner.id) == "status_invalid"
    assert await verdict(client, world, other.id) is None


async def test_the_answer_is_for_everybody_and_for_caches(client: httpx.AsyncClient, world: World) -> None:
    await world.owner()
    answer = await client.get(LIST, headers={"Origin": "https://parking.example", "Accept-Encoding": "gzip"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/statuslist+jwt"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Content-Encoding" not in answer.headers
    assert "Set-Cookie" not in answer.headers
    assert (await client.get("/health")).headers["Cross-Origin-Resource-Policy"] == "same-origin"


async def test_who_has_the_newest_is_told_so(client: httpx.AsyncClient, world: World) -> None:
    _, _, owner = await world.owner()
    first = await client.get(LIST)
    etag = first.headers["ETag"]
    for said in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await client.get(LIST, headers={"If-None-Match": said})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", etag)
    assert (await client.get(LIST, headers={"If-None-Match": '"other"'})).content == first.content
    await world.credentials.suspend(owner.id)
    world.clock.now += PAUSE
    changed = await client.get(LIST, headers={"If-None-Match": etag})
    assert (changed.status_code, changed.headers["ETag"] != etag) == (200, True)
    world.clock.now += RENEW_AFTER
    assert (await client.get(LIST, headers={"If-None-Match": changed.headers["ETag"]})).status_code == 200


async def test_head_is_get_without_its_body(client: httpx.AsyncClient, world: World) -> None:
    await world.owner()
    for path in (LIST, "/v1/status-lists"):
        head, full = await client.head(path), await client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["Content-Length"]) == len(full.content)
        assert head.headers.get("ETag") == full.headers.get("ETag")


async def test_the_index_names_every_list(client: httpx.AsyncClient, world: World) -> None:
    assert (await client.get("/v1/status-lists")).json() == {"status_lists": []}
    await world.owner()
    answer = await client.get("/v1/status-lists")
    assert answer.json() == {"status_lists": ["https://keys.example/v1/status-lists/1"]}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert (await client.get("/.well-known/keygw")).json()["endpoints"]["status_lists"] == "/v1/status-lists"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/status-lists/1", 404, "unknown_status_list"),
        ("/v1/status-lists/2147483647", 404, "unknown_status_list"),
        ("/v1/status-lists/2147483648", 422, "validation"),
        ("/v1/status-lists/0", 422, "validation"),
        ("/v1/status-lists/-1", 422, "validation"),
        ("/v1/status-lists/one", 422, "validation"),
        ("/v1/status-lists/1?time=1686925000", 501, "status_history"),
    ],
)
async def test_what_is_not_there_is_said_so(client: httpx.AsyncClient, path: str, status: int, code: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_nobody_writes_there(client: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert (await client.request(method, LIST, json={})).status_code == 405
