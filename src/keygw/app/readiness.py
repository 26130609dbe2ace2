"""Can the gateway do its work? Each thing it stands on is tried, quickly, and not more often than once in a while."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import structlog

from keygw.bridge.fault import describe

Check = Callable[[], Awaitable[str | None]]
"""Raises where something is wrong. What keeps the gateway from a part of its work alone is told in a few words: it is
ready then, or nobody could reach it to do the rest."""

OK, FAILED = "ok", "failed"

TIMEOUT_SECONDS = 2.0
KEPT_SECONDS = 1.0
"""Strangers may ask: however often they do, the work is done once in that time."""
LEAST_FREE_BYTES = 64 * 2**20
"""On the disk of the data directory; less is one burst of writes from none."""

log = structlog.get_logger(__name__)


class NotReady(Exception):
    """A check that failed by itself."""


class Readiness:
    """``await readiness()``: each check's name -> ``OK``, ``FAILED``, or what it says. All run at once, each for
    ``timeout`` seconds at most."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        clock: Callable[[], float] = time.monotonic,
        *,
        timeout: float = TIMEOUT_SECONDS,
        kept: float = KEPT_SECONDS,
    ) -> None:
        self._checks = dict(checks)
        self._clock = clock
        self._timeout = timeout
        self._kept = kept
        self._known: tuple[float, dict[str, str]] | None = None
        self._asking: asyncio.Task[dict[str, str]] | None = None
        self._failed: set[str] = set()

    async def __call__(self) -> Mapping[str, str]:
        if self._known is not None and self._clock() - self._known[0] < self._kept:
            return self._known[1]
        if self._asking is None:
            # One task for all who ask: a caller that leaves must not take the answer from the others.
            self._asking = asyncio.get_running_loop().create_task(self._ask(), name="readiness")
        return await asyncio.shield(self._asking)

    async def _ask(self) -> dict[str, str]:
        try:
            names = list(self._checks)
            said = await asyncio.gather(*(self._try(name) for name in names))
            found = dict(zip(names, said, strict=True))
            self._known = (self._clock(), found)
            return found
        finally:
            self._asking = None

    async def _try(self, name: str) -> str:
        """The log tells of a failure once, and once more when it is over."""
        try:
            async with asyncio.timeout(self._timeout):
                said = await self._checks[name]()
        except Exception as error:
            if name not in self._failed:
                log.error("not_ready", check=name, code=getattr(error, "code", None), **describe(error))
            self._failed.add(name)
            return FAILED
        if name in self._failed:
            log.warning("ready_again", check=name)
        self._failed.discard(name)
        return said or OK


def disk_space(directory: Path, least: int = LEAST_FREE_BYTES) -> Check:
    """Is there room for what comes next?"""

    async def check() -> None:
        usage = await asyncio.to_thread(shutil.disk_usage, directory)
        if usage.free < least:
            raise NotReady

    return check


def signing(sign: Callable[[bytes], bytes]) -> Check:
    """Does the issuer's key sign? Beside the loop, which must not wait for a slow HSM: any thread may sign."""

    async def check() -> None:
        await asyncio.to_thread(sign, b"keygw: is this key usable?")

    return check


def confirmed(restored_unconfirmed: Callable[[], Awaitable[bool]]) -> Check:
    """Were the data put back from a backup? Until an operator confirms them nothing is issued; all else goes on."""

    async def check() -> str | None:
        if await restored_unconfirmed():
            return "issues nothing until the data are confirmed: keygw verify, then keygw restore --confirm"
        return None

    return check
