"""The vehicle's Bluetooth: a GATT server on a Bumble host, for several centrals at a time.

The GATT layout and the advertisement are those of ``keygw.wire.gatt``. What arrives is handed to a
``PeripheralHandler`` in order, one connection's events never overtaking each other; what the handler does slowly fills
a bounded queue, and a central that overfills it is disconnected. Connections are few, so nobody may just sit on one:
who says nothing is dropped, and when all are taken the oldest without a privilege makes room for a newcomer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable
from typing import Protocol

from bleak.exc import BleakError
from bumble import att, gatt, hci
from bumble.core import UUID
from bumble.device import Connection, Device

from keygw.ble.bumble_host import FAREWELL_S, BumbleHost, HciOpener
from keygw.ble.faults import LINK_LOST, LINK_TIMEOUT, RADIO_UNAVAILABLE, fault, link_error
from keygw.ble.guard import Gone, guarded
from keygw.wire import gatt as layout

_logger = logging.getLogger(__name__)

INTERVAL_MS = 40.0
"""Between two advertisements."""
MAX_CONNECTIONS = 4
FIRST_FRAME_S = 10.0
"""A central that has written no frame by then has no business here."""
INBOX_FRAMES = 512
OUTBOX_PACKETS = 64
DRAIN_S = 2.0
LOW_RESOURCES = 0x14
TERMINATED_BY_USER = 0x13


class PeripheralHandler(Protocol):
    """What the vehicle does with its Bluetooth. Each method may be plain or ``async``; ``conn_id`` is never reused."""

    def connected(self, conn_id: int) -> Awaitable[None] | None:
        """A central has connected. It cannot hear notifications yet."""

    def subscribed(self, conn_id: int) -> Awaitable[None] | None:
        """It subscribed to TX: from here on ``notify`` works."""

    def frame(self, conn_id: int, data: bytes) -> Awaitable[None] | None:
        """One frame (1 to 512 bytes) written to RX."""

    def disconnected(self, conn_id: int) -> Awaitable[None] | None:
        """The last event of a connection, after every frame that arrived."""

    def info(self, conn_id: int) -> bytes:
        """The value of INFO; read at once, so never ``async``."""

    def privileged(self, conn_id: int) -> bool:
        """Whether this connection stays when a newcomer finds all taken; asked at once, so never ``async``."""


class GattPeripheral:
    """Constructor: ``transport`` is a Bumble transport name, or an opener such as ``RadioPort.open``.

    ``start`` (or the first ``advertise``) opens it; after ``wait_lost`` has returned, ``start`` opens it again.
    ``max_mtu`` is what the server agrees to (23 to 517); ``first_frame_s`` how long a central may say nothing.
    """

    def __init__(
        self,
        transport: str | HciOpener,
        handler: PeripheralHandler,
        *,
        max_connections: int = MAX_CONNECTIONS,
        max_mtu: int = layout.PREFERRED_MTU,
        interval_ms: float = INTERVAL_MS,
        first_frame_s: float = FIRST_FRAME_S,
    ) -> None:
        self._handler = handler
        self._max_connections = max_connections
        self._max_mtu = max_mtu
        self._interval_ms = interval_ms
        self._first_frame_s = first_frame_s
        self._host = BumbleHost(transport, name="vehicle", configure=self._configure)
        self._tx: gatt.Characteristic[bytes] | None = None
        self._centrals: dict[int, _Central] = {}
        self._next_id = 1
        self._rotating_id: bytes | None = None
        self._advertising = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> tuple[int, ...]:
        """The conn_ids of those connected now."""
        return tuple(self._centrals)

    async def start(self) -> None:
        """Open the radio. ``LinkError`` radio_unavailable when that cannot be done."""
        try:
            await self._host.ready()
        except BleakError as error:
            raise link_error(error) from error

    async def wait_lost(self) -> None:
        """Return when the radio has died (or was stopped)."""
        await asyncio.wait({self._host.lost})

    async def advertise(self, rotating_id: bytes) -> None:
        """Advertise under this 6-byte id from now on, connected or not, at a new random address.

        ``LinkError`` radio_unavailable.
        """
        layout.advertised_name(rotating_id)
        self._rotating_id = rotating_id
        try:
            await self._advertise(new_address=True)
        except BleakError as error:
            raise link_error(error) from error

    async def allow_mtu(self, max_mtu: int) -> None:
        """Agree to no more than this (23 to 517) from now on, on connections that are yet to be made."""
        self._max_mtu = max_mtu
        device = await self._host.ready()
        device.gatt_server.max_mtu = max_mtu

    def max_frame(self, conn_id: int) -> int:
        """Bytes a notification may have on this connection now (20 to 512); ``LinkError`` when it is gone."""
        return min(layout.MAX_FRAME, self._central(conn_id).connection.att_mtu - 3)

    async def notify(self, conn_id: int, frame: bytes) -> None:
        """Send one frame. Waits while the controller is behind.

        ``LinkError``: link_lost when the central is gone or has not subscribed, link_timeout when the controller does
        not take it (then the central is disconnected). ``ValueError`` for a frame longer than ``max_frame``.
        """
        central = self._central(conn_id)
        if not central.subscribed or self._tx is None:
            raise fault(LINK_LOST, "the central has not subscribed")
        if not 0 < len(frame) <= self.max_frame(conn_id):
            raise ValueError(f"a frame has 1 to {self.max_frame(conn_id)} bytes here, not {len(frame)}")
        device = central.connection.device
        try:
            await guarded(device.notify_subscriber(central.connection, self._tx, frame), central.gone, DRAIN_S)
            queue = device.host.get_data_packet_queue(central.connection.handle)
            if queue is not None and queue.pending > OUTBOX_PACKETS:
                await guarded(queue.drain(central.connection.handle), central.gone, DRAIN_S)
        except Gone as error:
            raise fault(LINK_LOST, sent=True) from error
        except TimeoutError as error:
            self._spawn(self.disconnect(conn_id))
            raise fault(LINK_TIMEOUT, sent=True) from error

    async def disconnect(self, conn_id: int) -> None:
        """End one connection; nothing happens when it has ended already."""
        central = self._centrals.get(conn_id)
        if central is not None:
            await self._drop(central.connection, TERMINATED_BY_USER)

    async def stop(self) -> None:
        """Disconnect everybody, stop advertising, close the radio. Never raises."""
        self._rotating_id = None
        if not self._host.lost.done():
            with contextlib.suppress(BleakError):
                async with self._advertising:
                    device = await self._host.ready()
                    await self._host.command(device.stop_advertising())
        centrals = list(self._centrals.values())
        await self._host.close()
        for central in centrals:
            await asyncio.wait({central.pump}, timeout=FAREWELL_S)
            central.pump.cancel()
        for task in list(self._tasks):
            task.cancel()

    def _configure(self, device: Device) -> None:
        read, write = gatt.Characteristic.READABLE, gatt.Characteristic.WRITEABLE
        properties = gatt.Characteristic.Properties
        rx = gatt.Characteristic[bytes](
            UUID(layout.RX),
            properties.WRITE | properties.WRITE_WITHOUT_RESPONSE,
            write,
            att.AttributeValue(write=self._on_write),
        )
        tx = gatt.Characteristic[bytes](UUID(layout.TX), properties.NOTIFY, read, b"")
        info = gatt.Characteristic[bytes](
            UUID(layout.INFO), properties.READ, read, att.AttributeValue(read=self._on_read_info)
        )
        tx.on(gatt.Characteristic.EVENT_SUBSCRIPTION, self._on_subscription)
        self._tx = tx
        device.add_service(gatt.Service(UUID(layout.SERVICE), [rx, tx, info]))
        for attribute in device.gatt_server.attributes:
            if not attribute.permissions & write:
                # Bumble takes a Write Command for any attribute: with one, a stranger could rewrite the declarations,
                # and no phone would find the service again. To a write that nobody takes it answers nothing at all, and
                # the central would wait for its time-out.
                attribute.write_value = _not_permitted  # type: ignore[method-assign]
        device.gatt_server.max_mtu = self._max_mtu
        device.on(Device.EVENT_CONNECTION, self._on_connection)

    async def _advertise(self, *, new_address: bool = False) -> None:
        async with self._advertising:
            rotating_id = self._rotating_id
            if rotating_id is None:
                return
            device = await self._host.ready()
            await self._host.command(device.stop_advertising())
            if new_address:
                # Non-resolvable: an address that stayed while the id rotates would undo the rotation.
                address = device.random_address = hci.Address.generate_private_address()
                await self._host.command(
                    device.send_sync_command(hci.HCI_LE_Set_Random_Address_Command(random_address=address))
                )
            await self._host.command(
                device.start_advertising(
                    advertising_data=layout.advertisement(rotating_id),
                    advertising_interval_min=self._interval_ms,
                    advertising_interval_max=self._interval_ms,
                )
            )

    def _on_connection(self, connection: Connection) -> None:
        # The controller stops advertising when it is connected to; the next central must find us all the same.
        self._spawn(self._advertise())
        if not self._make_room():
            self._spawn(self._drop(connection, LOW_RESOURCES))
            return
        central = _Central(self._next_id, connection)
        self._next_id += 1
        self._centrals[central.conn_id] = central
        connection.on(Connection.EVENT_DISCONNECTION, lambda _: self._on_disconnection(central))
        central.pump = asyncio.ensure_future(self._pump(central))
        central.patience = asyncio.get_running_loop().call_later(self._first_frame_s, self._send_away, central)

    def _make_room(self) -> bool:
        """Is there a place for one more? The oldest connection without a privilege gives its own up."""
        staying = [central for central in self._centrals.values() if not central.leaving]
        if len(staying) < self._max_connections:
            return True
        for central in staying:
            if not self._handler.privileged(central.conn_id):
                self._send_away(central)
                return True
        return False

    def _send_away(self, central: _Central) -> None:
        central.leaving = True
        self._spawn(self._drop(central.connection, LOW_RESOURCES))

    def _on_disconnection(self, central: _Central) -> None:
        if self._centrals.pop(central.conn_id, None) is not None:
            central.patience.cancel()
            central.gone.set_result(None)
            central.arrived.set()

    def _on_subscription(self, connection: Connection, notify: bool, _indicate: bool) -> None:
        central = self._by_connection(connection)
        if central is None:
            return
        first = notify and not central.subscribed
        central.subscribed = notify
        if first:
            central.put(None)

    def _on_write(self, connection: Connection, value: bytes) -> None:
        central = self._by_connection(connection)
        if central is None or not value:
            return
        central.patience.cancel()
        if central.leaving:
            raise att.ATT_Error(att.ATT_INSUFFICIENT_RESOURCES_ERROR)
        if not central.put(bytes(value)):
            self._send_away(central)
            raise att.ATT_Error(att.ATT_INSUFFICIENT_RESOURCES_ERROR)

    def _on_read_info(self, connection: Connection) -> bytes:
        central = self._by_connection(connection)
        if central is None:
            raise att.ATT_Error(att.ATT_UNLIKELY_ERROR_ERROR)
        return self._handler.info(central.conn_id)

    async def _pump(self, central: _Central) -> None:
        """Hand one connection's events to the handler; a handler that fails costs this connection only."""
        handler, conn_id = self._handler, central.conn_id
        try:
            await _done(handler.connected(conn_id))
            while True:
                while central.inbox:
                    event = central.inbox.popleft()
                    await _done(handler.subscribed(conn_id) if event is None else handler.frame(conn_id, event))
                if central.gone.done():
                    break
                central.arrived.clear()
                await central.arrived.wait()
        except Exception:
            _logger.exception("the vehicle failed on connection %d", conn_id)
            await self.disconnect(conn_id)
        finally:
            await _done(handler.disconnected(conn_id))

    async def _drop(self, connection: Connection, reason: int) -> None:
        with contextlib.suppress(BleakError):
            await self._host.command(connection.disconnect(reason))

    def _central(self, conn_id: int) -> _Central:
        central = self._centrals.get(conn_id)
        if central is None:
            raise fault(RADIO_UNAVAILABLE if self._host.lost.done() else LINK_LOST)
        return central

    def _by_connection(self, connection: Connection) -> _Central | None:
        return next((c for c in self._centrals.values() if c.connection is connection), None)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Central:
    """One connected central."""

    pump: asyncio.Task[None]
    patience: asyncio.TimerHandle
    """Sends it away unless it writes something first."""

    def __init__(self, conn_id: int, connection: Connection) -> None:
        self.conn_id = conn_id
        self.connection = connection
        self.subscribed = False
        self.leaving = False
        """It is being disconnected, and its place is taken."""
        self.inbox: deque[bytes | None] = deque()
        """Frames, and ``None`` for the subscription."""
        self.arrived = asyncio.Event()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def put(self, event: bytes | None) -> bool:
        if len(self.inbox) >= INBOX_FRAMES:
            return False
        self.inbox.append(event)
        self.arrived.set()
        return True


async def _not_permitted(bearer: object, value: bytes) -> None:
    raise att.ATT_Error(att.ATT_WRITE_NOT_PERMITTED_ERROR)


async def _done(result: Awaitable[None] | None) -> None:
    if result is not None:
        await result


async def _quietly(work: Awaitable[None]) -> None:
    try:
        await work
    except BleakError as error:
        _logger.debug("the radio has gone meanwhile: %s", error)
