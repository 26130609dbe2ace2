"""What is deprecated says so wherever it is met; a client that is too old hears what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from keygw.api.age import DEPRECATED, Clients, Deprecated, parse_client
from keygw.api.factory import create_api
from keygw.api.permissions import PERMISSIONS

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
Serve = Callable[[Any], Any]
PAGE = "https://keys.example/docs/leaving"
PLANTED = {
    "vehicles.list_all": Deprecated(1_688_169_599, PAGE, 1_700_000_000),
    "meta.health": Deprecated(1_688_169_599, PAGE),
}


def test_the_table_names_routes_that_are_there_and_ends_after_it_begins() -> None:
    assert DEPRECATED.keys() <= PERMISSIONS.keys()
    assert all(each.sunset is None or each.sunset > each.since for each in DEPRECATED.values())


async def test_each_answer_of_a_deprecated_route_says_so(world: World, serve: Serve, auth: Auth) -> None:
    _, token = await world.app()
    async with serve(replace(world.services, deprecated=PLANTED)) as client:
        for headers in (auth(token), {}):  # refusals, too
            told = (await client.get("/v1/vehicles", headers=headers)).headers
            assert told["deprecation"] == "@1688169599"  # RFC 9745, section 2.1
            assert told["sunset"] == "Tue, 14 Nov 2023 22:13:20 GMT"  # RFC 8594, section 3
            assert told["link"] == (
                f'<{PAGE}>; rel="deprecation"; type="text/html", <{PAGE}>; rel="sunset"; type="text/html"'
            )
        told = (await client.get("/health")).headers
        assert "sunset" not in told
        assert told["link"] == f'<{PAGE}>; rel="deprecation"; type="text/html"'
        for path in ("/v1/keys", "/readyz", "/nowhere"):
            assert "deprecation" not in (await client.get(path, headers=auth(token))).headers
        about = (await client.get("/.well-known/keygw")).json()
    since, sunset = "2023-06-30T23:59:59.000Z", "2023-11-14T22:13:20.000Z"
    vehicles = {"method": "GET", "path": "/v1/vehicles", "since": since, "sunset": sunset, "link": PAGE}
    health = {"method": "GET", "path": "/health", "since": since, "sunset": None, "link": PAGE}
    assert sorted(about["deprecated"], key=lambda each: str(each["path"])) == [health, vehicles]


async def test_the_document_marks_what_is_deprecated(world: World) -> None:
    paths = create_api(replace(world.services, deprecated=PLANTED)).openapi()["paths"]
    marked = {(method, path) for path, each in paths.items() for method in each if each[method].get("deprecated")}
    assert marked == {("get", "/v1/vehicles"), ("get", "/health")}


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"Keygw-Client": "garage/2.0.9"}, False),
        ({"Keygw-Client": "Garage/1"}, False),
        ({"Keygw-Client": "garage/2.1-beta.2"}, False),
        ({"User-Agent": "garage/2.0 (Android 16) okhttp/4.12"}, False),
        ({"Keygw-Client": "garage/2.1"}, True),
        ({"Keygw-Client": "garage/2.1.0.0"}, True),
        ({"Keygw-Client": "garage/2.10"}, True),
        ({"Keygw-Client": "garage/2.1", "User-Agent": "garage/1.0"}, True),
        ({"Keygw-Client": "other/0.1"}, True),
        ({"Keygw-Client": "garage"}, True),
        ({"User-Agent": "Mozilla/5.0 garage/1.0"}, True),
        ({}, True),
    ],
)
async def test_a_client_that_is_too_old_is_told_what_to_do(
    world: World, serve: Serve, auth: Auth, headers: dict[str, str], taken: bool
) -> None:
    _, token = await world.app()
    async with serve(replace(world.services, clients=Clients(["garage/2.1"]))) as client:
        answer = await client.get("/v1/vehicles", headers={**auth(token), **headers})
        assert answer.status_code == (200 if taken else 403)
        if not taken:
            told = answer.json()
            assert (told["code"], told["retryable"], told["may_have_happened"]) == ("client_too_old", False, False)
            assert "update the app" in told["detail"]
            assert "2.1" in told["detail"]
        about = await client.get("/.well-known/keygw", headers=headers)
        assert about.json()["minimum_clients"] == {"garage": "2.1"}, "this is where it is told, so nobody is refused"


async def test_the_stream_is_closed_to_a_client_that_is_too_old(world: World, serve: Serve, auth: Auth) -> None:
    _, token = await world.app()
    async with serve(replace(world.services, clients=Clients(["garage/2.1"]))) as client:
        url = str(client.base_url.join("/v1/stream")).replace("http", "ws", 1)
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(
                url, subprotocols=[websockets.Subprotocol("keygw.v1")],
                additional_headers={**auth(token), "Keygw-Client": "garage/2.0"},
            )  # fmt: skip
    assert refused.value.response.status_code == 403
    assert b"client_too_old" in (refused.value.response.body or b"")


@pytest.mark.parametrize(
    "text",
    ["", "garage", "garage/", "/1", "garage/x", "garage/1.2.3.4.5", "garage/1234567", "a b/1", "garage/1\n", "é/1"],
)
def test_what_is_no_client_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="name/version"):
        parse_client(text)


async def test_the_client_of_this_release_says_which_it_is(client: httpx.AsyncClient) -> None:
    from keygw import __version__
    from keygw.client.connection import Connection

    connection = Connection("http://127.0.0.1:1", "t")
    assert parse_client(connection._http.headers["User-Agent"]).name == "keygw-client"
    assert __version__.split(".dev")[0] in connection._http.headers["User-Agent"]
    await connection.close()
