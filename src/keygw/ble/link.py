"""A GATT connection as a ``Link``: frames out as writes on RX, frames in as notifications on TX."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakCharacteristicNotFoundError

from keygw.ble.faults import LINK_LOST, LINK_TIMEOUT, fault, link_error
from keygw.ble.guard import Gone, guarded
from keygw.ble.states import Life
from keygw.model.errors import LinkError
from keygw.vehicle.ports import ATT_AND_L2CAP, AirCount
from keygw.wire import gatt

SUBSCRIBE_S = 2.0
READ_S = 2.0
WRITE_S = 2.0
DISCONNECT_S = 2.0
QUEUE_FRAMES = 512
"""A 4 KiB message in the smallest frames is 216; who lets twice that lie has stopped reading."""


class BleLink:
    """One connection to one vehicle. Made by ``BleAir.open``.

    A frame whose LAST bit is set goes as an acknowledged write, the others without response: so a message costs one
    round trip, and none of it is lost unnoticed (writes without response get dropped under load).
    """

    def __init__(self, peer: str, *, queue: int = QUEUE_FRAMES) -> None:
        self._peer = peer
        self._client: BleakClient | None = None
        self._rx: BleakGATTCharacteristic | None = None
        self._info = b""
        self._count = AirCount()
        self._frames: deque[bytes] = deque()
        self._queue = queue
        self._arrived = asyncio.Event()
        self._sending = asyncio.Lock()
        self._failure: LinkError | None = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closing: asyncio.Task[None] | None = None
        self._life = Life()
        self._released: Callable[[], None] | None = None
        self.last_at = asyncio.get_running_loop().time()
        """When a frame went over it last, of the event loop's clock."""
        self.expecting = False
        """The last message went to the vehicle, so an answer may be due."""

    @property
    def peer(self) -> str:
        return self._peer

    @property
    def info(self) -> bytes:
        return self._info

    @property
    def max_frame(self) -> int:
        # bleak's mtu_size says 23 on BlueZ whatever was negotiated; this one is asked anew each time.
        size = self._rx.max_write_without_response_size if self._rx is not None else gatt.MIN_FRAME
        return max(gatt.MIN_FRAME, min(gatt.MAX_FRAME, size))

    @property
    def count(self) -> AirCount:
        return self._count

    @property
    def closed(self) -> bool:
        return self._failure is not None

    def lives(self, life: Life, released: Callable[[], None]) -> None:
        """It is open. ``released`` is called when nothing is left of its connection."""
        self._life, self._released = life, released
        if self._failure is not None:
            life.end()
            if self._closing is None or self._closing.done():
                self._gone_for_good()

    def on_disconnected(self, _client: BleakClient) -> None:
        """For bleak's ``disconnected_callback``: everything pending fails at once."""
        if self._client is not None:  # Before that it was an attempt that failed, and the connector tries again.
            self._fail(fault(LINK_LOST, sent=self._count.frames_out > 0))

    def adopt(self, client: BleakClient) -> None:
        """Take a connected client: from here on the link will disconnect it."""
        self._client = client
        if not client.is_connected:
            self.on_disconnected(client)

    async def attach(self) -> None:
        """Subscribe to TX and read INFO. ``LinkError``; the caller then closes the link."""
        client = self._client
        if client is None or self._failure is not None:
            raise self._again(self._failure or fault(LINK_LOST, "not connected"))
        rx, tx, info = (client.services.get_characteristic(uuid) for uuid in (gatt.RX, gatt.TX, gatt.INFO))
        if rx is None or tx is None or info is None:
            raise link_error(BleakCharacteristicNotFoundError(gatt.SERVICE))
        self._rx = rx
        # BlueZ has a second way, by a socket, which fails with a number of devices; bleak's default changed twice.
        subscribing = client.start_notify(tx, self._on_notification, bluez={"use_start_notify": True})
        await self._operate(subscribing, SUBSCRIBE_S)
        self._info = bytes(await self._operate(client.read_gatt_char(info), READ_S))

    async def send(self, frame: bytes) -> None:
        if not 0 < len(frame) <= self.max_frame:
            raise ValueError(f"a frame has 1 to {self.max_frame} bytes here, not {len(frame)}")
        async with self._sending:
            if self._failure is not None:
                raise self._again(self._failure)
            client, rx = self._client, self._rx
            if client is None or rx is None:
                raise fault(LINK_LOST, "not connected")
            # Counted before it leaves: from here on it may have arrived.
            self._count.frames_out += 1
            self._count.air_bytes += len(frame) + ATT_AND_L2CAP
            last = bool(frame[0] & gatt.FRAME_LAST)
            self._carried(expecting=last or self.expecting)
            await self._operate(client.write_gatt_char(rx, frame, response=last), WRITE_S)

    async def receive(self) -> bytes:
        while not self._frames:
            if self._failure is not None:
                raise self._again(self._failure)
            self._arrived.clear()
            await self._arrived.wait()
        return self._frames.popleft()

    async def close(self) -> None:
        self._fail(fault(LINK_LOST, "closed here", sent=self._count.frames_out > 0))
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._disconnect())
        await asyncio.shield(self._closing)

    async def _operate(self, work: Coroutine[Any, Any, Any], seconds: float) -> Any:
        """One radio operation; any failure of it is the failure of the link."""
        sent = self._count.frames_out > 0
        try:
            return await guarded(work, self._gone, seconds)
        except Gone:
            failure = self._failure or fault(LINK_LOST, sent=sent)
        except TimeoutError:
            failure = fault(LINK_TIMEOUT, sent=sent)
        except asyncio.CancelledError:
            # Half an ATT transaction is out there; nothing sent after it could be trusted.
            self._fail(fault(LINK_LOST, "an operation was cancelled half-way", sent=sent))
            raise
        except Exception as error:
            failure = link_error(error, sent=sent)
        self._fail(failure)
        raise self._again(failure)

    def _on_notification(self, _tx: BleakGATTCharacteristic, value: bytearray) -> None:
        if self._failure is not None:
            return
        if len(self._frames) >= self._queue:
            self._frames.clear()  # A message with a hole in it is worse than none.
            self._fail(fault(LINK_LOST, f"more than {self._queue} frames unread", sent=self._count.frames_out > 0))
            return
        self._count.frames_in += 1
        self._count.air_bytes += len(value) + ATT_AND_L2CAP
        self._carried(expecting=False)
        self._frames.append(bytes(value))
        self._arrived.set()

    def _carried(self, *, expecting: bool) -> None:
        self.last_at, self.expecting = asyncio.get_running_loop().time(), expecting

    def _fail(self, failure: LinkError) -> None:
        if self._failure is None:
            self._failure = failure
            self._life.end()
        if not self._gone.done():
            self._gone.set_result(None)
        self._arrived.set()
        if self._closing is None and self._client is not None:
            self._closing = asyncio.ensure_future(self._disconnect())

    def _again(self, failure: LinkError) -> LinkError:
        """A fresh copy to raise: one exception object raised in two places would mix up its tracebacks."""
        return LinkError(
            str(failure),
            code=failure.code,
            may_have_happened=failure.may_have_happened,
            retryable=failure.retryable,
        )

    async def _disconnect(self) -> None:
        try:
            if self._client is None:
                return
            with contextlib.suppress(Exception):  # It is over either way; the other side has its supervision time-out.
                async with asyncio.timeout(DISCONNECT_S):
                    await self._client.disconnect()
        finally:
            self._gone_for_good()

    def _gone_for_good(self) -> None:
        released, self._released = self._released, None
        if released is not None:
            self._life.gone()
            released()
