"""The console in real Chromium, on a studio with a world of processes behind it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from browsing import shoot, usable_by_all, visiting
from keygw_sim.scenarios.world import World
from keygw_sim.studio.__main__ import people
from keygw_sim.studio.attach import attach, equip
from keygw_sim.studio.room import Room

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def room(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Room]:
    async with World(tmp_path_factory.mktemp("console"), name="Aurora", seed="console") as world:
        equip(world)
        await people(world)
        async with attach(world) as room:
            yield room


@asynccontextmanager
async def console(browser: Browser, room: Room, **how: Any) -> AsyncIterator[Page]:
    async with visiting(browser, room.url, **how) as (page, _):
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.goto(room.link().removeprefix(room.url))
        await page.locator(".badge.ok", has_text="Live").or_(page.get_by_text("实时", exact=True)).first.wait_for()
        yield page


async def test_every_byte_of_an_unlock_is_seen_by_keyboard_alone(browser: Browser, room: Room) -> None:
    async with console(browser, room, desk=True) as page:
        assert "enter" not in page.url, "the launch code leaves the address"
        await page.get_by_role("button", name="Unlock", exact=True).click()
        await page.keyboard.press("/")
        await page.keyboard.type("type:CMD unlock")
        row = page.get_by_role("option").last
        await row.wait_for()
        await page.keyboard.press("Enter")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="CMD").wait_for()
        await page.get_by_role("button", name="action").click()
        assert await page.locator(".hex .lit").count() == 1, "the byte of the field is shown among the others"
        assert await page.get_by_text("protocols/key_session/README.md#messages").is_visible()
        await shoot(page, "console-detail")
        await usable_by_all(page)
        await page.locator("#list").focus()
        await page.keyboard.press("c")
        await page.get_by_text("Copied.").wait_for()
        assert json.loads(await page.evaluate("() => navigator.clipboard.readText()"))["message"]["name"] == "CMD"
