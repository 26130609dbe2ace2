"""The console in real Chromium, on a studio with a world of processes behind it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from browsing import settle, shoot, usable_by_all, visiting
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


VIEWS = ("Trace", "Lanes", "Requests", "Events", "Keys", "Attacks", "Charts")


async def test_every_view_is_usable_by_all_in_the_light(browser: Browser, room: Room) -> None:
    await every_view(browser, room, "light", desk=True)


async def test_every_view_is_usable_by_all_in_the_dark(browser: Browser, room: Room) -> None:
    await every_view(browser, room, "dark", desk=True, dark=True)


async def every_view(browser: Browser, room: Room, name: str, **how: Any) -> None:
    async with console(browser, room, **how) as page:
        await page.get_by_role("button", name="Phone: lock").click()
        await page.get_by_text("Outcome:").wait_for()
        await page.get_by_role("button", name="Unlock", exact=True).click()
        for view in VIEWS:
            await page.get_by_role("navigation").get_by_role("button", name=view).click()
            await page.locator("[aria-current=page]", has_text=view).wait_for()
            await page.get_by_text("Loading...").wait_for(state="detached")
            if view == "Requests":
                await page.get_by_role("option").last.click()
                await page.get_by_text("202").first.wait_for()
            await shoot(page, f"console-{view.lower()}-{name}")
            await usable_by_all(page)


async def test_a_request_leads_to_its_frames(browser: Browser, room: Room) -> None:
    async with console(browser, room, desk=True) as page:
        await page.get_by_role("button", name="Open trunk").click()
        await page.get_by_role("navigation").get_by_role("button", name="Requests").click()
        await page.get_by_role("option").last.click()
        await page.locator("dd .linklike").click()
        arrows = page.locator(".say")
        await page.locator(".say", has_text="CMD").wait_for()
        told = [await arrow.text_content() for arrow in await arrows.all()]
        assert any("POST commands" in (each or "") for each in told)
        assert any("CMD" in (each or "") for each in told)
        assert all("HELLO" not in (each or "") for each in told)
        await shoot(page, "console-request-frames")


async def test_an_attack_fails_and_the_cars_reason_is_shown(browser: Browser, room: Room) -> None:
    async with console(browser, room, desk=True) as page:
        await page.get_by_role("navigation").get_by_role("button", name="Attacks").click()
        await page.get_by_label("Find an attack").fill("replay-same-car")
        await page.get_by_role("button", name="Attack", exact=True).click()
        await page.get_by_text("The car held").wait_for()
        assert await page.get_by_text("log: refused protocol_violation").is_visible()
        await shoot(page, "console-attack")
        await usable_by_all(page)
        await page.get_by_role("button", name="See its").click()
        await page.get_by_role("option", name="refused").first.wait_for()
        await shoot(page, "console-attack-frames")
        await page.get_by_role("button", name="Back to live").click()
        await page.locator(".badge.ok", has_text="Live").wait_for()


SMALL = (
    ("跟踪", "list"), ("时序", "lanes"), ("操作", "hands"), ("钥匙", "keys"), ("攻击", "attacks"), ("图表", "charts"),
)  # fmt: skip


@pytest.mark.parametrize("dark", [False, True])
async def test_small_and_in_chinese(browser: Browser, room: Room, dark: bool) -> None:
    async with console(browser, room, language="zh-CN", dark=dark) as page:
        name = "dark" if dark else "light"
        for view, shown in SMALL:
            await page.get_by_role("navigation").get_by_role("button", name=view).click()
            await page.locator(f"#{shown}, .{shown}").first.wait_for()
            await shoot(page, f"console-phone-zh-{shown}-{name}")
            await usable_by_all(page)
            assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), view


async def test_a_session_becomes_a_test_that_runs(browser: Browser, room: Room, tmp_path: Path) -> None:
    async with console(browser, room, desk=True) as page:
        await page.get_by_role("button", name="Phone: lock").click()
        await page.get_by_text("Outcome:").wait_for()
        await page.get_by_role("button", name="Unlock", exact=True).click()
        await page.get_by_role("button", name="Lock", exact=True).wait_for()
        await page.locator(".menu summary").click()
        await page.get_by_role("button", name="Copy as pytest").click()
        await page.get_by_text("Copied.").wait_for()
        text = await page.evaluate("() => navigator.clipboard.readText()")
    assert '("phone", {"do": "ask", "action": "lock", "wait": 3}' in text
    assert '("app", {"action": "unlock"}, {"state": "confirmed"})' in text, text
    file = tmp_path / "test_session_of_the_console.py"
    file.write_text(text)
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file), cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(90):
        said, _ = await running.communicate()
    assert running.returncode == 0, said.decode()


async def test_a_trace_goes_out_and_comes_in_again(browser: Browser, room: Room) -> None:
    async with console(browser, room, desk=True) as page:
        await page.locator(".menu summary").click()
        async with page.expect_download() as going:
            await page.get_by_role("button", name="Export as btsnoop").click()
        capture = await (await going.value).path()
        await page.locator("input[type=file]").set_input_files(capture)
        await page.get_by_text("Imported:").wait_for()
        await page.get_by_role("option", name="sealed").first.wait_for()
        await page.locator(".menu summary").click()
        async with page.expect_download() as going:
            await page.get_by_role("button", name="Export as JSON lines").click()
        text = await asyncio.to_thread(Path(await (await going.value).path()).read_text)
        assert json.loads(text.splitlines()[0])["kind"] == "connected"


RECORD: dict[str, Any] = {
    "n": 1, "at": 1795483974.5, "link": "0001", "kind": "frame", "by": "device", "state": "open", "fields": [],
    "raw": "c430dc0e7a70c19cb94f32a3171078bdd0d64fcc0d85fdc822",
    "frame": {"sequence": 4, "first": True, "last": True, "operation": "write_request", "handle": 16},
    "message": {
        "type": 48, "name": "CMD", "bytes": 24, "frames": 1, "opened": True,
        "spec": "protocols/key_session/README.md#messages",
        "fields": [
            {"name": "number", "value": 2561826667, "at": 2, "bytes": 5, "secret": False},
            {"name": "action", "value": "lock", "at": 7, "bytes": 1, "secret": False},
            {"name": "tag", "value": "4f32a3171078bdd0d64fcc0d85fdc822", "at": 8, "bytes": 16, "secret": False},
        ],
    },
    "verdict": {"word": "ok", "code": "", "detail": "", "at": None, "spec": ""},
}  # fmt: skip
TRACED = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline", "__metadata"]
SCROLL = """async () => {
  const list = document.getElementById("list");
  list.focus();
  let most = 0;
  for (let step = 0; step < 120; step += 1) {
    list.scrollTop = (step * 7919 * 28) % list.scrollHeight;
    await new Promise((drawn) => requestAnimationFrame(drawn));
    most = Math.max(most, document.querySelectorAll(".line").length);
  }
  return most;
}"""
PATIENT_MS = 60_000.0
"""For a file of megabytes on a loaded machine."""
LONG_TASK_MS, HEAP_BYTES, ROWS_IN_DOM = 50, 50 << 20, 45


async def test_twenty_thousand_frames_scroll_without_stutter_at_a_real_car(
    browser: Browser, world: World, tmp_path: Path
) -> None:
    lines = "\n".join(json.dumps({**RECORD, "n": n, "at": RECORD["at"] + n / 100}) for n in range(20_000))
    async with visiting(browser, world.url, desk=True) as (page, watch):
        watch.allow("404")
        await page.goto("/console/")
        await page.get_by_role("button", name="Only read a trace").wait_for()
        await usable_by_all(page)
        await shoot(page, "console-real-door")
        await page.get_by_role("button", name="Only read a trace").click()
        assert await page.locator(".banner.real").inner_text() == "REAL CAR"
        await shoot(page, "console-real-empty")
        file = tmp_path / "frames.jsonl"
        await asyncio.to_thread(file.write_text, lines)
        await page.locator("input[type=file]").set_input_files(file, timeout=PATIENT_MS)
        await page.get_by_text("20000 of at most 20000").wait_for(timeout=PATIENT_MS)
        await settle(page)
        cdp = await page.context.new_cdp_session(page)
        await cdp.send("Tracing.start", {"traceConfig": {"includedCategories": TRACED}, "transferMode": "ReportEvents"})
        events: list[dict[str, Any]] = []
        ended = asyncio.get_running_loop().create_future()
        cdp.on("Tracing.dataCollected", lambda told: events.extend(told["value"]))
        cdp.on("Tracing.tracingComplete", lambda _: ended.set_result(None))
        most = await page.evaluate(SCROLL)
        await cdp.send("Tracing.end")
        await ended
        main = {
            (event["pid"], event["tid"])
            for event in events
            if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
        }
        tasks = [  # of a processor's time, so that other work of this machine does not count
            event["tdur"] / 1000
            for event in events
            if event["name"].endswith("RunTask") and "tdur" in event and (event["pid"], event["tid"]) in main
        ]
        await cdp.send("HeapProfiler.collectGarbage")
        heap = (await cdp.send("Runtime.getHeapUsage"))["usedSize"]
        told = f"{most} rows in the DOM, longest of {len(tasks)} tasks {max(tasks):.1f} ms, heap {heap / 1e6:.1f} MB"
        print(f"\n20,000 frames: {told}")  # noqa: T201 - a figure that people ask for
        await shoot(page, "console-real-trace")
        assert most <= ROWS_IN_DOM
        assert heap < HEAP_BYTES
        assert len(tasks) > 100
        assert max(tasks) < LONG_TASK_MS


async def test_a_used_link_says_how_to_get_another(browser: Browser, room: Room) -> None:
    async with visiting(browser, room.url, desk=True) as (page, watch):
        watch.allow("401")
        await page.goto("/console/#enter=used")
        await page.get_by_label("Launch code").wait_for()
        await usable_by_all(page)
        await shoot(page, "console-locked")
        await page.get_by_label("Launch code").fill(room.link())
        await page.get_by_role("button", name="Open").click()
        await page.locator(".badge.ok", has_text="Live").wait_for()
