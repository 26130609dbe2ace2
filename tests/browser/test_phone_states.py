"""The phone page where things are not as they should be: no network, no car, a wrong code; other tabs and languages."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

import httpx
import pytest

from browsing import settle, shoot, usable_by_all, visiting
from keygw_sim.scenarios.world import World
from phone_page import pair

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

WEB = Path(__file__).resolve().parents[2] / "src/keygw/web"
MOST_JS = 150_000
LCP_MS = 1000.0


def drawn(page: Page, phase: str) -> str:
    return f'#doing[data-phase="{phase}"]'


@pytest.mark.asyncio(loop_scope="session")
async def test_a_wrong_code_is_said_with_its_way_out(browser: Browser, world: World) -> None:
    async with visiting(browser, world.url) as (page, watch):
        watch.allow("400")
        code = await world.shown_code()
        await page.goto("/phone/#/pair")
        await page.locator("#code").fill("123")
        await page.get_by_role("button", name="Pair", exact=True).click()
        await page.get_by_text("The code has 8 digits.").wait_for()
        await page.locator("#code").fill(f"{(int(code) + 1) % 10**8:08d}")
        await page.get_by_role("button", name="Pair", exact=True).click()
        await page.get_by_text("That is not the code the car shows").wait_for()
        await usable_by_all(page)
        await shoot(page, "phone-pair-wrong-code")


@pytest.mark.asyncio(loop_scope="session")
async def test_one_phone_in_all_its_states(browser: Browser, world: World) -> None:
    """One phone from its pairing on, because a car that has an owner shows no second code by itself."""
    async with visiting(browser, world.url) as (page, watch):
        await pair(page, world)
        await page.locator('#fact-lock[data-quality="live"]').wait_for()
        await usable_by_all(page)

        # The fast path: the second tap needs one round trip.
        told = ""
        for label in ("Unlock", "Lock"):
            await page.get_by_role("button", name=label, exact=True).click()
            await page.locator(drawn(page, "done")).wait_for()
            told = await page.locator("#doing").inner_text()
            await page.locator(drawn(page, "idle")).wait_for()
        assert "fast path" in told

        # A reload in the middle: the key is still here, and nothing claims to be under way.
        await page.locator("#tap").click()
        await page.reload()
        await page.locator('#tap[data-phase="idle"]').wait_for()
        assert await page.locator("#doing").inner_text() == ""

        # Two tabs: one device, one key, and both see what one did.
        other = await page.context.new_page()
        await other.goto("/phone/")
        await other.locator("#tap").wait_for()
        for each in (page, other):
            await each.locator("#tap").click()
        for each in (page, other):
            await each.locator('#doing[data-phase="done"], #doing[data-phase="idle"]').first.wait_for()
        await other.close()

        await page.goto("/phone/#/activity")
        await page.locator(".line").first.wait_for()
        await usable_by_all(page)
        await shoot(page, "phone-activity")
        await page.goto("/phone/#/more")
        await page.locator("#to-lost").wait_for()
        await usable_by_all(page)
        await shoot(page, "phone-more")
        await page.goto("/phone/#/way")
        await page.locator("#ways").wait_for()
        await usable_by_all(page)
        await shoot(page, "phone-way")

        # A door that opens swings in the drawing, and the words say which one.
        await page.goto("/phone/#/key")
        await world.car.ask(do="door", door="driver", open=True)
        await page.get_by_role("button", name="Look again").click()
        await page.locator('#car-door-fl[data-state="open"]').wait_for()
        await page.get_by_text("Open: front left").wait_for()
        await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        await settle(page)
        await usable_by_all(page)
        await shoot(page, "phone-key-dark")
        await page.set_viewport_size({"width": 1280, "height": 800})
        await usable_by_all(page)
        await shoot(page, "phone-key-desk-dark")
        await page.emulate_media(color_scheme="light", reduced_motion="reduce")
        await shoot(page, "phone-key-desk")
        await page.set_viewport_size({"width": 390, "height": 844})

        # No network: the page opens from what it has kept, says how old it is, and a tap says why.
        watch.allow("ERR_INTERNET_DISCONNECTED", "net::ERR", "WebSocket", "Failed to fetch")
        await page.locator('html[data-kept="yes"]').wait_for(state="attached")
        await page.context.set_offline(True)
        await page.reload()
        await page.locator("#offline").wait_for()
        await page.locator('#fact-lock[data-quality="stale"]').wait_for()
        await settle(page)
        await usable_by_all(page)
        await shoot(page, "phone-offline")
        await page.locator("#tap").click()
        await page.locator(drawn(page, "failed")).wait_for()
        await page.get_by_text("Why did it not work?").click()
        await settle(page)
        await shoot(page, "phone-why-offline")
        await page.context.set_offline(False)
        await page.locator("#offline").wait_for(state="detached")

        # Chinese, all over.
        await page.goto("/phone/#/more")
        await page.get_by_role("button", name="中文").click()
        for place in ("key", "share", "activity", "more"):
            await page.goto(f"/phone/#/{place}")
            await settle(page)
            await usable_by_all(page)
            await shoot(page, f"phone-{place}-zh")
            assert await page.locator("html").get_attribute("lang") == "zh-CN"

        # The car is gone: the step that failed is named.
        await page.goto("/phone/#/key")
        await world.car.kill()
        await page.locator("#tap").click()
        await page.locator(drawn(page, "failed")).wait_for()
        await page.locator("summary").click()
        await settle(page)
        await usable_by_all(page)
        await shoot(page, "phone-why-out-of-range-zh")
        assert await page.locator('.why-steps [data-how="fail"]').count() == 1


def test_every_word_is_there_in_both_languages(require: Callable[[str, bool, str], None]) -> None:
    node = which("node")
    require("node", node is not None, "node is not installed")
    script = """
      const { EN } = await import('./words/en.js'); const { ZH } = await import('./words/zh.js');
      const why = await import('./words/en_why.js'); const zh = await import('./words/zh_why.js');
      const { CODES } = await import('./model/why.js');
      console.log(JSON.stringify([EN, ZH, why.WHY_EN, zh.WHY_ZH, why.SAYS_EN, zh.SAYS_ZH, CODES]));
    """
    line = [str(node), "--input-type=module", "-e", script]
    done = subprocess.run(line, cwd=WEB / "phone", capture_output=True, text=True, timeout=30, check=True)
    en, zh, why_en, why_zh, says_en, says_zh, codes = json.loads(done.stdout)
    assert en.keys() == zh.keys()
    assert says_en.keys() == says_zh.keys()
    assert why_en.keys() == why_zh.keys() == {*codes, "other"}
    for key, text in en.items():
        places = sorted(re.findall(r"\{(\w+)\}", text))
        assert places == sorted(re.findall(r"\{(\w+)\}", zh[key])), key
        assert text, key
        assert zh[key], key
    used: set[str] = set()
    for path in (WEB / "phone").rglob("*.js"):
        used.update(re.findall(r"\bt\('([a-z][\w.]*)'", path.read_text("utf-8")))
    assert used <= en.keys(), used - en.keys()


def test_the_page_names_every_module_that_it_needs() -> None:
    """Fetched at once, not one after the other's imports were read."""
    needed: set[Path] = set()

    def walk(path: Path) -> None:
        for name in re.findall(r"^(?:import|export)[^;]*?from ['\"](\.[^'\"]+)['\"]", path.read_text("utf-8"), re.M):
            found = (path.parent / name).resolve()
            if found not in needed:
                needed.add(found)
                walk(found)

    walk(WEB / "phone/main.js")
    page = (WEB / "phone/index.html").read_text("utf-8")
    named = {(WEB / "phone" / name).resolve() for name in re.findall(r'modulepreload" href="([^"]+)"', page)}
    assert named == needed


@pytest.mark.asyncio(loop_scope="session")
async def test_it_is_light_and_quickly_there(browser: Browser, world: World) -> None:
    async with visiting(browser, world.url) as (page, _):
        got: set[str] = set()
        page.on("request", lambda request: got.add(request.url) if request.url.endswith(".js") else None)
        await page.add_init_script(
            "new PerformanceObserver((list) => { window.painted = list.getEntries().at(-1).startTime; })"
            ".observe({ type: 'largest-contentful-paint', buffered: true })"
        )
        await page.goto("/phone/")
        await page.locator("#to-pair").wait_for()
        await settle(page)
        await page.wait_for_function("() => window.painted > 0")
        assert await page.evaluate("window.painted") < LCP_MS
        async with httpx.AsyncClient() as client:
            files = [(await client.get(url)).content for url in sorted(got)]
        assert sum(len(gzip.compress(each, 9)) for each in files) < MOST_JS
