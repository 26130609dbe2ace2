"""One scan for everybody who seeks a vehicle, and never a scan while a connection is being made.

Adapters do one thing at a time (BlueZ answers ``InProgress`` to the second), so an adapter has one ``SharedScanner``:
seekers share its scan, and ``quiet`` takes the adapter for a connection while they wait.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner

from keygw.ble.faults import busy, link_error
from keygw.ble.guard import first_of
from keygw.model.errors import LinkError
from keygw.wire import gatt

START_S = 5.0
STOP_S = 2.0
LATE_S = 10.0
"""For a scan to begin that nobody waits for any more; it is stopped then."""
BUSY_S = 3.0
"""So long a scan is asked for again that the adapter puts off: BlueZ starts none in the two seconds of a link's end."""
BUSY_BACKOFF_S = 0.1
SECOND_CHOICE_S = 0.5
"""So long a seeker waits for another vehicle before it takes one that it would rather not."""


@dataclass(frozen=True, slots=True)
class Found:
    """A vehicle just heard. ``device`` is bleak's handle for connecting to it; addresses mean nothing to us."""

    rotating_id: bytes
    rssi: int | None
    device: BLEDevice


class SharedScanner:
    """Scans while anybody listens. ``backend``: a bleak scanner class, or ``None`` for the operating system's."""

    def __init__(self, backend: type[BaseBleakScanner] | None = None) -> None:
        self._backend = backend
        self._adapter = asyncio.Lock()
        self._scanner: BleakScanner | None = None
        self._listeners: dict[Callable[[Found], None], asyncio.Future[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        """Scans that nobody waits for any more, on their way to their end."""

    async def find(self, wanted: Callable[[bytes], bool], avoid: Collection[str] = ()) -> Found:
        """The first vehicle whose rotating id is ``wanted``; waits for ever. ``LinkError`` when the radio fails.

        One at an address in ``avoid`` is the second choice, taken after ``SECOND_CHOICE_S``.
        """
        first: list[Found] = []
        second: list[Found] = []

        def hear(heard: Found) -> None:
            if not wanted(heard.rotating_id):
                return
            if heard.device.address in avoid:
                second.append(heard)
                del second[:-1]
                return
            first.append(heard)
            self._finish(hear)

        await self._listen(hear, SECOND_CHOICE_S if avoid else None)
        found = [*first, *second]
        return found[0] if found else await self.find(wanted)

    async def collect(self, seconds: float) -> dict[bytes, Found]:
        """Everything heard in that time by rotating id, the latest sighting of each."""
        heard: dict[bytes, Found] = {}
        await self._listen(lambda found: heard.update({found.rotating_id: found}), seconds)
        return heard

    async def listen(self, hear: Callable[[Found], None]) -> None:
        """Hand on everything that is heard, until it is cancelled. ``LinkError`` when the radio fails."""
        await self._listen(hear, None)

    @contextlib.asynccontextmanager
    async def quiet(self) -> AsyncIterator[None]:
        """Hold the adapter, with the scan stopped; it goes on afterwards for those who still listen."""
        async with self._adapter:
            await self._stop()
            try:
                yield
            finally:
                await self._sync()

    def fail(self, error: LinkError) -> None:
        """The radio is gone: everybody who listens gets ``error``."""
        self._scanner = None
        for done in self._listeners.values():
            if not done.done():
                done.set_exception(error)

    async def _listen(self, hear: Callable[[Found], None], seconds: float | None) -> None:
        done = self._listeners[hear] = asyncio.get_running_loop().create_future()
        try:
            async with self._adapter:
                await self._sync()
            await first_of(done, done, seconds)
            if done.done():
                done.result()
        finally:
            del self._listeners[hear]
            if not done.cancel() and not done.cancelled():
                done.exception()  # Looked at, so that asyncio does not report it as forgotten.
            async with self._adapter:
                await self._sync()

    def _finish(self, hear: Callable[[Found], None]) -> None:
        done = self._listeners.get(hear)
        if done is not None and not done.done():
            done.set_result(None)

    async def _sync(self) -> None:
        """Scan if and only if somebody listens. Call with the adapter held."""
        waiting = any(not done.done() for done in self._listeners.values())
        if waiting and self._scanner is None:
            await self._start()
        elif not waiting:
            await self._stop()

    async def _start(self) -> None:
        scanner: BleakScanner | None = None
        try:
            until = asyncio.get_running_loop().time() + BUSY_S
            while True:
                scanner = BleakScanner(self._on_advertisement, [gatt.SERVICE], backend=self._backend)
                try:
                    await self._begin(scanner)
                    break
                except Exception as error:
                    if not busy(error) or asyncio.get_running_loop().time() >= until:
                        raise
                await asyncio.sleep(BUSY_BACKOFF_S)
        except Exception as error:
            self.fail(link_error(error))
            return
        self._scanner = scanner

    async def _begin(self, scanner: BleakScanner) -> None:
        """Start it. Who gives up in the middle leaves no scan behind: BlueZ would begin it all the same, and put off
        every other of this program for as long as it runs."""
        starting = asyncio.ensure_future(scanner.start())
        try:
            async with asyncio.timeout(START_S):
                await asyncio.shield(starting)
        except BaseException:
            if not starting.done():
                ending = asyncio.ensure_future(_end(scanner, starting))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
            raise

    async def _stop(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            with contextlib.suppress(Exception):  # A scan that cannot be stopped is over as far as we can tell.
                async with asyncio.timeout(STOP_S):
                    await scanner.stop()

    def _on_advertisement(self, device: BLEDevice, data: AdvertisementData) -> None:
        rotating_id = gatt.rotating_id(data.local_name)
        if rotating_id is None:
            return
        found = Found(rotating_id, data.rssi, device)
        for hear, done in list(self._listeners.items()):
            if done.done():
                continue
            try:
                hear(found)
            except Exception as error:
                done.set_exception(error)  # The seeker's own predicate failed: that is the seeker's to hear.


async def _end(scanner: BleakScanner, starting: asyncio.Future[None]) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(LATE_S):
            await starting
    with contextlib.suppress(Exception):
        async with asyncio.timeout(STOP_S):
            await scanner.stop()
