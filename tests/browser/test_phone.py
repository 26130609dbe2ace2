"""The phone page in real Chromium: pair, unlock through the relay, share, take back; what it says when that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from browsing import settle, shoot, usable_by_all, visiting
from keygw_sim.scenarios.world import World

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def pair(page: Page, world: World) -> None:
    """From the first screen to a key, by the code that the car shows."""
    await page.goto("/phone/")
    await page.locator("#to-pair").click()
    await page.locator("#code").fill(await world.shown_code())
    await page.locator("#name").fill("Aurora")
    await page.get_by_role("button", name="Pair", exact=True).click()
    await page.locator("#tap").wait_for()


async def test_from_the_code_in_the_car_to_an_unlocked_car(browser: Browser, world: World) -> None:
    async with visiting(browser, world.url) as (page, _):
        await page.goto("/phone/")
        await page.locator("#to-pair").wait_for()
        await usable_by_all(page)
        await shoot(page, "phone-welcome")
        await pair(page, world)
        await page.locator('#fact-lock[data-quality="live"]').wait_for()
        await settle(page)
        await shoot(page, "phone-key")
        await page.get_by_role("button", name="Unlock", exact=True).click()
        await page.locator('#doing[data-phase="done"]').wait_for()
        await shoot(page, "phone-unlocked")
        await page.get_by_role("button", name="Lock", exact=True).wait_for()
        assert (await world.car.ask(do="status"))["body"]["locked"] is False
