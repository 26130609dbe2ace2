"""A page of Chromium whose Web Bluetooth is BlueZ on a private bus, over a radio with the car behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from browsing import chromium, visiting
from keygw_sim.processes import Child
from keygw_sim.scenarios.world import PHONE, World

if TYPE_CHECKING:
    from playwright.async_api import Page

SECONDS = 30


@dataclass
class Street:
    """``bluez``: the machine's adapter, which can be told to go."""

    page: Page
    bluez: Child
    world: World

    async def locked(self) -> bool:
        return bool((await self.world.car.ask(do="status"))["body"]["locked"])

    @asynccontextmanager
    async def choosing(self, click: Callable[[], Awaitable[object]], *, choose: bool = True) -> AsyncIterator[None]:
        """``click`` opens the browser's chooser, as only a person's click may; it takes the first device, or is closed.
        In the block it has been answered."""
        await self.bluez.ask(do="remove")  # else the chooser offers the car's former addresses as well
        session = await self.page.context.new_cdp_session(self.page)
        offered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def prompted(prompt: dict[str, Any]) -> None:
            if not offered.done() and (prompt["devices"] or not choose):
                offered.set_result(prompt)

        session.on("DeviceAccess.deviceRequestPrompted", prompted)
        await session.send("DeviceAccess.enable")
        try:
            await click()
            async with asyncio.timeout(SECONDS):
                prompt = await offered
            answer: dict[str, Any] = {"id": prompt["id"]}
            if choose:
                await session.send("DeviceAccess.selectPrompt", {**answer, "deviceId": prompt["devices"][0]["id"]})
            else:
                await session.send("DeviceAccess.cancelPrompt", answer)
            yield
        finally:
            await session.detach()


@asynccontextmanager
async def street_of(world: World, *allowed: str) -> AsyncIterator[Street]:
    """``allowed``: what the page's console may complain of."""
    async with AsyncExitStack() as stack:
        bluez = await stack.enter_async_context(
            Child("keygw_sim.bluez", "--transport", world.transports[PHONE], "--follow-stdin")
        )
        browser = await stack.enter_async_context(chromium(DBUS_SYSTEM_BUS_ADDRESS=bluez.ready["address"]))
        page, watch = await stack.enter_async_context(visiting(browser, world.url))
        watch.allow(*allowed)
        yield Street(page, bluez, world)
