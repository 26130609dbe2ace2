"""What apps send into a car and what is answered there, over HTTP; and what the car's doings mean for apps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.bridge.distraction import MOST
from keygw.bridge.offer_ports import OFFER_SECONDS
from keygw.bridge.session_watch import LOST_SECONDS
from keygw.client.connection import Connection
from keygw.model.signal import SignalId
from keygw_sim.head_unit.head_unit import Around, HeadUnit, KnownKey
from keygw_sim.head_unit.projection import Projection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.unit.bridge.conftest import World

    Auth = Callable[[str], dict[str, str]]

HARBOUR = {"name": "Harbour Street 5", "latitude": 53.5459, "longitude": 9.9695}
PLACE = {"type": "destination", "destination": HARBOUR}
WORDS = {"type": "voice", "voice": {"intent": "navigation.home", "text": "take me home"}}


class Street:
    """A car that stands until it is told to move."""

    moving = False

    def open_pairing(self) -> int:
        raise AssertionError("nobody pairs here")

    def remove_key(self, key_id: str) -> None:
        raise AssertionError(f"nobody removes {key_id}")

    def known_keys(self) -> Sequence[KnownKey]:
        return ()

    def around(self) -> Sequence[Around]:
        return ()


@pytest.fixture
async def token(world: World) -> str:
    _, token, _ = await world.owner()
    world.car.up(None)
    world.car.report(SignalId.MOVING, False)
    return token


@pytest.fixture
def headers(token: str, auth: Auth) -> dict[str, str]:
    return auth(token)


async def opened(client: httpx.AsyncClient, headers: dict[str, str], **more: Any) -> str:
    response = await client.post("/v1/sessions", json=more, headers=headers)
    assert response.status_code == 201, response.text
    return str(response.json()["session"]["id"])


async def state(client: httpx.AsyncClient, headers: dict[str, str], session: str) -> tuple[str, str | None]:
    told = (await client.get(f"/v1/sessions/{session}", headers=headers)).json()
    return told["state"], told["reason"]


def code(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    return str(response.json()["code"])


async def test_a_destination_goes_to_the_screen_and_the_answer_back(
    world: World, client: httpx.AsyncClient, headers: dict[str, str], token: str
) -> None:
    session = await opened(client, headers)
    sent = await client.post(f"/v1/sessions/{session}/events", json=PLACE, headers=headers)
    assert sent.status_code == 201, sent.text
    again = await client.post(f"/v1/sessions/{session}/events", json=PLACE, headers=headers)
    assert again.json()["id"] == sent.json()["id"], "the same is one offer"
    gateway = Connection(str(client.base_url), token)
    try:
        car, link = Street(), Projection(gateway, world.vehicle.id)
        unit = HeadUnit(car, world.clock, link.pressed)
        car.moving = True
        await link.look(unit)
        await link.look(unit)
        prompts = unit.view()["prompts"]
        assert [(prompt["ask"], prompt["about"]) for prompt in prompts] == [("destination", "Harbour Street 5")]
        unit.answer(prompts[0]["number"], True)
        assert unit.view()["destination"] == {**HARBOUR, "app": "app"}
        await link.look(unit)
    finally:
        await gateway.close()
    event = await world.heard("keygw.session.answered", id=sent.json()["id"], state="accepted")
    assert "53.5459" not in str(event.data), "where somebody goes is in no event"
    path = f"/v1/sessions/{session}/events/{sent.json()['id']}"
    assert (await client.get(path, headers=headers)).json()["state"] == "accepted"
    world.clock.now += OFFER_SECONDS
    assert code(await client.get(path, headers=headers), 404) == "unknown_event"


async def test_words_go_both_ways(world: World, client: httpx.AsyncClient, headers: dict[str, str], token: str) -> None:
    session = await opened(client, headers)
    assert (await client.post(f"/v1/sessions/{session}/events", json=WORDS, headers=headers)).status_code == 201
    gateway = Connection(str(client.base_url), token)
    try:
        link = Projection(gateway, world.vehicle.id)
        unit = HeadUnit(Street(), world.clock, link.pressed)
        await link.look(unit)
        assert unit.view()["voice"] == [{"app": "app", "text": "take me home"}]
        link.say(session, "key.share", "share it with Ann")
        link.say("ses_aaaaaaaaaaaaaaaa", "key.share")
        await link.look(unit)
    finally:
        await gateway.close()
    await world.heard("keygw.session.voice", session_id=session, intent="key.share", text="share it with Ann")


async def test_an_answer_is_given_once(world: World, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    session = await opened(client, headers)
    sent = (await client.post(f"/v1/sessions/{session}/events", json=PLACE, headers=headers)).json()
    words = (await client.post(f"/v1/sessions/{session}/events", json=WORDS, headers=headers)).json()
    path = f"/v1/vehicles/{world.vehicle.id}/head-unit:answer"
    for _ in range(2):
        yes = await client.post(path, json={"event_id": sent["id"], "accept": True}, headers=headers)
        assert yes.status_code == 204
    no = await client.post(path, json={"event_id": sent["id"], "accept": False}, headers=headers)
    assert code(no, 409) == "event_answered"
    spoken = await client.post(path, json={"event_id": words["id"], "accept": True}, headers=headers)
    assert code(spoken, 404) == "unknown_event", "words are heard, not answered"
    mixed = {"type": "voice", "destination": HARBOUR}
    refused = await client.post(f"/v1/sessions/{session}/events", json=mixed, headers=headers)
    assert code(refused, 422) == "wrong_event"


async def test_apps_hear_when_driving_changes_what_they_may(
    world: World, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await opened(client, headers)
    world.car.report(SignalId.MOVING, True)
    moving = await world.heard("keygw.permission.changed", driving="moving")
    assert moving.data["templates"] == ["navigation"]
    await world.heard("keygw.capability.changed", because="driving")
    world.car.down()
    await world.heard("keygw.capability.changed", because="link")


async def test_who_asks_again_and_again_for_what_distracts_loses_the_session(
    world: World, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    session = await opened(client, headers)
    world.car.report(SignalId.MOVING, True)
    card = {"template": "status", "title": "Look here"}
    for n in range(MOST + 1):
        assert await state(client, headers, session) == ("active", None), n
        put = await client.put(f"/v1/sessions/{session}/cards/ad", json=card, headers=headers)
        assert code(put, 423) == "driving_restricted"
    assert await state(client, headers, session) == ("closed", "driver_distraction")


async def test_a_session_ends_with_the_engine_if_it_was_to(
    world: World, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    screen = await opened(client, headers, closes_on=["ignition_off"])
    key = await opened(client, headers)
    world.car.report(SignalId.ENGINE_RUNNING, True)
    world.car.report(SignalId.ENGINE_RUNNING, False)
    await world.bridge.session_watch.look()
    assert await state(client, headers, screen) == ("closed", "ignition_off")
    assert await state(client, headers, key) == ("active", None)


async def test_a_link_is_lost_when_it_stays_away(
    world: World, client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    session = await opened(client, headers, closes_on=["link_lost"])
    world.car.down()
    world.clock.now += LOST_SECONDS - 1
    await world.bridge.session_watch.look()
    world.car.up(None)
    world.clock.now += LOST_SECONDS
    await world.bridge.session_watch.look()
    assert await state(client, headers, session) == ("active", None), "it came back in time"
    world.car.down()
    world.clock.now += LOST_SECONDS
    await world.bridge.session_watch.look()
    assert await state(client, headers, session) == ("closed", "link_lost")
