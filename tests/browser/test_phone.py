"""The phone page in real Chromium: pair, unlock through the relay, share, take back; what it says when that fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from browsing import settle, shoot, usable_by_all, visiting
from keygw_sim.scenarios.world import World
from phone_page import ended, pair

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def town(browser: Browser, tmp_path: Path) -> AsyncIterator[World]:
    """A gateway and a car of one test's own, for stories that begin before there is an owner."""
    async with World(tmp_path, seed="phone") as started:
        await started.start_radio()
        await started.start_gateway()
        await started.start_car()
        await started.provision()
        yield started


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
        await opened(page)
        await shoot(page, "phone-unlocked")
        await page.get_by_role("button", name="Lock", exact=True).wait_for()
        assert (await world.car.ask(do="status"))["body"]["locked"] is False


async def opened(page: Page, label: str = "Unlock") -> None:
    """Tap, and see it done. ``AssertionError`` with what the page says instead."""
    await page.get_by_role("button", name=label, exact=True).click()
    assert await ended(page) == "done", await page.locator(".tap").inner_text()


async def share(page: Page, name: str, *, shots: bool = False) -> tuple[str, str]:
    """Through the wizard; the link, and the activation code."""
    await page.goto("/phone/#/share")
    await page.locator("#share-new").click()
    await page.locator("#who").fill(name)
    for step in ("who", "what"):
        if shots:
            await usable_by_all(page)
            await shoot(page, f"phone-share-{step}")
        await page.get_by_role("button", name="Next").click()
    if shots:
        await shoot(page, "phone-share-when")
    await page.get_by_role("button", name="Make the link").click()
    await page.locator("#made-link, #fault").first.wait_for()
    assert not await page.locator("#fault").count(), await page.locator("#fault").inner_text()
    link = await page.locator("#made-link").input_value()
    code = (await page.locator("#activation-code").inner_text()).replace(" ", "")
    if shots:
        await usable_by_all(page)
        await shoot(page, "phone-share-made")
    await page.get_by_role("button", name="Done").click()
    return link, code


async def test_a_key_is_shared_used_suspended_resumed_and_revoked(browser: Browser, town: World) -> None:
    async with visiting(browser, town.url) as (owner, _), visiting(browser, town.url) as (friend, told):
        await pair(owner, town)
        await owner.goto("/phone/#/share")
        await owner.get_by_text("Nobody else has a key").wait_for()
        await usable_by_all(owner)
        await shoot(owner, "phone-share-empty")
        link, code = await share(owner, "Nia", shots=True)
        await owner.locator('[data-standing="invited"]').wait_for()
        await shoot(owner, "phone-share-invited")

        await friend.goto("/phone/#/accept/" + link.rpartition("/")[2].replace("#", "/"))
        await friend.locator("#activation").wait_for()
        assert friend.url.endswith("#/accept"), "the secret does not stay in the address"
        await usable_by_all(friend)
        await shoot(friend, "phone-accept")
        told.allow("403")
        await friend.locator("#activation").fill(f"{(int(code) + 1) % 10**6:06d}")
        await friend.get_by_role("button", name="Accept the key").click()
        await friend.get_by_text("That is not the activation code").wait_for()
        await shoot(friend, "phone-accept-wrong-code")
        await friend.locator("#activation").fill(code)
        await friend.get_by_role("button", name="Accept the key").click()
        await friend.locator("#tap").wait_for()
        await friend.get_by_text("Shared key").first.wait_for()
        await opened(friend)
        assert (await town.car.ask(do="status"))["body"]["locked"] is False

        await owner.locator('[data-standing="active"] button, [data-standing="issued"] button').click()
        await owner.locator('[data-do="suspend"]').click()
        await owner.locator("#ask").get_by_role("button", name="Suspend").click()
        await owner.locator('#person .badge:has-text("Suspended")').wait_for()
        await shoot(owner, "phone-person-suspended")
        await friend.get_by_text("Your key is suspended").wait_for()
        await usable_by_all(friend)
        await shoot(friend, "phone-key-suspended")
        await owner.locator('[data-do="resume"]').click()
        await friend.get_by_role("button", name="Lock", exact=True).wait_for()

        # A page that has not heard of the end yet is told by what refuses.
        told.allow("ERR_FAILED")
        await friend.route("**/v1/*", lambda route: route.abort())
        await friend.route("**/v1/keys**", lambda route: route.abort())
        await owner.locator('[data-do="revoke"]').click()
        await owner.locator("#ask").get_by_role("button", name="Revoke").click()
        await owner.locator('#person .badge:has-text("Revoked")').wait_for()
        await shoot(owner, "phone-person-revoked")
        await friend.locator("#tap").click()
        await friend.locator('#doing[data-phase="failed"]').wait_for()
        await friend.get_by_text("Why did it not work?").click()
        await settle(friend)
        await usable_by_all(friend)
        await shoot(friend, "phone-why-revoked")
        assert "key_revoked" in await friend.locator("#why").inner_text()
