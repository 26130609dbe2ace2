"""A tap that is cut off: what the phone page says of it, and that asking again does it once at most."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import pytest
import pytest_asyncio

from browsing import shoot, usable_by_all, visiting
from keygw_sim.scenarios.world import World
from phone_page import ended, idle, pair, press

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, WebSocketRoute

pytestmark = pytest.mark.asyncio(loop_scope="session")

SECONDS = 30


@dataclass
class Relay:
    """The page's link through the gateway, with a hand on it. On the fast path HELLO is the first frame that the page
    hears, and FAST, with the command in it, the first that it sends.

    ``hand``: all passes; the link goes with HELLO; it goes behind FAST; nothing is heard any more behind FAST."""

    page: Page
    world: World
    hand: Literal["pass", "lost early", "lost late", "deaf"] = "pass"
    held: list[WebSocketRoute] = field(default_factory=list)
    """What the gateway still holds of links that the page has lost: what was sent over them arrives."""

    def take(self, route: WebSocketRoute) -> None:
        server, sent = route.connect_to_server(), False

        def outwards(message: str | bytes) -> None:
            nonlocal sent
            sent = sent or isinstance(message, bytes)
            server.send(message)
            if sent and self.hand == "lost late":
                self._lose(route)

        def inwards(message: str | bytes) -> None:
            if isinstance(message, bytes) and self.hand == "lost early":
                self._lose(route)
            elif not (sent and self.hand in ("deaf", "lost late")):
                route.send(message)

        route.on_message(outwards)
        server.on_message(inwards)

        async def gone(_code: int | None, _reason: str | None) -> None:
            if self.hand == "pass":
                await server.close()
            else:
                self.held.append(server)

        route.on_close(gone)

    def _lose(self, route: WebSocketRoute) -> None:
        self._losing = asyncio.ensure_future(route.close(code=4503, reason="link_lost"))

    async def locked(self) -> bool:
        return bool((await self.world.car.ask(do="status"))["body"]["locked"])

    async def heals(self) -> None:
        """From now on all passes."""
        self.hand = "pass"
        while self.held:
            await self.held.pop().close()


async def settled(true: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(SECONDS * 20):
        if await true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it never came true")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def relay(browser: Browser, world: World) -> AsyncIterator[Relay]:
    """A phone that has met the car before, so that the fast path is open to it; the car is unlocked."""
    async with visiting(browser, world.url) as (page, _):
        made = Relay(page, world)
        await page.route_web_socket(re.compile("/frames$"), made.take)
        await pair(page, world)
        await page.locator('#fact-lock[data-quality="live"]').wait_for()
        await tapped(made, "Unlock")
        yield made


async def tapped(relay: Relay, name: str) -> None:
    """A tap that goes well."""
    await relay.page.get_by_role("button", name=name, exact=True).wait_for()
    await press(relay.page)()
    assert await ended(relay.page) == "done", await relay.page.locator(".tap").inner_text()
    await idle(relay.page)


async def test_a_link_lost_before_the_command_left_is_a_plain_failure(relay: Relay) -> None:
    page = relay.page
    await page.get_by_role("button", name="Lock", exact=True).wait_for()
    relay.hand = "lost early"
    await press(page)()
    assert await ended(page) == "failed"
    await relay.heals()
    assert not await relay.locked()
    await tapped(relay, "Lock")
    await tapped(relay, "Unlock")


async def test_a_link_lost_behind_the_command_is_said_to_be_unsure_and_asked_again(relay: Relay) -> None:
    page = relay.page
    await page.get_by_role("button", name="Lock", exact=True).wait_for()
    relay.hand = "lost late"
    await press(page)()
    assert await ended(page) == "unsure"
    assert await page.locator("#age").get_attribute("data-quality") == "stale", "it may be another way by now"
    await settled(relay.locked)
    await usable_by_all(page)
    await shoot(page, "phone-unsure")
    await relay.heals()
    await page.get_by_role("button", name="Try again").click()
    assert await ended(page) == "done", await page.locator(".tap").inner_text()
    told = await page.locator("#doing").inner_text()
    assert told.startswith("Locked"), "with another number the car would say that it was locked already"
    await idle(page)
    await tapped(relay, "Unlock")


async def test_a_page_left_in_the_middle_says_so_when_it_comes_back(relay: Relay) -> None:
    page = relay.page
    await page.get_by_role("button", name="Lock", exact=True).wait_for()
    relay.hand = "deaf"
    await press(page)()
    await page.locator('#doing[data-phase="asked"]').wait_for()
    await settled(relay.locked)
    await page.reload()
    await relay.heals()
    assert await ended(page) == "unsure"
    assert await page.locator("#age").get_attribute("data-quality") == "stale", "it may be another way by now"
    await page.get_by_text("page_left").wait_for(state="attached")
    await usable_by_all(page)
    await shoot(page, "phone-left")
    await page.get_by_role("button", name="Try again").click()
    assert await ended(page) == "done", await page.locator(".tap").inner_text()
    assert (await page.locator("#doing").inner_text()).startswith("Locked")
