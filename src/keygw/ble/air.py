"""``Air`` over Bluetooth: find a vehicle, connect, subscribe, read INFO, and hand out the link."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from bleak import BleakClient
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import BaseBleakScanner
from bleak_retry_connector import establish_connection

from keygw.ble import bluez
from keygw.ble.faults import LINK_TIMEOUT, OUT_OF_RANGE, RADIO_BUSY, RADIO_UNAVAILABLE, fault, link_error
from keygw.ble.link import QUEUE_FRAMES, BleLink
from keygw.ble.scanner import Found, SharedScanner
from keygw.ble.slots import Slots
from keygw.ble.states import Life, Stage, Step, Watcher
from keygw.model.errors import LinkError
from keygw.vehicle.ports import Sighting
from keygw.wire import gatt

if TYPE_CHECKING:
    from keygw.ble.bumble_host import HciOpener

ATTEMPTS = 3
"""Connections tried within one ``open``; each after a fresh scan, because BlueZ repeats a stale failure for ever."""
TRY_S = 2.0
"""So long, and half of the remaining time, each but the last may take."""
SYSTEM_SLOTS = 5
"""Connections at once of the operating system's adapter: what the cheap ones hold."""
BOARD_SLOTS = 128
"""Of a controller of our own, where nobody says otherwise."""
IDLE_S = 5.0
"""Over a link that gives way to who waits for a slot nothing has gone for so long."""
ANSWER_S = 20.0
"""For so long if an answer may be due: nobody waits longer for one."""
STALE_S = 1.0
"""Who was heard longer ago than that may have another address by now."""
LOOK_S = 0.25
"""How often who waits for a slot looks for such a link."""
CONNECT_ATTEMPTS = 2
"""Of which each may be tried twice by the connector, which knows the backends' passing moods."""


