"""The JavaScript session at a real car: in Chromium, from a gateway's own files, through that gateway's relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from browsing import visiting
from keygw_sim.scenarios.world import World

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

SCOPE = (
    "vehicle.read status.security.read command.lock command.unlock command.trunk command.start "
    "key.read key.share key.manage"
)
ENTER = (Path(__file__).parent / "js_phone.js").read_text()
LISTEN = """() => {
  window.t.events = [];
  window.t.states = [];
  window.t.stop = new AbortController();
  const how = { signal: window.t.stop.signal, onState: (connected) => window.t.states.push(connected) };
  window.t.following = window.t.api.events(how, (event) => window.t.events.push(event.type));
}"""
READABLE = """async () => {
  const told = [];
  for (const [name, value] of await window.t.store.list('')) {
    for (const key of Object.values({ ...value, ...value?.fast?.pair })) {
      if (key instanceof CryptoKey && key.type !== 'public') {
        const asked = crypto.subtle.exportKey(key.type === 'secret' ? 'raw' : 'pkcs8', key);
        told.push([name, await asked.then(() => true, () => false)]);
      }
    }
  }
  return told;
}"""


@dataclass
class Browsing:
    """A page that has entered by the car's code, and holds a key of its own."""

    page: Page
    world: World
    made: dict[str, str]

    async def tap(self, action: str, page: Page | None = None) -> dict[str, Any]:
        async with asyncio.timeout(40):
            told: dict[str, Any] = await (page or self.page).evaluate("(action) => window.t.tap(action)", action)
        return told

    async def locked(self) -> bool:
        return bool((await self.world.car.ask(do="status"))["body"]["locked"])

    async def again(self, page: Page) -> None:
        """What a page does that finds everything in the store."""
        await page.goto("/")
        await page.evaluate(ENTER, [None, SCOPE])
        await page.evaluate("(vehicle) => { window.t.vehicle = vehicle; }", self.world.vehicle_id)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def phone(browser: Browser, world: World) -> AsyncIterator[Browsing]:
    async with visiting(browser, world.url) as (page, watch):
        watch.allow("401", "400", "403", "409")  # a nonce is asked for, a pairing is pending, a key is suspended
        await page.goto("/")
        made = await page.evaluate(ENTER, [await world.shown_code(), SCOPE])
        yield Browsing(page, world, made)


async def test_a_browser_unlocks_the_car_through_the_relay(phone: Browsing) -> None:
    assert phone.made["vehicle"] == phone.world.vehicle_id
    first = await phone.tap("unlock")
    assert (first.get("outcome"), first.get("road"), first.get("receipt")) == ("done", "full", 0), first
    assert first["steps"] == ["searching", "near", "verifying", "asked", "done"]
    assert not await phone.locked()
    second = await phone.tap("lock")
    assert (second.get("outcome"), second.get("road"), second.get("receipt")) == ("done", "fast", 0), second
    assert await phone.locked()
    refused = await phone.tap("start_engine")
    assert (refused.get("outcome"), refused.get("ok")) == ("not_entitled", False), refused


async def test_what_is_kept_survives_and_cannot_be_read_out(phone: Browsing) -> None:
    assert (await phone.tap("unlock")).get("outcome") == "done"
    await phone.again(phone.page)
    readable = await phone.page.evaluate(READABLE)
    assert sorted(name.split("/")[0] for name, _ in readable) == ["met", "met", "pair", "pair"]
    assert not any(exported for _, exported in readable)
    told = await phone.tap("lock")
    assert (told.get("outcome"), told.get("road")) == ("done", "fast"), told


async def test_two_tabs_are_one_phone(phone: Browsing) -> None:
    other = await phone.page.context.new_page()
    await phone.again(other)
    both = await asyncio.gather(phone.tap("unlock"), phone.tap("lock", other))
    assert all(each.get("ok") for each in both), both
    assert both[0]["number"] != both[1]["number"]
    stale = "() => window.t.api.held().then(({ access }) => window.t.api.fresh(access))"
    tokens = await asyncio.gather(phone.page.evaluate(stale), other.evaluate(stale))
    assert (await phone.tap("unlock")).get("ok"), "a refresh token used twice would have ended the grant"
    assert all(tokens)
    await other.close()


async def test_events_of_the_gateway_come_and_end(phone: Browsing) -> None:
    await phone.page.evaluate(LISTEN)
    await phone.page.wait_for_function("() => window.t.states[0] === true")
    state = await phone.page.evaluate("() => window.t.api.command(window.t.vehicle, 'lock').then(({ state }) => state)")
    assert state == "confirmed"
    await phone.page.wait_for_function("() => window.t.events.includes('keygw.command.updated')")
    async with asyncio.timeout(10):
        await phone.page.evaluate("() => { window.t.stop.abort(); return window.t.following; }")


async def test_a_suspended_key_is_refused_in_the_gateways_words(phone: Browsing) -> None:
    suspend = "(key) => window.t.api.call('POST', `/v1/keys/${key}:suspend`).then(({ status }) => status)"
    before = await phone.locked()
    assert await phone.page.evaluate(suspend, phone.made["key"]) == 200
    told = await phone.tap("unlock")
    assert (told.get("code"), told["step"], told["mayHaveHappened"]) == ("key_suspended", "searching", False), told
    assert await phone.locked() is before
