"""The JavaScript session at a real car: in Chromium, from a gateway's own files, through that gateway's relay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browsing import visiting
from keygw_sim.scenarios.world import World

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCOPE = (
    "vehicle.read status.security.read command.lock command.unlock command.trunk command.start "
    "key.read key.share key.manage"
)
ENTER = (Path(__file__).parent / "js_phone.js").read_text()


async def locked(world: World) -> bool:
    return bool((await world.car.ask(do="status"))["body"]["locked"])


async def tap(page: Page, action: str) -> dict[str, Any]:
    told: dict[str, Any] = await page.evaluate("(action) => window.t.tap(action)", action)
    return told


async def test_a_browser_unlocks_the_car_through_the_relay(browser: Browser, world: World) -> None:
    async with visiting(browser, world.url) as (page, watch):
        watch.allow("401", "400")  # a nonce is asked for, a pairing is pending
        await page.goto("/")
        made = await page.evaluate(ENTER, [await world.shown_code(), SCOPE])
        assert made["vehicle"] == world.vehicle_id

        first = await tap(page, "unlock")
        assert (first.get("outcome"), first.get("road"), first.get("receipt")) == ("done", "full", 0), first
        assert first["steps"] == ["searching", "near", "verifying", "asked", "done"]
        assert not await locked(world)

        second = await tap(page, "lock")
        assert (second.get("outcome"), second.get("road"), second.get("receipt")) == ("done", "fast", 0), second
        assert await locked(world)

        await page.reload()  # what is kept survives: the keys, which nobody can read out, the grant, the fast pair
        await page.evaluate(ENTER, [None, SCOPE])
        await page.evaluate("(vehicle) => { window.t.vehicle = vehicle; }", world.vehicle_id)
        third = await tap(page, "unlock")
        assert (third.get("outcome"), third.get("road")) == ("done", "fast"), third

        refused = await tap(page, "start_engine")
        assert (refused.get("outcome"), refused.get("ok"), refused.get("road")) == ("not_entitled", False, "full"), (
            refused
        )
