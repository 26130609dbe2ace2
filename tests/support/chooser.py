"""The chooser of Web Bluetooth, which only a person's click opens, answered through the DevTools protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.async_api import Page

    from keygw_sim.processes import Child

SECONDS = 30


@asynccontextmanager
async def choosing(
    page: Page, bluez: Child, click: Callable[[], Awaitable[object]], *, choose: bool = True
) -> AsyncIterator[None]:
    """``click`` opens the chooser; it takes the first device, or is closed. In the block it has been answered."""
    await bluez.ask(do="remove")  # else the chooser offers the car's former addresses as well
    session = await page.context.new_cdp_session(page)
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
