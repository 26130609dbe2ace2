"""Scanner and client backends for bleak over a Bumble host.

bleak creates its backends itself, from a class it is given. ``bumble_backends(host)`` makes two classes that belong to
one host, so nothing global ties them together::

    scanner_cls, client_cls = bumble_backends(await BumbleHost.open("usb:0"))
    BleakScanner(backend=scanner_cls)
    BleakClient(device, backend=client_cls)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import partial
from typing import Any, ClassVar, TypeVar

from bleak.args import SizedBuffer
from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError
from bleak.uuids import normalize_uuid_str
from bumble import hci
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Device, Peer
from bumble.gatt_client import ServiceProxy

from keygw.ble.bumble_host import FAREWELL_S, BumbleHost
from keygw.ble.faults import bleak_error
from keygw.ble.guard import Gone, guarded
from keygw.ble.pace import Pace, Parameters
from keygw.wire.gatt import PREFERRED_MTU

T = TypeVar("T")

_logger = logging.getLogger(__name__)

CONNECT_S = 10.0
REQUEST_S = 10.0
MAX_SEEN = 1024
"""Advertisers remembered in one scan; anybody can invent addresses, so there must be an end."""
TERMINATED_BY_USER = 0x13


def bumble_backends(host: BumbleHost) -> tuple[type[BaseBleakScanner], type[BaseBleakClient]]:
    """A scanner class and a client class bound to ``host``."""

    class BoundScanner(BumbleScanner):
        host_ = host

    class BoundClient(BumbleClient):
        host_ = host

    return BoundScanner, BoundClient


class BumbleScanner(BaseBleakScanner):
    """Passive scanning. Our advertisement is complete without a scan response, and asking for one tells of us."""

    host_: ClassVar[BumbleHost]

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str = "passive",
        **kwargs: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._device: Device | None = None

    async def start(self) -> None:
        device = await self.host_.ready()
        self.seen_devices = {}
        self._device = device
        device.on(Device.EVENT_ADVERTISEMENT, self._on_advertisement)
        try:
            await self.host_.command(device.start_scanning(active=False, scanning_phys=(hci.HCI_LE_1M_PHY,)))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        device, self._device = self._device, None
        if device is None:
            return
        with contextlib.suppress(KeyError):
            device.remove_listener(Device.EVENT_ADVERTISEMENT, self._on_advertisement)
        with contextlib.suppress(BleakError):
            await self.host_.command(device.stop_scanning())

    def _on_advertisement(self, heard: Advertisement) -> None:
        try:
            data = advertisement_data(heard)
        except ValueError as error:
            _logger.debug("unreadable advertisement from %s: %s", heard.address, error)
            return
        address = heard.address.to_string(False)
        if not self.is_allowed_uuid(data.service_uuids):
            return
        if address not in self.seen_devices and len(self.seen_devices) >= MAX_SEEN:
            return
        device = self.create_or_update_device(address, address, data.local_name, heard.address, data)
        self.call_detection_callbacks(device, data)


def advertisement_data(heard: Advertisement) -> AdvertisementData:
    """Bumble's view of an advertisement as bleak's. ``ValueError`` when the sender broke the format.

    Read from the raw elements: a UUID that Bumble reads stays in its table for good, and is compared with every later
    one; strangers can invent as many as they like.
    """
    kinds = AdvertisingData.Type
    names = heard.data.get_all(kinds.COMPLETE_LOCAL_NAME, raw=True)
    rssi = heard.rssi
    return AdvertisementData(
        local_name=names[0].decode() if names else None,
        manufacturer_data=dict(map(_company, heard.data.get_all(kinds.MANUFACTURER_SPECIFIC_DATA, raw=True))),
        service_data={},
        service_uuids=[
            *_uuids(heard.data.get_all(kinds.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, raw=True), 16),
            *_uuids(heard.data.get_all(kinds.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, raw=True), 2),
        ],
        tx_power=None,
        rssi=rssi,
        platform_data=(heard,),
    )


def _uuids(elements: Iterable[bytes], size: int) -> Iterator[str]:
    """Those in lists of UUIDs of ``size`` bytes, little-endian, as bleak writes them."""
    for element in elements:
        if len(element) % size:
            raise ValueError("a list of UUIDs is cut short")
        for at in range(0, len(element), size):
            digits = element[at : at + size][::-1].hex()
            yield normalize_uuid_str(digits if size == 2 else str(uuid.UUID(digits)))


def _company(element: bytes) -> tuple[int, bytes]:
    if len(element) < 2:
        raise ValueError("a company identifier is cut short")
    return int.from_bytes(element[:2], "little"), element[2:]


def uuid_text(uuid_: UUID) -> str:
    """The UUID the way bleak writes it: 128 bits, lower case, with dashes."""
    return normalize_uuid_str(uuid_.to_hex_str("-"))


class BumbleClient(BaseBleakClient):
    """One GATT connection as central."""

    host_: ClassVar[BumbleHost]

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None = None,
        services: set[str] | None = None,
        timeout: float = CONNECT_S,
        **kwargs: Any,
    ) -> None:
        super().__init__(address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout, **kwargs)
        self._target = address_or_ble_device
        self._wanted = services
        self._connection: Connection | None = None
        self._peer: Peer | None = None
        self._pace: Pace | None = None
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def name(self) -> str:
        known = self._target.name if isinstance(self._target, BLEDevice) else None
        return known or self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        return self._connection.att_mtu if self._connection is not None else 23

    @property
    def is_connected(self) -> bool:
        return self._connection is not None and not self._gone.done()

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        if pair:
            _logger.warning("pairing is not used on this backend; the key session authenticates by itself")
        if not isinstance(self._target, BLEDevice) or not isinstance(self._target.details, hci.Address):
            raise BleakDeviceNotFoundError(self.address, "connect to a device that a scan on this host has found")
        seconds = float(kwargs.get("timeout", self._timeout))
        connection = await self.host_.connect(self._target.details, seconds)
        self._gone = asyncio.get_running_loop().create_future()
        self._connection = connection
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        if connection not in connection.device.connections.values():
            self._on_disconnection(0)  # Over before we could listen for it.
        try:
            self._peer = Peer(connection)
            await self._negotiate_mtu(self._peer)
            self.services = await self._discover(self._peer)
        except BaseException:
            await self.disconnect()
            raise
        self._pace = Pace(partial(_ask, self.host_, connection))

    async def disconnect(self) -> None:
        connection = self._connection
        if connection is None or self._gone.done():
            return
        try:
            await self.host_.command(connection.disconnect(TERMINATED_BY_USER), FAREWELL_S)
        except BleakError as error:
            _logger.debug("disconnecting: %s", error)
        self._on_disconnection(0)

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("the key session authenticates by itself; link-layer pairing is not used")

    async def unpair(self) -> None:
        raise NotImplementedError("the key session authenticates by itself; link-layer pairing is not used")

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        return bytearray(await self._run(self._gatt.read_value(characteristic.handle)))

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        return bytearray(await self._run(self._gatt.read_value(descriptor.handle)))

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool) -> None:
        await self._run(self._gatt.write_value(characteristic.handle, bytes(data), with_response=response))

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        await self._run(self._gatt.write_value(descriptor.handle, bytes(data), with_response=True))

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: Callable[[bytearray], None], **kwargs: Any
    ) -> None:
        def deliver(value: bytes) -> None:
            if self._pace is not None:
                self._pace.touch()
            callback(bytearray(value))

        await self._run(self._gatt.subscribe(characteristic.obj, deliver))

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        await self._run(self._gatt.unsubscribe(characteristic.obj))

    @property
    def _gatt(self) -> Peer:
        if self._peer is None or self._gone.done():
            raise BleakError("not connected")
        return self._peer

    async def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._pace is not None:
            self._pace.touch()
        try:
            return await guarded(work, self._gone, REQUEST_S)
        except Gone as error:
            raise BleakError("disconnected") from error
        except TimeoutError:
            raise
        except Exception as error:
            raise bleak_error(error) from error

    async def _negotiate_mtu(self, peer: Peer) -> None:
        try:
            await self._run(peer.request_mtu(PREFERRED_MTU))
        except BleakError as error:
            if self._gone.done():
                raise
            _logger.debug("the peripheral keeps MTU 23: %s", error)

    async def _discover(self, peer: Peer) -> BleakGATTServiceCollection:
        found: list[ServiceProxy] = []
        if self._wanted is None:
            found = await self._run(peer.discover_services())
        else:
            for uuid in sorted(self._wanted):
                found += await self._run(peer.discover_service(UUID(uuid)))
        services = BleakGATTServiceCollection()
        for proxy in found:
            await self._run(proxy.discover_characteristics())
            service = BleakGATTService(proxy, proxy.handle, uuid_text(proxy.uuid))
            services.add_service(service)
            for item in proxy.characteristics:
                characteristic = BleakGATTCharacteristic(
                    item,
                    item.handle,
                    uuid_text(item.uuid),
                    list(gatt_char_props_to_strs(int(item.properties))),
                    lambda: self.mtu_size - 3,
                    service,
                )
                services.add_characteristic(characteristic)
                for descriptor in await self._run(item.discover_descriptors()):
                    services.add_descriptor(
                        BleakGATTDescriptor(descriptor, descriptor.handle, uuid_text(descriptor.type), characteristic)
                    )
        return services

    def _on_disconnection(self, reason: int) -> None:
        if self._gone.done():
            return
        self._gone.set_result(None)
        if self._pace is not None:
            self._pace.stop()
        self.services = None
        if self._disconnected_callback is not None:
            self._disconnected_callback()


async def _ask(host: BumbleHost, connection: Connection, wish: Parameters) -> None:
    await host.command(
        connection.update_parameters(wish.least_ms, wish.most_ms, wish.latency, wish.supervision_ms), REQUEST_S
    )
