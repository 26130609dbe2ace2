"""App sessions over HTTP: what an app hears when it comes, goes away, comes back, or may no longer come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.bridge.app_session import RESUME_SECONDS, SILENT_SECONDS, TRANSITIONS, SessionEvent, SessionState
from keygw.bridge.sessions import KEPT, MOST_OPEN
from keygw.model.entitlement import PROFILES
from keygw.model.signal import SignalId

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.bridge.conftest import World

    Auth = Callable[[str], dict[str, str]]


@pytest.fixture
async def headers(world: World, auth: Auth) -> dict[str, str]:
    _, token, _ = await world.owner()
    return auth(token)


async def opened(client: httpx.AsyncClient, headers: dict[str, str], **body: Any) -> dict[str, Any]:
    response = await client.post("/v1/sessions", json=body, headers=headers)
    assert response.status_code == 201, response.text
    told: dict[str, Any] = response.json()
    return told


def code(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["code"])


async def test_it_answers_all_that_an_app_needs_to_show_the_car(
    client: httpx.AsyncClient, world: World, headers: dict[str, str]
) -> None:
    world.car.up(None)
    world.car.report(SignalId.CENTRAL_LOCK, True)
    told = await opened(client, headers)
    assert told["session"]["state"] == "active"
    assert told["vehicle"]["id"] == told["session"]["vehicle_id"] == world.vehicle.id, "it has one alone"
    assert [key["role"] for key in told["keys"]] == ["owner"]
    lock = next(each for each in told["signals"] if each["path"].endswith("CentralLock.IsLocked"))
    assert (lock["value"], lock["quality"]) == (True, "live")
    standings = {each["id"]: each["standing"] for each in told["capabilities"]}
    assert standings["command.unlock"] == "supported"
    found = (await client.get(f"/v1/sessions/{told['session']['id']}", headers=headers)).json()
    assert found == told["session"]


async def test_what_was_asked_for_is_negotiated_with_reasons(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    app, _, top = await world.owner()
    _, token = friend = await world.app("session.connect", "command.unlock")
    await world.give_friend_key(friend[0], top, PROFILES["access"])
    wish = {"capabilities": ["command.unlock", "command.open_trunk", "command.fly"]}
    told = await opened(client, auth(token), **wish)
    assert [(each["id"], each["standing"], each["reason"]) for each in told["capabilities"]] == [
        ("command.unlock", "supported", None),
        ("command.open_trunk", "forbidden", "insufficient_scope"),
    ]
    assert told["keys"] == [], "this app may not read keys"
    path = f"/v1/sessions/{told['session']['id']}"
    changed = (await client.patch(path, json={"capabilities": ["command.lock"]}, headers=auth(token))).json()
    assert [each["id"] for each in changed["capabilities"]] == ["command.lock"]
    assert changed["session"]["wanted"] == ["command.lock"]
    none = await client.patch(path, json={"capabilities": ["command.fly"]}, headers=auth(token))
    assert code(none, 409) == "no_common_capability"
    assert (await client.get(path, headers=auth(token))).json()["wanted"] == ["command.lock"]
    assert app is not None


async def test_an_app_goes_into_the_background_and_comes_back(
    client: httpx.AsyncClient, world: World, headers: dict[str, str]
) -> None:
    told = await opened(client, headers)
    path = f"/v1/sessions/{told['session']['id']}"
    for _ in range(2):
        suspended = await client.post(f"{path}:suspend", headers=headers)
        assert (suspended.status_code, suspended.json()["state"]) == (200, "suspended")
        assert suspended.json()["resume_until"] is not None
    refused = await client.patch(path, json={"capabilities": []}, headers=headers)
    assert code(refused, 409) == "session_suspended"
    world.clock.now += RESUME_SECONDS - 1
    resumed = (await client.post(f"{path}:resume", headers=headers)).json()
    assert resumed["session"]["state"] == "active"
    assert resumed["capabilities"]
    kinds = []
    for kind in ("opened", "suspended", "resumed"):
        kinds.append((await world.heard(f"keygw.session.{kind}", id=told["session"]["id"])).type)
    assert len(kinds) == 3


async def test_nobody_who_came_back_too_late(client: httpx.AsyncClient, world: World, headers: dict[str, str]) -> None:
    told = await opened(client, headers)
    path = f"/v1/sessions/{told['session']['id']}"
    await client.post(f"{path}:suspend", headers=headers)
    world.clock.now += RESUME_SECONDS
    assert code(await client.post(f"{path}:resume", headers=headers), 409) == "session_closed"
    found = (await client.get(path, headers=headers)).json()
    assert (found["state"], found["reason"]) == ("closed", "link_lost")


async def test_an_app_that_says_nothing_is_suspended(
    client: httpx.AsyncClient, world: World, headers: dict[str, str]
) -> None:
    told = await opened(client, headers)
    world.clock.now += SILENT_SECONDS
    await world.bridge.sessions.sweep()
    await world.heard("keygw.session.suspended", id=told["session"]["id"])
    listed = (await client.get("/v1/sessions", headers=headers)).json()["sessions"]
    assert [each["state"] for each in listed] == ["suspended"]


async def test_closing_is_for_good(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    told = await opened(client, headers)
    path = f"/v1/sessions/{told['session']['id']}"
    for _ in range(2):
        closed = await client.delete(path, headers=headers)
        assert (closed.status_code, closed.json()["state"], closed.json()["reason"]) == (200, "closed", "user_exit")
    for verb in ("suspend", "resume"):
        assert code(await client.post(f"{path}:{verb}", headers=headers), 409) == "session_closed"


async def test_a_session_ends_with_its_app(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    app, token, _ = await world.owner()
    told = await opened(client, auth(token))
    await world.bridge.apps.revoke(app.id)
    session = await world.store.bridge.session(told["session"]["id"])
    assert session is not None
    assert (session.state.value, session.reason) == ("closed", "app_unauthorized")


async def test_who_has_no_vehicle_or_several(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app("session.connect")
    assert code(await client.post("/v1/sessions", json={}, headers=auth(token)), 404) == "unknown_vehicle"
    refused = await client.post("/v1/sessions", json={"vehicle_id": world.vehicle.id}, headers=auth(token))
    assert code(refused, 404) == "unknown_vehicle"
    _, token = await world.app("vehicle.read")
    assert code(await client.post("/v1/sessions", json={}, headers=auth(token)), 403) == "insufficient_scope"


async def test_sessions_are_bounded(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    made = [(await opened(client, headers))["session"]["id"] for _ in range(MOST_OPEN)]
    assert code(await client.post("/v1/sessions", json={}, headers=headers), 409) == "too_many_sessions"
    for each in made:
        await client.delete(f"/v1/sessions/{each}", headers=headers)
    for _ in range(KEPT + 3):
        told = await opened(client, headers)
        await client.delete(f"/v1/sessions/{told['session']['id']}", headers=headers)
    listed = (await client.get("/v1/sessions", headers=headers)).json()["sessions"]
    assert len(listed) <= KEPT + 1


async def test_an_event_between_the_answer_and_the_stream_is_not_missed(
    client: httpx.AsyncClient, world: World, headers: dict[str, str]
) -> None:
    told = await opened(client, headers)
    await client.post(f"/v1/sessions/{told['session']['id']}:suspend", headers=headers)
    after = {"Last-Event-ID": told["events_after"]}
    async with asyncio.timeout(5), client.stream("GET", "/v1/events", headers={**headers, **after}) as stream:
        async for line in stream.aiter_lines():
            if line == "event: keygw.session.suspended":
                break


async def test_events_of_a_session_are_its_apps_alone(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, _ = await world.owner()
    other, foreign, _ = await world.owner()
    told = await opened(client, auth(token))
    mine = await opened(client, auth(foreign))
    after = {"Last-Event-ID": "0.0-boot-0"}
    seen: list[str] = []
    async with asyncio.timeout(5), client.stream("GET", "/v1/events", headers={**auth(foreign), **after}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: ") and '"keygw.session.' in line:
                seen.append(line)
                break
    assert len(seen) == 1
    assert mine["session"]["id"] in seen[0]
    assert told["session"]["id"] not in seen[0]
    assert other is not None


@pytest.mark.parametrize("state", SessionState)
def test_the_table_lets_nothing_out_of_closed(state: SessionState) -> None:
    assert SessionEvent.CLOSE in TRANSITIONS[state], "whatever state it is in, it can be closed"
    reached = set(TRANSITIONS[state].values())
    assert state is not SessionState.CLOSED or reached == {SessionState.CLOSED}