class BleAir:
    """One Bluetooth adapter. Backends are injected; ``system`` and ``bumble`` make the usual two.

    ``release`` is awaited by ``close``, after every link and scan has ended. ``slots``: connections that it can hold at
    once. ``watcher`` hears of each stage of each link.
    """

    def __init__(
        self,
        scanner_backend: type[BaseBleakScanner] | None = None,
        client_backend: type[BaseBleakClient] | None = None,
        *,
        release: Callable[[], Awaitable[None]] | None = None,
        queue: int = QUEUE_FRAMES,
        slots: int = SYSTEM_SLOTS,
        watcher: Watcher = lambda stage: None,
    ) -> None:
        self.slots = Slots(slots)
        self._watcher = watcher
        self._scanner = SharedScanner(scanner_backend)
        self._client_backend = client_backend
        self._release = release
        self._queue = queue
        self._links: set[BleLink] = set()
        self._work: set[asyncio.Task[Any]] = set()
        self._leaving: set[asyncio.Task[None]] = set()
        self._closed = False

    @classmethod
    def system(cls, *, slots: int = SYSTEM_SLOTS) -> BleAir:
        """The operating system's adapter, through bleak's own backend."""
        return cls(slots=slots)

    @classmethod
    def bumble(
        cls,
        transport: str | HciOpener,
        *,
        queue: int = QUEUE_FRAMES,
        slots: int = BOARD_SLOTS,
        watcher: Watcher = lambda stage: None,
    ) -> BleAir:
        """An HCI controller of our own: the virtual radio, a dongle, a board. Opened on first use.

        When its transport dies, links end, scans and connections fail with ``radio_unavailable``, and the next use
        opens it again.
        """
        from keygw.ble.bumble_backend import bumble_backends  # noqa: PLC0415 - half a second that `system` need not pay
        from keygw.ble.bumble_host import BumbleHost  # noqa: PLC0415

        host = BumbleHost(transport)
        scanner, client = bumble_backends(host)
        air = cls(scanner, client, release=host.close, queue=queue, slots=slots, watcher=watcher)
        host.on_lost(lambda: air.radio_lost("the HCI transport was lost"))
        return air

    def radio_lost(self, detail: str) -> None:
        """Tell everybody who scans that the radio has gone."""
        self._scanner.fail(fault(RADIO_UNAVAILABLE, detail))

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        self._check_open()
        heard = await self._scanner.collect(seconds)
        return [Sighting(found.rotating_id, found.rssi) for found in heard.values()]

    async def listen(self, hear: Callable[[Sighting], None]) -> None:
        """Until it is cancelled: hand on everything with our service UUID that is heard. ``LinkError`` when the radio
        fails. Scans all the time, and rests only while a connection is made."""
        self._check_open()
        await self._scanner.listen(lambda found: hear(Sighting(found.rotating_id, found.rssi)))

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> BleLink:
        self._check_open()
        attempt = _Attempt(asyncio.get_running_loop().time() + timeout, set(avoid), Life(self._watcher))
        work = asyncio.ensure_future(self._open(wanted, attempt))
        self._track(work)
        try:
            await asyncio.wait({work}, timeout=timeout)
        except asyncio.CancelledError:
            # Even if it is done: in the very turn in which it was, nobody else has its link.
            self._abandon(work, attempt)
            raise
        came_to = attempt.life.stage
        if not work.done():
            self._abandon(work, attempt)
        if work.cancelled():
            raise fault(RADIO_UNAVAILABLE, "closed here", retryable=False)
        if work.done():
            return work.result()
        if attempt.last is not None:
            raise attempt.last
        raise fault(_TOO_LATE.get(came_to, LINK_TIMEOUT))

    async def close(self) -> None:
        """End every link, scan and attempt, then the radio. Never raises; may be called twice."""
        self._closed = True
        self.radio_lost("closed here")
        for task in list(self._work):
            task.cancel()
        for link in list(self._links):
            await link.close()
        if self._work:
            await asyncio.wait(self._work, timeout=2.0)
        if self._release is not None:
            with contextlib.suppress(Exception):
                await self._release()

    async def _open(self, wanted: Callable[[bytes], bool], attempt: _Attempt) -> BleLink:
        try:
            attempt.link = await self._try(wanted, attempt)
        finally:
            if attempt.link is None:
                self._let_go(attempt)
                attempt.life.gone()
        return attempt.link

    async def _slot(self) -> None:
        """One of the adapter's connections: a free one, or that of a link over which nothing goes."""
        turn = asyncio.ensure_future(self.slots.take())
        try:
            while not turn.done():
                await asyncio.wait({turn}, timeout=LOOK_S)
                if not turn.done():
                    self._make_room()
            turn.result()
        except asyncio.CancelledError:
            if not turn.cancel() and turn.exception() is None:
                self.slots.give_back()
            raise

    def _make_room(self) -> None:
        """End one idle link for each who waits, and no more: an end takes its time."""
        if len(self._leaving) >= self.slots.waiting:
            return
        now = asyncio.get_running_loop().time()

        def idle(link: BleLink) -> bool:
            return not link.closed and now - link.last_at >= (ANSWER_S if link.expecting else IDLE_S)

        longest = min(filter(idle, self._links), key=lambda link: link.last_at, default=None)
        if longest is not None:
            leaving = asyncio.ensure_future(longest.close())
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            self._track(leaving)

    async def _try(self, wanted: Callable[[bytes], bool], attempt: _Attempt) -> BleLink:
        for remaining in reversed(range(ATTEMPTS)):
            found = await self._meet(wanted, attempt)
            try:
                async with asyncio.timeout(attempt.share() if remaining else None):
                    return await self._connect(found, attempt.life)
            except TimeoutError:
                attempt.last = fault(LINK_TIMEOUT)
            except LinkError as error:
                attempt.last = error
                if not error.retryable or not remaining or error.code == RADIO_UNAVAILABLE:
                    raise
            attempt.life.step(Step.AGAIN)
            self._let_go(attempt)
            attempt.avoid.add(found.device.address)
            if self._client_backend is None:
                await bluez.clear(found.device)
        raise AssertionError("unreachable")

    async def _meet(self, wanted: Callable[[bytes], bool], attempt: _Attempt) -> Found:
        """Heard just now, with a slot to connect in: who only searches needs none, and keeps none from anybody."""
        clock, life = asyncio.get_running_loop().time, attempt.life
        found = await self._scanner.find(wanted, attempt.avoid)
        life.step(Step.HEARD)
        began = clock()
        await self._slot()
        attempt.slot = True
        if clock() - began > STALE_S:
            life.step(Step.AGAIN)
            found = await self._scanner.find(wanted, attempt.avoid)
            life.step(Step.HEARD)
        life.step(Step.SLOT)
        return found

    def _let_go(self, attempt: _Attempt) -> None:
        if attempt.slot:
            attempt.slot = False
            self.slots.give_back()

    async def _connect(self, found: Found, life: Life) -> BleLink:
        link = BleLink(found.device.address, queue=self._queue)
        try:
            async with self._scanner.quiet():
                link.adopt(await self._establish(found.device, link))
            life.step(Step.LINKED)
            await link.attach()
            life.step(Step.READY)
            link.lives(life, self.slots.give_back)
        except BaseException as error:
            await link.close()
            if isinstance(error, Exception):
                raise link_error(error) from error
            raise
        self._links = {old for old in self._links if not old.closed} | {link}
        return link

    async def _establish(self, device: BLEDevice, link: BleLink) -> BleakClient:
        return await establish_connection(
            BleakClient,
            device,
            device.name or device.address,
            link.on_disconnected,
            max_attempts=CONNECT_ATTEMPTS,
            backend=self._client_backend,
            services=[gatt.SERVICE],
        )

    def _check_open(self) -> None:
        if self._closed:
            raise fault(RADIO_UNAVAILABLE, "closed here", retryable=False)

    def _track(self, task: asyncio.Task[Any]) -> None:
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def _abandon(self, work: asyncio.Task[BleLink], attempt: _Attempt) -> None:
        """It cleans up behind itself, with the adapter held; its caller does not wait for that."""
        work.add_done_callback(partial(self._discard, attempt))
        work.cancel()

    def _discard(self, attempt: _Attempt, work: asyncio.Task[BleLink]) -> None:
        """A link that was ready just after its caller had gone."""
        if not work.cancelled():
            work.exception()  # Looked at, so that asyncio does not report it as forgotten.
        if attempt.link is not None:
            self._track(asyncio.ensure_future(attempt.link.close()))


_TOO_LATE = {Stage.WAITING: RADIO_BUSY, Stage.SEARCHING: OUT_OF_RANGE}
"""What it was that took too long."""


class _Attempt:
    """How far an ``open`` has come, for the next try, and for the error when its time is up."""

    def __init__(self, until: float, avoid: set[str], life: Life) -> None:
        self.until = until
        self.avoid = avoid
        self.life = life
        self.slot = False
        """Whether it holds a slot that no link has yet."""
        self.link: BleLink | None = None
        self.last: LinkError | None = None

    def share(self) -> float:
        """Seconds that one of several tries may take: who never answers must leave time for another."""
        return min(TRY_S, (self.until - asyncio.get_running_loop().time()) / 2)
