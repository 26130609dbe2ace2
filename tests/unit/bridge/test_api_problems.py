"""Bad input over real HTTP: always a problem document, never a leak, never a hang."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import structlog

from keygw.api.problems import BY_CLASS, status_of
from keygw.model.errors import KeygwError, LinkError, StoreError

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:keygw:problem:{code}")
    assert body["title"]
    assert body["detail"]
    assert isinstance(body["retryable"], bool)
    assert isinstance(body["may_have_happened"], bool)
    assert body["trace_id"] == response.headers["x-trace-id"]
    return body


async def test_no_token(client: httpx.AsyncClient) -> None:
    response = await client.get("/v1/vehicles")
    problem(response, 401, "token_missing")
    assert response.headers["www-authenticate"] == 'Bearer realm="keygw"'


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer kgw_" + "A" * 43, "token_unknown"),
        ("Bearer eyJhbGciOiJub25lIn0.e30.", "token_malformed"),
        ("Bearer", "token_malformed"),
        ("Basic a2d3Og==", "token_malformed"),
        ("Bearer kgw_" + "A" * 5000, "token_malformed"),
    ],
)
async def test_foreign_tokens(client: httpx.AsyncClient, header: str, code: str) -> None:
    response = await client.get("/v1/vehicles", headers={"Authorization": header})
    problem(response, 401, code)
    assert 'error="invalid_token"' in response.headers["www-authenticate"]
    assert "A" * 43 not in response.text


async def test_an_expired_token(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app()
    world.clock.now += 91 * 86_400
    problem(await client.get("/v1/vehicles", headers=auth(token)), 401, "token_expired")


async def test_a_revoked_app(client: httpx.AsyncClient, world: World, auth: Auth, operator: dict[str, str]) -> None:
    app, token = await world.app()
    assert (await client.delete(f"/v1/apps/{app.id}", headers=operator)).status_code == 204
    problem(await client.get("/v1/apps/self", headers=auth(token)), 401, "token_revoked")
    problem(await client.delete("/v1/apps/app_nobody", headers=operator), 404, "unknown_app")


async def test_two_tokens_at_once_are_none(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app()
    headers = [("Authorization", f"Bearer {token}")] * 2
    problem(await client.get("/v1/vehicles", headers=headers), 401, "token_malformed")


@pytest.mark.parametrize("name", ["access_token", "token", "authorization"])
async def test_a_token_in_the_address_is_no_token(client: httpx.AsyncClient, world: World, name: str) -> None:
    _, token = await world.app()
    problem(await client.get("/v1/vehicles", params={name: token}), 401, "token_missing")


async def test_a_missing_scope_is_named(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app("key.read")
    response = await client.get("/v1/vehicles", headers=auth(token))
    assert problem(response, 403, "insufficient_scope")["required_scope"] == "vehicle.read"
    assert 'error="insufficient_scope", scope="vehicle.read"' in response.headers["www-authenticate"]


async def test_only_the_operator_registers_apps(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app()
    response = await client.post("/v1/apps", json={"name": "x", "scopes": ["vehicle.read"]}, headers=auth(token))
    assert problem(response, 403, "insufficient_scope")["required_scope"] == "app.manage"


async def test_no_such_address_and_no_such_method(client: httpx.AsyncClient) -> None:
    problem(await client.get("/v1/nothing"), 404, "no_route")
    problem(await client.get("/v1/vehicles/"), 404, "no_route")
    response = await client.put("/v1/vehicles", json={})
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET, POST"
    response = await client.post("/docs")
    problem(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "GET"


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
async def test_a_wrong_content_type(client: httpx.AsyncClient, operator: dict[str, str], kind: str) -> None:
    body = json.dumps({"name": "x", "scopes": ["vehicle.read"]})
    response = await client.post("/v1/apps", content=body, headers={**operator, "Content-Type": kind})
    problem(response, 415, "unsupported_media_type")


async def test_no_content_type(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    problem(await client.post("/v1/apps", content=b"{}", headers=operator), 415, "unsupported_media_type")


async def test_a_compressed_body_is_not_opened(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    headers = {**operator, "Content-Type": "application/json", "Content-Encoding": "gzip"}
    problem(await client.post("/v1/apps", content=b"\x1f\x8b", headers=headers), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"name": "x",}',
        b'{"name": "x"} {}',
        b'{"name": "\xff"}',
        b'{"name": "x", "name": "y"}',
        b'{"name": "x", "more": {"a": 1, "a": 2}}',
        b'{"lifetime_seconds": NaN}',
        b'{"lifetime_seconds": Infinity}',
        b'{"name": "\\ud800"}',
        b"[" * 30_000,
        b'{"lifetime_seconds": ' + b"9" * 5000 + b"}",
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
async def test_malformed_json(client: httpx.AsyncClient, operator: dict[str, str], body: bytes) -> None:
    headers = {**operator, "Content-Type": "application/json"}
    problem(await client.post("/v1/apps", content=body, headers=headers), 400, "malformed_json")


@pytest.mark.parametrize(
    ("body", "at"),
    [
        ({}, "body.name"),
        ([], "body"),
        ("text", "body"),
        (None, "body"),
        ({"name": 1, "scopes": ["key.read"]}, "body.name"),
        ({"name": "", "scopes": ["key.read"]}, "body.name"),
        ({"name": "x" * 81, "scopes": ["key.read"]}, "body.name"),
        ({"name": "a\nb", "scopes": ["key.read"]}, "body.name"),
        ({"name": "x", "scopes": []}, "body.scopes"),
        ({"name": "x", "scopes": "key.read"}, "body.scopes"),
        ({"name": "x", "scopes": ["key.read"], "admin": True}, "body.admin"),
        ({"name": "x", "scopes": ["key.read"], "lifetime_seconds": "60"}, "body.lifetime_seconds"),
        ({"name": "x", "scopes": ["key.read"], "lifetime_seconds": True}, "body.lifetime_seconds"),
    ],
)
async def test_what_is_wrong_is_said(client: httpx.AsyncClient, operator: dict[str, str], body: Any, at: str) -> None:
    found = problem(await client.post("/v1/apps", json=body, headers=operator), 422, "validation")
    assert any(each["at"].startswith(at) for each in found["errors"])


async def test_what_was_sent_is_not_repeated(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    body = {"name": "x", "scopes": ["key.read"], "lifetime_seconds": "hunter2"}
    response = await client.post("/v1/apps", json=body, headers=operator)
    problem(response, 422, "validation")
    assert "hunter2" not in response.text


@pytest.mark.parametrize(("scope", "code"), [("vehicle.fly", "unknown_scope"), ("app.manage", "scope_not_grantable")])
async def test_scopes_that_cannot_be_had(
    client: httpx.AsyncClient, operator: dict[str, str], scope: str, code: str
) -> None:
    response = await client.post("/v1/apps", json={"name": "x", "scopes": [scope]}, headers=operator)
    problem(response, 422, code)


async def test_a_body_too_large_by_its_own_word(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    headers = {**operator, "Content-Type": "application/json"}
    body = b'{"name": "' + b"x" * 65_536 + b'"}'
    problem(await client.post("/v1/apps", content=body, headers=headers), 413, "body_too_large")


async def test_a_body_too_large_in_chunks(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"name": "'
        for _ in range(65):
            yield b"x" * 1024

    headers = {**operator, "Content-Type": "application/json"}
    problem(await client.post("/v1/apps", content=chunks(), headers=headers), 413, "body_too_large")


async def test_a_length_that_is_none(world: World, client: httpx.AsyncClient) -> None:
    """Sent by hand: no client library would."""
    port = client.base_url.port
    for length in ("99999999999999999999", "1" * 25):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"POST /v1/apps HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n")
        assert head.split()[1] in (b"413", b"400")
        writer.close()


async def test_a_body_at_the_limit_is_read(client: httpx.AsyncClient, operator: dict[str, str]) -> None:
    body = json.dumps({"name": "x", "scopes": ["key.read"]}).encode()
    headers = {**operator, "Content-Type": "application/json"}
    response = await client.post("/v1/apps", content=body + b" " * (65_536 - len(body)), headers=headers)
    assert response.status_code == 201


async def test_a_bug_shows_nothing_but_a_trace_id(
    client: httpx.AsyncClient, world: World, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = await world.app()

    async def broken(*_: object) -> None:
        raise RuntimeError("secret path /etc/keygw")

    monkeypatch.setattr(type(world.bridge.vehicles), "list", broken)
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logged:
        response = await client.get("/v1/vehicles", headers=auth(token))
    body = problem(response, 500, "internal")
    assert "secret" not in response.text
    assert "RuntimeError" not in response.text
    line = next(each for each in logged if each["event"] == "request_broke")
    assert (line["error"], line["request_id"], line["route"]) == ("RuntimeError", body["trace_id"], "/v1/vehicles")
    assert "list_all" in line["at"]
    assert "secret" not in repr(logged)
    assert token not in repr(logged)


async def test_an_error_without_a_place_in_the_map_is_a_bug_too(
    client: httpx.AsyncClient, world: World, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = await world.app()

    async def broken(*_: object) -> None:
        raise KeygwError("inner workings")

    monkeypatch.setattr(type(world.bridge.vehicles), "list", broken)
    response = await client.get("/v1/vehicles", headers=auth(token))
    problem(response, 500, "internal")
    assert "inner" not in response.text


async def test_a_database_that_is_locked(
    client: httpx.AsyncClient, world: World, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = await world.app()

    async def locked(*_: object) -> None:
        raise StoreError("another process holds the database", code="store_busy", retryable=True)

    monkeypatch.setattr(type(world.bridge.vehicles), "list", locked)
    response = await client.get("/v1/vehicles", headers=auth(token))
    body = problem(response, 503, "store_busy")
    assert (body["retryable"], body["retry_after"], response.headers["retry-after"]) == (True, 1, "1")


async def test_every_answer_is_dressed(client: httpx.AsyncClient) -> None:
    traces = set()
    for response in (await client.get("/health"), await client.get("/v1/vehicles"), await client.get("/nowhere")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert response.headers["cache-control"] == "no-store"
        assert "server" not in response.headers or "uvicorn" in response.headers["server"]
        traces.add(response.headers["x-trace-id"])
    assert len(traces) == 3


def test_every_family_of_errors_has_its_place() -> None:
    families = {kind for kind in KeygwError.__subclasses__() if kind.__module__ == "keygw.model.errors"}
    assert families <= {kind for kind, _ in BY_CLASS}
    assert status_of(LinkError("x", code="out_of_range")) == 504
    assert status_of(LinkError("x", code="key_suspended")) == 409
    assert status_of(KeygwError("x")) == 500
