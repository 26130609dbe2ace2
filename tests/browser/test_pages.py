"""What all pages have in common: they come from the gateway alone, whole, and everybody can use them."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import httpx
import pytest

from browsing import settle, shoot, usable_by_all, visiting
from keygw_sim.scenarios.world import World

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("desk", [False, True], ids=["phone", "desk"])
async def test_the_first_page_leads_to_the_others(browser: Browser, world: World, dark: bool, desk: bool) -> None:
    async with visiting(browser, world.url, dark=dark, desk=desk) as (page, _):
        await page.goto("/")
        await settle(page)
        assert await page.get_by_role("link").count() == 4
        await usable_by_all(page)
        await shoot(page, f"home-{'desk' if desk else 'phone'}-{'dark' if dark else 'light'}")


async def test_the_api_page_draws_without_a_word_from_elsewhere(browser: Browser, world: World) -> None:
    async with visiting(browser, world.url, desk=True) as (page, _):
        await page.goto("/docs")
        await page.get_by_text("keygw bridge API").first.wait_for()
        await page.locator(".opblock-summary").first.click()
        await page.locator(".opblock-body").first.wait_for()


async def test_files_are_packed_named_by_what_is_in_them_and_asked_about_each_time(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.url) as client:
        plain = await client.get("/shared/base.css", headers={"Accept-Encoding": "identity"})
        packed = await client.get("/shared/base.css", headers={"Accept-Encoding": "gzip"})
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.content == plain.content
        assert int(packed.headers["Content-Length"]) == len(gzip.compress(plain.content, 9, mtime=0))
        again = await client.get("/shared/base.css", headers={"If-None-Match": plain.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert plain.headers["Cache-Control"] == "no-cache"


async def test_nothing_outside_the_pages_folders_is_given_out(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.url) as client:
        for path in ("/shared/../__init__.py", "/shared/%2e%2e/assets.py", "/js/..%2fassets.py", "/vendor/LICENSE"):
            answer = await client.get(path)
            assert answer.status_code == 404, path
            assert answer.json()["code"] == "no_route"
