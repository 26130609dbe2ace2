"""What stories of the phone page begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

    from keygw_sim.scenarios.world import World


async def pair(page: Page, world: World) -> None:
    """From the first screen to a key, by the code that the car shows."""
    await page.goto("/phone/")
    await page.locator("#to-pair").click()
    await page.locator("#code").fill(await world.shown_code())
    await page.locator("#name").fill("Aurora")
    await page.get_by_role("button", name="Pair", exact=True).click()
    await page.locator("#tap").wait_for()
