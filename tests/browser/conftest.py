"""One browser, and for each module a world of processes: radio, gateway, car. Tests share the session's event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from browsing import chromium, missing
from keygw_sim.scenarios.world import World

if TYPE_CHECKING:
    from playwright.async_api import Browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(require: Callable[[str, bool, str], None]) -> AsyncIterator[Browser]:
    """Chromium; skips where there is none."""
    lacking = missing()
    require("chromium", not lacking, lacking)
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A gateway and a car that nobody owns yet, on a virtual radio: each in a process of its own."""
    folder: Path = tmp_path_factory.mktemp("world")
    async with World(folder, seed="browser") as started:
        started.options["car"] = ("--control",)
        await started.start_radio()
        await started.start_gateway()
        await started.start_car()
        await started.provision()
        yield started
