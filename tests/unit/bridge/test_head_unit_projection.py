"""A card goes from an app over a real gateway to the screen of the simulated car, and a press the other way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import httpx
import pytest

from keygw.client.connection import Connection
from keygw.model.signal import SignalId
from keygw_sim.head_unit.cards import Pressed
from keygw_sim.head_unit.head_unit import Around, HeadUnit, KnownKey
from keygw_sim.head_unit.picture import picture
from keygw_sim.head_unit.projection import MAX_PRESSES, Projection

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

BUTTONS = [{"name": "open", "label": "Open"}]
PARCEL = {"template": "status", "title": "A parcel is here", "buttons": BUTTONS}
ROUTE = {"template": "navigation", "title": "To bay 4", "lines": ["Left in 200 m"]}


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
async def gateway(world: World, client: httpx.AsyncClient) -> AsyncIterator[Connection]:
    _, token, _ = await world.owner()
    world.car.up(None)
    world.car.report(SignalId.MOVING, False)
    connection = Connection(str(client.base_url), token)
    yield connection
    await connection.close()


async def test_a_card_comes_to_the_screen_and_a_press_back(world: World, gateway: Connection) -> None:
    car, link = Street(), Projection(gateway, world.vehicle.id)
    unit = HeadUnit(car, world.clock, link.pressed)
    session = (await gateway.ask("POST", "/v1/sessions", body={}))["session"]["id"]
    cards = f"/v1/sessions/{session}/cards"
    for name, card in (("parcel", PARCEL), ("route", ROUTE)):
        await gateway.ask("PUT", f"{cards}/{name}", body=card)
    await link.look(unit)
    assert "A parcel is here" in picture(unit)
    assert "[Open]" in picture(unit)
    unit.press(session, "parcel", "open")
    await link.look(unit)
    await world.heard("keygw.card.action", session_id=session, card="parcel", button="open")

    world.car.report(SignalId.MOVING, True)
    await link.look(unit)
    assert "To bay 4" in picture(unit)
    assert "A parcel is here" not in picture(unit), "it drives"
    await gateway.ask("DELETE", f"/v1/sessions/{session}")
    await link.look(unit)
    assert unit.view()["cards"] == []


async def test_a_press_on_a_card_that_is_gone_is_forgotten(world: World, gateway: Connection) -> None:
    link = Projection(gateway, world.vehicle.id)
    unit = HeadUnit(Street(), world.clock, link.pressed)
    session = (await gateway.ask("POST", "/v1/sessions", body={}))["session"]["id"]
    await gateway.ask("PUT", f"/v1/sessions/{session}/cards/parcel", body=PARCEL)
    await link.look(unit)
    for _ in range(MAX_PRESSES + 3):
        unit.press(session, "parcel", "open")
    await gateway.ask("DELETE", f"/v1/sessions/{session}/cards/parcel")
    await link.look(unit)
    assert unit.view()["cards"] == []
    link.pressed(Pressed(session, "parcel", "open"))
    await link.look(unit)
