"""The JavaScript session over Web Bluetooth: Chromium, BlueZ on a private bus, a radio, and the car behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bluetooth_page import Street, street_of
from keygw_sim.scenarios.world import World

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("dbus")]

SCOPE = "vehicle.read command.lock command.unlock key.read key.share key.manage"
ENTER = (Path(__file__).parent / "js_phone.js").read_text()
CLICK = """(action) => { document.body.onclick = () => {
  document.body.onclick = null;
  window.tapped = action ? window.t.tap(action, { air: 'bluetooth' }) : window.t.meet('bluetooth');
}; }"""


async def clicked(street: Street, action: str | None, *, choose: bool = True) -> Any:
    """A tap from a click, a meeting without an action. The chooser takes the first device, or nobody chooses."""
    await street.page.evaluate(CLICK, action)
    async with street.choosing(lambda: street.page.mouse.click(5, 5), choose=choose), asyncio.timeout(40):
        return await street.page.evaluate("() => window.tapped")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def street(world: World) -> AsyncIterator[Street]:
    async with street_of(world, "401", "400") as made:
        await made.page.goto("/")
        await made.page.evaluate(ENTER, [await world.shown_code(), SCOPE])
        yield made


async def test_a_browser_unlocks_over_bluetooth(street: Street) -> None:
    first = await clicked(street, "unlock")
    assert (first.get("outcome"), first.get("road"), first.get("receipt")) == ("done", "full", 0), first
    assert first["steps"] == ["searching", "near", "verifying", "asked", "done"]
    assert not await street.locked()
    second = await clicked(street, "lock")
    assert (second.get("outcome"), second.get("road")) == ("done", "fast"), second
    assert await street.locked()


async def test_a_meeting_stays_and_tells_what_the_car_says(street: Street) -> None:
    assert await clicked(street, None) == "met"
    await street.page.wait_for_function("() => window.t.signals.length > 3")
    for action, number in (("unlock", 1), ("lock", 2), ("unlock", 1)):
        assert await street.page.evaluate("(action) => window.t.command(action)", action) == ["done", number]
    assert not await street.locked()
    await street.world.radio.ask(do="cut")
    async with asyncio.timeout(10):
        assert await street.page.evaluate("() => window.t.ended") == "link_lost"
    assert not await street.page.evaluate("() => window.t.meeting.alive")


async def test_nobody_chooses(street: Street) -> None:
    told = await clicked(street, "lock", choose=False)
    assert (told["code"], told["step"], told["mayHaveHappened"]) == ("chooser_cancelled", "searching", False), told


async def test_an_adapter_that_is_gone(street: Street) -> None:
    assert await street.page.evaluate("() => window.t.bluetooth.state()") == "ok"
    await street.bluez.ask(do="unplug")
    await street.page.wait_for_function("async () => await window.t.bluetooth.state() === 'off'")
    await street.bluez.ask(do="plug")
