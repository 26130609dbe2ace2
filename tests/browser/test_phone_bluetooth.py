"""The phone page at the car itself: Web Bluetooth of Chromium, BlueZ on a private bus, a radio, and the car behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from browsing import chromium, settle, shoot, usable_by_all, visiting
from chooser import choosing
from keygw_sim.processes import Child
from keygw_sim.scenarios.world import PHONE, World
from phone_page import pair

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("dbus")]

ENDED = '#doing[data-phase="done"], #doing[data-phase="failed"], #doing[data-phase="unsure"]'


@dataclass
class Street:
    """The page with a key of the car, on a machine with a Bluetooth adapter."""

    page: Page
    bluez: Child
    world: World

    async def locked(self) -> bool:
        return bool((await self.world.car.ask(do="status"))["body"]["locked"])

    async def idle(self) -> None:
        await self.page.locator('#doing[data-phase="idle"]').wait_for(state="attached")

    async def said(self) -> str:
        """The phase in which the tap ended."""
        await self.page.locator(ENDED).wait_for()
        return await self.page.locator("#doing").get_attribute("data-phase") or ""

    async def press(self) -> None:
        await self.page.locator("#tap").click()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def street(world: World) -> AsyncIterator[Street]:
    async with AsyncExitStack() as stack:
        bluez = await stack.enter_async_context(
            Child("keygw_sim.bluez", "--transport", world.transports[PHONE], "--follow-stdin")
        )
        browser: Browser = await stack.enter_async_context(chromium(DBUS_SYSTEM_BUS_ADDRESS=bluez.ready["address"]))
        page, watch = await stack.enter_async_context(visiting(browser, world.url))
        watch.allow("401", "400", "ERR_INTERNET_DISCONNECTED")
        await pair(page, world)
        yield Street(page, bluez, world)


async def test_a_tap_opens_the_chooser_and_the_car_and_the_next_needs_none(street: Street) -> None:
    page = street.page
    await page.locator('#way[data-way="bluetooth"]').wait_for()
    await page.locator('#fact-lock[data-quality="live"]').wait_for()
    await street.idle()
    async with choosing(page, street.bluez, street.press):
        assert await street.said() == "done", await page.locator(".tap").inner_text()
    assert not await street.locked()
    await page.get_by_role("button", name="Lock", exact=True).wait_for()
    await street.idle()
    await street.press()  # the session stays: no chooser
    assert await street.said() == "done", await page.locator(".tap").inner_text()
    assert await street.locked()
    await settle(page)
    await usable_by_all(page)
    await shoot(page, "phone-bluetooth")


async def test_without_a_network_it_opens_the_car_all_the_same(street: Street) -> None:
    page = street.page
    await street.idle()
    await street.world.radio.ask(do="cut")  # as if somebody had walked away
    await page.context.set_offline(True)
    try:
        await page.get_by_role("button", name="Unlock", exact=True).wait_for()
        async with choosing(page, street.bluez, street.press):
            assert await street.said() == "done", await page.locator(".tap").inner_text()
        assert not await street.locked()
        await page.get_by_role("button", name="Lock", exact=True).wait_for()
        await usable_by_all(page)
        await shoot(page, "phone-bluetooth-offline")
    finally:
        await page.context.set_offline(False)


async def test_nobody_chooses_and_nothing_has_happened(street: Street) -> None:
    page, before = street.page, await street.locked()
    await street.idle()
    await street.world.radio.ask(do="cut")
    async with choosing(page, street.bluez, street.press, choose=False):
        assert await street.said() == "failed"
    assert await street.locked() is before
    await usable_by_all(page)
    await shoot(page, "phone-bluetooth-no-choice")


async def test_an_adapter_that_is_switched_off_leaves_the_internet(street: Street) -> None:
    page = street.page
    await street.bluez.ask(do="unplug")
    await page.locator('#way[data-way="relay"]').wait_for()
    await page.locator("#way").click()
    await page.locator('input[name="way"][value="bluetooth"]').wait_for()
    assert await page.locator('input[name="way"][value="bluetooth"]').is_disabled()
    await usable_by_all(page)
    await shoot(page, "phone-bluetooth-off")
    await street.bluez.ask(do="plug")
    await page.get_by_role("button", name="Done").click()
    await page.locator('#way[data-way="bluetooth"]').wait_for()


async def test_at_a_simulated_car_it_takes_the_relay_and_says_so(street: Street) -> None:
    page = street.page
    await page.goto("/phone/#/simulator")
    for _ in range(2):
        await page.locator(".banner.simulator").wait_for()
        await page.locator('#way[data-way="relay"]').wait_for()
        await page.reload()
    await page.locator("#tap").wait_for()
    await usable_by_all(page)
    await shoot(page, "phone-simulator")
