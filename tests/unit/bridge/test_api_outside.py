"""What is seen of a request from outside: ids, proxies, addresses, the access log, and health."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import structlog
from starlette.requests import Request
from structlog.testing import capture_logs

from keygw.api.factory import create_api
from keygw.api.outer import outer_base
from keygw.app.readiness import NotReady, Readiness, confirmed, disk_space, signing

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
PROXIES = tuple(ipaddress.ip_network(each) for each in ("127.0.0.0/8", "10.0.0.0/8", "fd00::/8"))


def through(services: Any, peer: str = "127.0.0.1") -> httpx.AsyncClient:
    """A client whose connection comes from that address."""
    app = create_api(services)

    @app.get("/outer/{rest:path}")
    async def outer(request: Request) -> dict[str, Any]:
        client, scheme = request.scope["client"], request.scope["scheme"]
        return {"base": outer_base(request), "client": client[0], "scheme": scheme}

    transport = httpx.ASGITransport(app, client=(peer, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://inside.example")


@pytest.fixture
def lines() -> Any:
    """Everything that is logged, at any level."""
    with capture_logs() as found:
        yield found


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.7", "198.51.100.7"),  # the caller's own invention stands on the left
        ("127.0.0.1", "198.51.100.7, 10.1.1.1", "198.51.100.7"),
        ("127.0.0.1", "10.1.1.1, 10.1.1.2", "10.1.1.1"),
        ("127.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("127.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("127.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("127.0.0.1", "6.6.6.6, unknown", "127.0.0.1"),
        ("127.0.0.1", "6.6.6.6, unknown, 10.1.1.1", "10.1.1.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("::ffff:10.2.3.4", "198.51.100.7", "198.51.100.7"),
        ("fd00::1", "198.51.100.7", "198.51.100.7"),
        ("198.51.100.9", "127.0.0.1", "198.51.100.9"),  # not a proxy of ours: believed in nothing
        ("2001:db8::9", "127.0.0.1", "2001:db8::9"),
    ],
)
async def test_the_client_is_whom_our_own_proxies_name(world: World, peer: str, forwarded: str, client: str) -> None:
    async with through(replace(world.services, proxies=PROXIES), peer) as http:
        answer = await http.get("/outer/x", headers={"X-Forwarded-For": forwarded})
    assert answer.json()["client"] == client


async def test_without_trusted_proxies_nobody_is_believed(world: World) -> None:
    headers = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    async with through(replace(world.services, host_from_proxy=True)) as http:
        answer = await http.get("/outer/a/b?c=d", headers=headers)
    assert answer.json() == {
        "base": "http://127.0.0.1", "client": "127.0.0.1", "scheme": "http",
    }  # fmt: skip
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize(
    ("told", "public", "base"),
    [
        ({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "keys.example"}, None, "https://keys.example"),
        ({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "a.example, keys.example:8443"}, None, "https://keys.example:8443"),
        ({"X-Forwarded-Proto": "https", "X-Forwarded-Host": "[2001:db8::1]:1"}, None, "https://[2001:db8::1]:1"),
        ({"X-Forwarded-Proto": "gopher", "X-Forwarded-Host": "keys.example"}, None, "http://keys.example"),
        ({"X-Forwarded-Host": "keys.example/evil"}, None, "http://127.0.0.1"),
        ({"X-Forwarded-Host": "a@keys.example"}, None, "http://127.0.0.1"),
        ({"Host": "evil.example"}, None, "http://127.0.0.1"),
        ({"X-Forwarded-Host": "keys.example"}, "https://set.example/car", "https://set.example/car"),
    ],
)  # fmt: skip
async def test_the_outer_address_is_what_was_set_or_what_a_trusted_proxy_says(
    world: World, told: dict[str, str], public: str | None, base: str
) -> None:
    services = replace(world.services, proxies=PROXIES, host_from_proxy=public is None)
    if public is not None:
        services = replace(services, public_url=public)
    async with through(services) as http:
        answer = await http.get("/outer/a%2Fb?secret=1", headers=told)
    assert answer.json()["base"] == base
    assert answer.json()["base"] == base


async def test_links_of_invitations_begin_with_it(world: World, auth: Auth) -> None:
    _, token, key = await world.owner(*await _all_scopes())
    services = replace(world.services, proxies=PROXIES, host_from_proxy=True)
    headers = {**auth(token), "X-Forwarded-Proto": "https", "X-Forwarded-Host": "keys.example"}
    async with through(services) as http:
        answer = await http.post(
            f"/v1/keys/{key.id}/invitations", json={"profile": "access", "lifetime_seconds": 60}, headers=headers
        )
    assert answer.json()["link"].startswith("https://keys.example/i/")
    assert answer.headers["strict-transport-security"].startswith("max-age=")


async def _all_scopes() -> list[str]:
    from keygw.bridge.scopes import GRANTABLE

    return sorted(GRANTABLE)


@pytest.mark.parametrize("given", ["a", "d290f1ee-6c54-4b01-90e6-d701748f0851", "edge:7.x_y"])
async def test_a_sane_request_id_is_kept(client: httpx.AsyncClient, lines: Any, given: str) -> None:
    answer = await client.get("/v1/vehicles", headers={"X-Request-Id": given})
    assert answer.json()["trace_id"] == given
    assert answer.headers["x-request-id"] == answer.headers["x-trace-id"] == given


@pytest.mark.parametrize(
    "given", [["a b"], ["x" * 37], [""], ["-a"], ["kgw_abc"], ["eyJhbGci.x"], ["a", "b"], ["\u00e9"], ['a"']]
)
async def test_any_other_is_replaced(client: httpx.AsyncClient, given: list[str]) -> None:
    answer = await client.get("/v1/vehicles", headers=[(b"X-Request-Id", each.encode()) for each in given])
    assert answer.json()["trace_id"] not in given
    assert len(answer.json()["trace_id"]) == 16


async def test_one_line_for_each_request_without_query_body_or_token(world: World, auth: Auth, lines: Any) -> None:
    _, token = await world.app()
    async with through(world.services) as http:
        await http.get("/v1/vehicles?token=planted-query", headers=auth(token))
        await http.get("/v1/nowhere/planted-path")
        await http.get("/v1/keys/key_planted", headers={"Authorization": "Bearer planted-header"})
    told = [line for line in lines if line["event"] == "request"]
    assert [(line["method"], line["route"], line["status"], line.get("code")) for line in told] == [
        ("GET", "/v1/vehicles", 200, None),
        ("GET", "-", 404, "no_route"),
        ("GET", "/v1/keys/{key_id}", 401, "token_malformed"),
    ]
    assert told[2]["path"] == "/v1/keys/key_planted"
    assert all(line["client"] == "127.0.0.1" and line["ms"] >= 0 for line in told)
    for secret in (token, "planted-query", "planted-path", "planted-header"):
        assert secret not in str(lines)


async def test_the_id_is_bound_while_the_request_runs_and_not_after(world: World) -> None:
    seen: list[dict[str, Any]] = []
    app = create_api(world.services)

    @app.get("/seen")
    async def look() -> None:
        seen.append(structlog.contextvars.get_contextvars())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as http:
        await http.get("/seen", headers={"X-Request-Id": "mine"})
    assert seen == [{"request_id": "mine"}]
    assert structlog.contextvars.get_contextvars() == {}


async def test_alive_and_ready(world: World) -> None:
    state = {"database": "ok", "disk": "ok", "restored": "confirm them"}

    async def ready() -> dict[str, str]:
        return state

    async with through(replace(world.services, ready=ready)) as http:
        alive, good = await http.get("/healthz"), await http.get("/readyz")
        state["disk"] = "failed"
        bad = await http.get("/readyz")
    assert (alive.status_code, alive.json()) == (200, {"status": "ok"})
    assert (good.status_code, good.json()) == (200, {"ready": True, "checks": {**state, "disk": "ok"}})
    problem = bad.json()
    assert (bad.status_code, problem["code"], bad.headers["retry-after"]) == (503, "not_ready", "1")
    assert problem["checks"] == state


async def test_a_check_that_fails_or_hangs_is_seen_and_logged_once(lines: Any) -> None:
    now, broken, calls = [0.0], [True], [0]

    async def fails() -> None:
        calls[0] += 1
        if broken[0]:
            raise NotReady("with a secret in its text")

    async def hangs() -> None:
        if broken[0]:
            await asyncio.Event().wait()

    async def good() -> None:
        pass

    checks = {"fails": fails, "hangs": hangs, "good": good}
    readiness = Readiness(checks, lambda: now[0], timeout=0.01, kept=1.0)
    wrong = {"fails": "failed", "hangs": "failed", "good": "ok"}
    assert await asyncio.gather(*(readiness() for _ in range(5))) == [wrong] * 5
    assert await readiness() == wrong
    assert calls[0] == 1, "strangers who ask often cost nothing"
    now[0] += 2
    assert await readiness() == wrong
    assert [line["check"] for line in lines if line["event"] == "not_ready"] == ["fails", "hangs"]
    assert "secret" not in str(lines)
    broken[0] = False
    now[0] += 2
    assert await readiness() == dict.fromkeys(checks, "ok")
    assert sorted(line["check"] for line in lines if line["event"] == "ready_again") == ["fails", "hangs"]


async def test_a_caller_that_leaves_takes_the_answer_from_nobody() -> None:
    go = asyncio.Event()

    async def slow() -> None:
        await go.wait()

    readiness = Readiness({"slow": slow})
    first, second = asyncio.create_task(readiness()), asyncio.create_task(readiness())
    await asyncio.sleep(0)
    first.cancel()
    go.set()
    assert await second == {"slow": "ok"}


async def test_a_full_disk_and_a_dead_key_are_not_ready(tmp_path: Path) -> None:
    def dead(_: bytes) -> bytes:
        raise OSError

    found = await Readiness({
        "room": disk_space(tmp_path, 1), "full": disk_space(tmp_path, 2**70), "dead": signing(dead),
        "key": signing(bytes),
    })()  # fmt: skip
    assert found == {"room": "ok", "full": "failed", "dead": "failed", "key": "ok"}


async def test_a_slow_key_holds_nobody_up() -> None:
    """An HSM on a bad day: the check waits for it, and the loop does not."""
    released = threading.Event()

    def slow(_: bytes) -> bytes:
        assert released.wait(5)
        return bytes(64)

    asking = asyncio.create_task(Readiness({"key": signing(slow)})())
    for _ in range(3):
        await asyncio.sleep(0)
    released.set()
    assert await asking == {"key": "ok"}


async def test_a_restored_copy_is_ready_and_says_what_it_does_not_do() -> None:
    waits = [True]

    async def unconfirmed() -> bool:
        return waits[0]

    readiness = Readiness({"restored": confirmed(unconfirmed)}, kept=0)
    assert "keygw restore --confirm" in (await readiness())["restored"]
    waits[0] = False
    assert await readiness() == {"restored": "ok"}
