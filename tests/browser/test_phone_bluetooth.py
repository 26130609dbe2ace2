"""The phone page at the car itself: Web Bluetooth of Chromium, BlueZ on a private bus, a radio, and the car behind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bluetooth_page import Street, street_of
from browsing import settle, shoot, usable_by_all
from keygw_sim.scenarios.world import World
from phone_page import ended, idle, pair, press

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.usefixtures("dbus")]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def street(world: World) -> AsyncIterator[Street]:
    async with street_of(world, "401", "400", "ERR_INTERNET_DISCONNECTED") as made:
        await pair(made.page, world)
        yield made


async def test_a_tap_opens_the_chooser_and_the_car_and_the_next_needs_none(street: Street) -> None:
    page = street.page
    await page.locator('#way[data-way="bluetooth"]').wait_for()
    await page.locator('#fact-lock[data-quality="live"]').wait_for()
    await idle(page)
    async with street.choosing(press(page)):
        assert await ended(page) == "done", await page.locator(".tap").inner_text()
    assert not await street.locked()
    await page.get_by_role("button", name="Lock", exact=True).wait_for()
    await idle(page)
    await press(page)()  # the session stays: no chooser
    assert await ended(page) == "done", await page.locator(".tap").inner_text()
    assert await street.locked()
    await settle(page)
    await usable_by_all(page)
    await shoot(page, "phone-bluetooth")


async def test_without_a_network_it_opens_the_car_all_the_same(street: Street) -> None:
    page = street.page
    await idle(page)
    await street.world.radio.ask(do="cut")  # as if somebody had walked away
    await page.context.set_offline(True)
    try:
        await page.get_by_role("button", name="Unlock", exact=True).wait_for()
        async with street.choosing(press(page)):
            assert await ended(page) == "done", await page.locator(".tap").inner_text()
        assert not await street.locked()
        await page.get_by_role("button", name="Lock", exact=True).wait_for()
        await usable_by_all(page)
        await shoot(page, "phone-bluetooth-offline")
    finally:
        await page.context.set_offline(False)


async def test_nobody_chooses_and_nothing_has_happened(street: Street) -> None:
    page, before = street.page, await street.locked()
    await idle(page)
    await street.world.radio.ask(do="cut")
    async with street.choosing(press(page), choose=False):
        assert await ended(page) == "failed"
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
    page = await street.page.context.new_page()
    await page.goto("/phone/#/simulator")
    for _ in range(2):
        await page.locator("#tap").wait_for()
        assert await page.locator(".banner.simulator").inner_text() == "SIMULATOR"
        assert await page.locator("#way").get_attribute("data-way") == "relay"
        await page.reload()
    await page.locator("#tap").wait_for()
    await usable_by_all(page)
    await shoot(page, "phone-simulator")
    await page.close()
    await street.page.reload()  # the tab of somebody who has not come from a simulation
    await street.page.locator('#way[data-way="bluetooth"]').wait_for()
    assert not await street.page.locator(".banner").count()
