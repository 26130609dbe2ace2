"""Cards over HTTP, as they go: from an app to the head unit of a car, and a press back to the app."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.bridge.app_session import RESUME_SECONDS
from keygw.bridge.cards import MOST_OF_SESSION
from keygw.bridge.driving import RULES, Driving, driving
from keygw.model.entitlement import PROFILES
from keygw.model.signal import SignalId

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.bridge.conftest import World

    Auth = Callable[[str], dict[str, str]]

OPEN = {"name": "open", "label": "Open the trunk"}
STATUS = {"template": "status", "title": "A parcel is here", "lines": ["Bay 4"], "buttons": [OPEN]}
ROUTE = {"template": "navigation", "title": "To bay 4", "lines": ["Left in 200 m"]}


@pytest.fixture
async def headers(world: World, auth: Auth) -> dict[str, str]:
    _, token, _ = await world.owner()
    world.car.up(None)
    world.car.report(SignalId.MOVING, False)
    return auth(token)


async def opened(client: httpx.AsyncClient, headers: dict[str, str]) -> str:
    response = await client.post("/v1/sessions", json={}, headers=headers)
    assert response.status_code == 201, response.text
    return str(response.json()["session"]["id"])


def code(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["code"])


async def screen(client: httpx.AsyncClient, world: World, headers: dict[str, str]) -> dict[str, Any]:
    response = await client.get(f"/v1/vehicles/{world.vehicle.id}/head-unit", headers=headers)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def names(client: httpx.AsyncClient, world: World, headers: dict[str, str]) -> list[str]:
    return [card["name"] for card in (await screen(client, world, headers))["cards"]]


async def test_a_card_is_shown_pressed_and_the_app_hears_of_it(
    client: httpx.AsyncClient, world: World, headers: dict[str, str]
) -> None:
    session = await opened(client, headers)
    put = await client.put(f"/v1/sessions/{session}/cards/parcel", json=STATUS, headers=headers)
    assert put.status_code == 200, put.text
    shown = await screen(client, world, headers)
    assert (shown["driving"], shown["cards"]) == ("parked", [{**put.json(), "app_name": "app"}])
    pressed = {"session_id": session, "card": "parcel", "button": "open"}
    after = {"Last-Event-ID": "0.0-boot-0"}
    path = f"/v1/vehicles/{world.vehicle.id}/head-unit:press"
    assert (await client.post(path, json=pressed, headers=headers)).status_code == 204
    data: dict[str, Any] = {}
    async with asyncio.timeout(5), client.stream("GET", "/v1/events", headers={**headers, **after}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: ") and '"keygw.card.action"' in line:
                data = json.loads(line.removeprefix("data: "))["data"]
                break
    assert (data["session_id"], data["card"], data["button"]) == (session, "parcel", "open")
    for wrong in ({"button": "close"}, {"card": "letter"}, {"session_id": "ses_aaaaaaaaaaaaaaaa"}):
        refused = await client.post(path, json={**pressed, **wrong}, headers=headers)
        assert code(refused, 404) == "no_such_button"
    await client.delete(f"/v1/sessions/{session}/cards/parcel", headers=headers)
    assert await names(client, world, headers) == []
    assert code(await client.post(path, json=pressed, headers=headers), 404) == "no_such_button"


async def test_a_moving_car_hides_what_distracts_and_takes_no_more_of_it(
    client: httpx.AsyncClient, world: World, headers: dict[str, str]
) -> None:
    session = await opened(client, headers)
    cards = f"/v1/sessions/{session}/cards"
    for name, card in (("parcel", STATUS), ("route", ROUTE)):
        assert (await client.put(f"{cards}/{name}", json=card, headers=headers)).status_code == 200
    world.car.report(SignalId.MOVING, True)
    assert await names(client, world, headers) == ["route"]
    assert code(await client.put(f"{cards}/parcel", json=STATUS, headers=headers), 423) == "driving_restricted"
    long = {**ROUTE, "title": "x" * 33}
    assert code(await client.put(f"{cards}/route", json=long, headers=headers), 423) == "driving_restricted"
    assert (await client.put(f"{cards}/route", json=ROUTE, headers=headers)).status_code == 200
    pressed = {"session_id": session, "card": "parcel", "button": "open"}
    refused = await client.post(f"/v1/vehicles/{world.vehicle.id}/head-unit:press", json=pressed, headers=headers)
    assert code(refused, 404) == "no_such_button", "nobody presses what is hidden"
    world.car.report(SignalId.MOVING, False)
    assert sorted(await names(client, world, headers)) == ["parcel", "route"]


async def test_a_car_that_is_not_heard_counts_as_moving(
    client: httpx.AsyncClient, world: World, headers: dict[str, str]
) -> None:
    session = await opened(client, headers)
    world.car.down()
    put = await client.put(f"/v1/sessions/{session}/cards/parcel", json=STATUS, headers=headers)
    assert code(put, 423) == "driving_restricted"
    assert (await screen(client, world, headers))["driving"] == "unknown"


async def test_cards_come_and_go_with_their_session(
    client: httpx.AsyncClient, world: World, headers: dict[str, str]
) -> None:
    session = await opened(client, headers)
    path = f"/v1/sessions/{session}/cards/parcel"
    await client.put(path, json=STATUS, headers=headers)
    await client.post(f"/v1/sessions/{session}:suspend", headers=headers)
    assert await names(client, world, headers) == []
    assert code(await client.put(path, json=STATUS, headers=headers), 409) == "session_suspended"
    world.clock.now += RESUME_SECONDS - 1
    await client.post(f"/v1/sessions/{session}:resume", headers=headers)
    assert await names(client, world, headers) == [], "what the car told a day ago says nothing about now"
    world.car.report(SignalId.MOVING, False)
    assert await names(client, world, headers) == ["parcel"]
    await client.delete(f"/v1/sessions/{session}", headers=headers)
    assert await names(client, world, headers) == []
    world.car.report(SignalId.MOVING, False)
    assert code(await client.put(path, json=STATUS, headers=headers), 409) == "session_closed"


async def test_a_session_has_few_cards(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    cards = f"/v1/sessions/{await opened(client, headers)}/cards"
    for number in range(MOST_OF_SESSION):
        assert (await client.put(f"{cards}/c{number}", json=STATUS, headers=headers)).status_code == 200
    assert code(await client.put(f"{cards}/more", json=STATUS, headers=headers), 409) == "too_many_cards"
    assert (await client.put(f"{cards}/c0", json=STATUS, headers=headers)).status_code == 200, "in its own place"
    twice = {**STATUS, "buttons": [OPEN, OPEN]}
    assert code(await client.put(f"{cards}/c0", json=twice, headers=headers), 422) == "same_button"
    for template in ("media", "call"):
        refused = await client.put(f"{cards}/c0", json={**STATUS, "template": template}, headers=headers)
        assert code(refused, 422) == "validation"


async def test_who_holds_a_key_does_not_see_what_others_show(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    _, token, top = await world.owner()
    friend, theirs = await world.app()
    await world.give_friend_key(friend, top, PROFILES["access"])
    session, path = await opened(client, auth(token)), f"/v1/vehicles/{world.vehicle.id}/head-unit"
    assert code(await client.get(path, headers=auth(theirs)), 404) == "unknown_vehicle"
    foreign = await client.put(f"/v1/sessions/{session}/cards/x", json=ROUTE, headers=auth(theirs))
    assert code(foreign, 404) == "unknown_session"
    _, narrow = await world.app("session.connect")
    assert code(await client.get(path, headers=auth(narrow)), 403) == "insufficient_scope"
    refused = await client.put(f"/v1/sessions/{session}/cards/x", json=ROUTE, headers=auth(narrow))
    assert code(refused, 403) == "insufficient_scope"


@pytest.mark.parametrize(
    ("live", "state"),
    [
        ({}, "unknown"),
        ({SignalId.MOVING: False}, "parked"),
        ({SignalId.SPEED: 0.0}, "parked"),
        ({SignalId.MOVING: False, SignalId.SPEED: 3.0}, "moving"),
        ({SignalId.MOVING: True, SignalId.SPEED: 0.0}, "moving"),
        ({SignalId.SPEED: -2.0}, "moving"),
    ],
)
def test_what_a_car_does_by_what_it_tells(live: dict[SignalId, bool | float], state: str) -> None:
    assert driving(live) == state
    assert RULES[Driving.UNKNOWN] == RULES[Driving.MOVING]
