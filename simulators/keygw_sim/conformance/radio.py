"""Links over Bluetooth: a vehicle met by bleak, on the system's adapter or on a Bumble controller.

What ``keygw.ble`` does for a gateway (retries, caches, a link that is subscribed before anybody sees it) a conformance
kit must not: here each step is one step, so that a check can look between them. Operations have their own time-outs,
and errors are those of ``keygw.ble.faults``.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from bleak import BleakClient, BleakScanner
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakError

from keygw.ble.faults import LINK_LOST, OUT_OF_RANGE, RADIO_UNAVAILABLE, busy, fault, link_error
from keygw.ble.guard import Gone, guarded
from keygw.model.errors import LinkError
from keygw.session.identity import recognises
from keygw.wire import gatt
from keygw_sim.conformance.ports import Advertised, Layout
from keygw_sim.conformance.verdict import Skip

FIND_S, CONNECT_S, OPERATION_S, DISCONNECT_S = 8.0, 8.0, 3.0, 2.0
START_S, BUSY_S = 10.0, 0.25
TRIES = 3
ANSWER_S, QUIET_S = 4.0, 0.5
PATIENCE_S = 15.0
MOST_FRAMES = 4096
SETTLE_S = 0.04
"""What was written without response is on its way; it arrives before the clocks are set ahead."""

Sleep = Callable[[float], Awaitable[None]]


class RadioGround:
    """``wanted`` tells the vehicle under test by its rotating id; ``place``: only what advertises from that address, or
    under that name, at first. ``patience``: the longest wait for a time-out of the vehicle, seconds.

    ``pass_time``: how time passes; by default it really does.
    """

    in_memory = False

    def __init__(
        self,
        advertising_key: bytes,
        scanner: type[BaseBleakScanner] | None = None,
        client: type[BaseBleakClient] | None = None,
        *,
        place: str | None = None,
        patience: float = PATIENCE_S,
        release: Callable[[], Awaitable[None]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        pass_time: Sleep | None = None,
        answer_s: float = ANSWER_S,
        quiet_s: float = QUIET_S,
    ) -> None:
        self.answer_s, self.quiet_s = answer_s, quiet_s
        self.clock = clock
        self._key, self._scanner, self._client = advertising_key, scanner, client
        self._place, self._patience, self._release = place, patience, release
        self._pass_time = pass_time
        self._wires: set[RadioWire] = set()

    async def pass_time(self, seconds: float) -> None:
        if self._pass_time is not None:
            await asyncio.sleep(SETTLE_S)
            await self._pass_time(seconds)
        elif seconds > self._patience:
            raise Skip(f"it takes {_span(seconds)}: --patience {int(seconds) + 1}")
        else:
            await asyncio.sleep(seconds)

    async def hear(self, seconds: float) -> list[Advertised]:
        heard: list[Advertised] = []
        first = asyncio.Event()

        def on(device: BLEDevice, data: AdvertisementData) -> None:
            if self._is_it(device, data):
                heard.append(_advertised(device, data))
                first.set()

        scanner = BleakScanner(on, [gatt.SERVICE], backend=self._scanner)
        await _adapter(scanner.start)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await first.wait()
        finally:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(OPERATION_S):
                    await scanner.stop()
        return heard

    async def connect(self) -> RadioWire:
        """``LinkError`` out_of_range if it is not heard, link_lost or link_timeout if it does not let itself be met."""
        failure: LinkError | None = None
        for _ in range(TRIES):
            device = await self._find()
            wire = RadioWire(self._wires)
            try:
                await wire.open(device, self._client)
            except LinkError as error:
                if error.code == RADIO_UNAVAILABLE:
                    raise
                failure = error
                continue
            self._wires.add(wire)
            self._place = None  # from now on it is known by its key alone: its address changes with its id
            return wire
        raise failure or fault(OUT_OF_RANGE)

    async def drop(self) -> None:
        """End every link."""
        for wire in list(self._wires):
            await wire.close()

    async def close(self) -> None:
        await self.drop()
        if self._release is not None:
            with contextlib.suppress(Exception):
                await self._release()

    async def _find(self) -> BLEDevice:
        found: asyncio.Future[BLEDevice] = asyncio.get_running_loop().create_future()

        def on(device: BLEDevice, data: AdvertisementData) -> None:
            if self._is_it(device, data) and not found.done():
                found.set_result(device)

        scanner = BleakScanner(on, [gatt.SERVICE], backend=self._scanner)
        await _adapter(scanner.start)
        try:
            async with asyncio.timeout(FIND_S):
                return await found
        except TimeoutError as error:
            raise fault(OUT_OF_RANGE, "nothing advertises under the advertising key of the rig") from error
        finally:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(OPERATION_S):
                    await scanner.stop()

    def _is_it(self, device: BLEDevice, data: AdvertisementData) -> bool:
        said = gatt.rotating_id(data.local_name)
        if said is None or not recognises(self._key, said):
            return False
        return self._place is None or self._place.lower() in (device.address.lower(), (data.local_name or "").lower())


class RadioWire:
    """One GATT connection."""

    def __init__(self, wires: set[RadioWire]) -> None:
        self._wires = wires
        self._client: BleakClient | None = None
        self._frames: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sent = False

    async def open(self, device: BLEDevice, backend: type[BaseBleakClient] | None) -> None:
        """``LinkError``."""
        client = BleakClient(device, self._on_gone, services=[gatt.SERVICE], timeout=CONNECT_S, backend=backend)
        self._client = client
        try:
            async with asyncio.timeout(CONNECT_S):
                await client.connect()
        except Exception as error:
            await self.close()
            raise link_error(error) from error

    @property
    def max_frame(self) -> int:
        rx = None if self._client is None or self._gone.done() else self._client.services.get_characteristic(gatt.RX)
        size = gatt.MIN_FRAME if rx is None else rx.max_write_without_response_size
        return max(gatt.MIN_FRAME, min(gatt.MAX_FRAME, size))

    async def layout(self) -> Layout:
        service = self._linked.services.get_service(gatt.SERVICE)
        found = [] if service is None else service.characteristics
        return Layout(tuple((each.uuid, frozenset(each.properties)) for each in found))

    async def read_info(self) -> bytes:
        return bytes(await self._do(self._linked.read_gatt_char(gatt.INFO)))

    async def subscribe(self) -> None:
        await self._do(self._linked.start_notify(gatt.TX, self._on_frame))

    async def send(self, frame: bytes) -> None:
        last = bool(frame[0] & gatt.FRAME_LAST)
        self._sent = True
        await self._do(self._linked.write_gatt_char(gatt.RX, frame, response=last))

    async def receive(self, seconds: float) -> bytes | None:
        until = asyncio.get_running_loop().time() + seconds
        while not self._frames:
            if self._gone.done():
                raise fault(LINK_LOST, sent=self._sent)
            left = until - asyncio.get_running_loop().time()
            if left <= 0:
                return None
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._arrived.wait()
        return self._frames.popleft()

    async def close(self) -> None:
        client, self._client = self._client, None
        self._wires.discard(self)
        if client is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(DISCONNECT_S):
                    await client.disconnect()

    @property
    def _linked(self) -> BleakClient:
        if self._client is None or self._gone.done():
            raise fault(LINK_LOST, sent=self._sent)
        return self._client

    async def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await guarded(work, self._gone, OPERATION_S)
        except Gone as error:
            raise fault(LINK_LOST, sent=self._sent) from error
        except Exception as error:
            raise link_error(error, sent=self._sent) from error

    def _on_frame(self, _: object, value: bytearray) -> None:
        if len(self._frames) < MOST_FRAMES:
            self._frames.append(bytes(value))
        self._arrived.set()

    def _on_gone(self, _: BleakClient) -> None:
        if not self._gone.done():
            self._gone.set_result(None)
        self._arrived.set()


async def _adapter(start: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Begin to scan. ``LinkError`` radio_unavailable where there is nothing to scan with.

    BlueZ begins nothing while a link is being ended, which takes it two seconds, or says that it is busy.
    """
    try:
        async with asyncio.timeout(START_S):
            while True:
                try:
                    return await start()
                except BleakError as error:
                    if not busy(error):
                        raise
                await asyncio.sleep(BUSY_S)
    except Exception as error:
        found = link_error(error)
        raise found if found.code == RADIO_UNAVAILABLE else fault(RADIO_UNAVAILABLE, str(found)) from error


def _advertised(device: BLEDevice, data: AdvertisementData) -> Advertised:
    others = [
        *(f"data of company {company}" for company in data.manufacturer_data),
        *(f"data of service {uuid}" for uuid in data.service_data),
        *(["a transmit power"] if data.tx_power is not None else []),
    ]
    raw = getattr(data.platform_data[0], "data_bytes", b"") if data.platform_data else b""
    services = tuple(dict.fromkeys(data.service_uuids))
    return Advertised(device.address, data.local_name, services, tuple(others), bytes(raw))


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 7200 else f"{seconds / 86_400:.1f} days"
