"""Real Chromium on pages of a real gateway: watched, so that no page may complain, or fetch from elsewhere, unseen."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page

SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-features=WebBluetooth", "--font-render-hinting=none",
)  # fmt: skip
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
PATIENCE_MS = 10_000.0
"""How long a page may take for one step: far more than it does, for a loaded machine."""
SHOTS = Path(__file__).resolve().parents[2] / "build" / "pictures"
"""Where pictures of every state go."""


def chromium_path() -> str | None:
    """The browser of this machine, if it has one."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    return None


def missing() -> str:
    """What is not here that browser tests need; ``""`` if nothing is."""
    try:
        import playwright.async_api  # noqa: F401 - it has no wheel for every platform
    except ImportError:
        return "playwright has no wheel for this platform"
    return "" if chromium_path() else "no Chromium here: apt-get install chromium fonts-noto-cjk"


@asynccontextmanager
async def chromium(**environment: str) -> AsyncIterator[Browser]:
    """A browser of its own, headless. ``environment``: more variables, such as the address of a system bus."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(), args=list(SWITCHES), env={**os.environ, **environment}
        )
        try:
            yield browser
        finally:
            await browser.close()


class Watch:
    """What pages of one context said and fetched that they should not have. ``allow`` names what a test provokes."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self._base = urlsplit(base).netloc
        self._allowed: list[str] = []
        self.faults: list[str] = []
        self.errors: list[str] = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self.errors.append(f"page error: {error.error}"))
        context.on("request", self._request)

    def allow(self, *parts: str) -> None:
        """Console errors that hold one of these texts are expected, such as the ``409`` of a refused key."""
        self._allowed += parts

    def judge(self) -> None:
        """``AssertionError`` with all that went wrong."""
        errors = [text for text in self.errors if not any(part in text for part in self._allowed)]
        assert not self.faults + errors, "\n".join(self.faults + errors)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Any) -> None:
        place = urlsplit(request.url)
        if place.scheme in ("http", "https", "ws", "wss") and place.netloc != self._base:
            self.faults.append(f"a request to elsewhere: {request.url}")


@asynccontextmanager
async def visiting(
    browser: Browser, base: str, *, language: str = "en", dark: bool = False, desk: bool = False, still: bool = True
) -> AsyncIterator[tuple[Page, Watch]]:
    """A page of a person's own browser: nothing in it from others. Leaving it judges what was watched."""
    context = await browser.new_context(
        base_url=base,
        locale=language,
        color_scheme="dark" if dark else "light",
        viewport=DESK if desk else PHONE,  # type: ignore[arg-type]  # a TypedDict of the same two numbers
        device_scale_factor=1 if desk else 2,
        has_touch=not desk,
        reduced_motion="reduce" if still else "no-preference",
        timezone_id="UTC",
    )
    context.set_default_timeout(PATIENCE_MS)
    watch = Watch(context, base)
    try:
        yield await context.new_page(), watch
        watch.judge()
    finally:
        await context.close()


async def shoot(page: Page, name: str) -> Path:
    """A picture of what is seen now, in ``build/pictures``."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / f"{name}.png"
    await page.screenshot(path=path, animations="disabled")
    return path


async def usable_by_all(page: Page) -> None:
    """axe-core finds nothing against the page as it is now. ``AssertionError`` names each rule and place."""
    from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # it has no types

    found = (await Axe().run(page)).response["violations"]
    told = [
        f"{fault['id']} ({fault['impact']}): {fault['help']}\n    "
        + "\n    ".join(f"{node['target']}: {node.get('failureSummary', '')}" for node in fault["nodes"][:4])
        for fault in found
    ]
    assert not told, "\n".join(told)


async def settle(page: Page) -> None:
    """Until the page has drawn what it knows."""
    await page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    await asyncio.sleep(0)
