"""The screen in the car, in real Chromium, served by a simulated car in a process of its own."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from browsing import settle, shoot, usable_by_all, visiting
from keygw_sim.scenarios.world import World
from until import until

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

CARD = {
    "template": "navigation",
    "title": "Harbour Street 5",
    "lines": ["12 minutes", "Turn left in 300 m"],
    "buttons": [{"name": "stop", "label": "End route"}],
}


def control(world: World) -> tuple[str, str]:
    told = json.loads((world.folder / "car" / "control.json").read_text())
    return told["url"], told["token"]


@asynccontextmanager
async def screen(browser: Browser, world: World, **how: Any) -> AsyncIterator[Page]:
    url, token = control(world)
    async with visiting(browser, url, **how) as (page, _):
        await page.goto(f"/head-unit/#token={token}")
        await page.get_by_role("heading", name=world.name).wait_for()
        yield page


async def drive(world: World, speed: int) -> None:
    url, token = control(world)
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}) as hands:
        answer = await hands.post("/cars/1", json={"do": "drive", "kmh": speed} if speed else {"do": "park"})
        assert answer.status_code == 200, answer.text


async def test_somebody_in_the_car_lets_a_phone_in_and_the_code_is_the_cars(browser: Browser, world: World) -> None:
    async with screen(browser, world, desk=True) as page:
        assert "token" not in page.url, "the token leaves the address"
        await shoot(page, "head-unit-quiet")
        await page.get_by_role("button", name="Pair a phone").click()
        await page.get_by_role("heading", name="Show a code?").wait_for()
        await usable_by_all(page)
        await shoot(page, "head-unit-question")
        await page.get_by_role("button", name="Allow").click()
        shown = page.locator(".digits")
        await shown.wait_for()
        await usable_by_all(page)
        await shoot(page, "head-unit-code")
        code = re.sub(r"\D", "", await shown.inner_text())
        told = [event["code"] for event in world.car.events if event.get("event") == "pairing_code"]
        assert code == told[-1]


async def test_a_card_is_pressed_and_hidden_on_the_road(browser: Browser, world: World) -> None:
    await world.car.ask(do="card", app="Maps", name="route", card=CARD)
    await world.car.ask(do="card", app="Key", name="key", card={**CARD, "template": "key", "title": "Your key"})
    async with screen(browser, world, desk=True, dark=True) as page:
        await page.get_by_role("heading", name="Your key").wait_for()
        await usable_by_all(page)
        await shoot(page, "head-unit-cards-dark")
        await page.get_by_role("button", name="End route").first.click()
        await until(lambda: any(event.get("event") == "card_pressed" for event in world.car.events))
        pressed = next(event for event in world.car.events if event.get("event") == "card_pressed")
        assert (pressed["app"], pressed["button"]) == ("Maps", "stop")
        await world.car.ask(do="set", body={"engine_running": True})
        await drive(world, 50)
        await page.get_by_role("heading", name="Your key").wait_for(state="detached")
        assert await page.get_by_text("Driving").is_visible()
        assert await page.get_by_role("button", name="Pair a phone").is_disabled()
        await shoot(page, "head-unit-driving-dark")
        await drive(world, 0)
        await page.get_by_role("heading", name="Your key").wait_for()


async def test_small_and_in_chinese(browser: Browser, world: World) -> None:
    async with screen(browser, world, language="zh-CN") as page:
        await page.get_by_role("button", name="配对手机").wait_for()
        await settle(page)
        await usable_by_all(page)
        await shoot(page, "head-unit-phone-zh")
        await page.get_by_role("button", name="English").click()
        await page.get_by_role("button", name="Pair a phone").wait_for()
        assert await page.locator("html").get_attribute("lang") == "en"


async def test_a_wrong_token_is_told_and_another_can_be_typed(browser: Browser, world: World) -> None:
    url, token = control(world)
    async with visiting(browser, url) as (page, watch):
        watch.allow("401")
        await page.goto("/head-unit/")
        await page.get_by_label("The car's token").fill("wrong")
        await page.get_by_role("button", name="Open the screen").click()
        await page.get_by_role("alert").wait_for()
        await usable_by_all(page)
        await shoot(page, "head-unit-token")
        await page.get_by_label("The car's token").fill(token)
        await page.get_by_role("button", name="Open the screen").click()
        await page.get_by_role("heading", name=world.name).wait_for()


async def test_at_a_gateway_there_is_no_car_and_the_page_says_how_to_get_one(browser: Browser, world: World) -> None:
    async with visiting(browser, world.url) as (page, watch):
        watch.allow("404")
        await page.goto("/head-unit/#token=any")
        await page.get_by_text("keygw sim vehicle").wait_for()
        await usable_by_all(page)
        await shoot(page, "head-unit-no-car")
