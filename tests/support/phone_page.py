"""What stories of the phone page are made of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from keygw_sim.scenarios.world import World

if TYPE_CHECKING:
    from playwright.async_api import Page

_ENDED = '#doing[data-phase="done"], #doing[data-phase="failed"], #doing[data-phase="unsure"]'


async def pair(page: Page, world: World) -> None:
    """From the first screen to a key, by the code that the car shows; in either language."""
    await page.goto("/phone/")
    await page.locator("#to-pair").click()
    await page.locator("#code").fill(await world.shown_code())
    await page.locator("#name").fill("Aurora")
    await page.locator("form button[type=submit]").click()
    await page.locator("#tap").wait_for()


def press(page: Page) -> Callable[[], Awaitable[None]]:
    """A click on the large action."""
    return page.locator("#tap").click


async def idle(page: Page) -> None:
    """Nothing is under way, and nothing is said of what was."""
    await page.locator('#doing[data-phase="idle"]').wait_for(state="attached")


async def ended(page: Page) -> str:
    """The phase in which a tap has ended: done, failed or unsure."""
    await page.locator(_ENDED).wait_for()
    return await page.locator("#doing").get_attribute("data-phase") or ""
