"""``GattService1``, ``GattCharacteristic1`` and ``GattDescriptor1`` of one connected device.

``AcquireWrite`` and ``AcquireNotify`` are not served: who asks is told ``NotSupported``, and ``StartNotify`` and
``WriteValue`` do the work, as bleak (told so) and Chromium use them anyway. ``NotifyAcquired`` is shown all the same,
as BlueZ shows it, so that a client which takes what is offered is found out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.service import BleakGATTService
from bleak.exc import BleakError, BleakGATTProtocolError
from dbus_fast import Variant

from keygw_sim.bluez import errors
from keygw_sim.bluez.tree import Interface, Tree, method

T = TypeVar("T")

ATT_HEADER = 3
MAX_VALUE = 512
CCCD = "00002902-0000-1000-8000-00805f9b34fb"
GAP = "00001800-0000-1000-8000-00805f9b34fb"
"""BlueZ keeps this service to itself, and reads the device's name from it."""


def export_services(tree: Tree, path: str, client: BleakClient) -> list[Characteristic]:
    """The device's services as objects below ``path``; its characteristics."""
    found = []
    for service in sorted(client.services, key=lambda each: each.handle):
        if service.uuid == GAP:
            continue
        at = f"{path}/service{service.handle:04x}"
        tree.add(Service(tree, at, path, service))
        for each in service.characteristics:
            characteristic = Characteristic(tree, f"{at}/char{each.handle:04x}", at, client, each)
            tree.add(characteristic)
            found.append(characteristic)
            for descriptor in each.descriptors:
                where = f"{characteristic.path}/desc{descriptor.handle:04x}"
                tree.add(Descriptor(tree, where, characteristic.path, client, descriptor))
    return found


async def served(work: Awaitable[T], client: BleakClient) -> T:
    """The result of a GATT operation, or BlueZ's error for why there is none."""
    try:
        return await work
    except BleakGATTProtocolError as error:
        raise errors.att_error(error) from error
    except (BleakError, TimeoutError) as error:
        # A lost link fails what was under way; BlueZ says so with the code for an unlikely error.
        text = "Operation failed with ATT error: 0x0e" if client.is_connected else "Not connected"
        raise errors.failed(text) from error


class Service(Interface):
    name = "org.bluez.GattService1"

    def __init__(self, tree: Tree, path: str, device: str, service: BleakGATTService) -> None:
        super().__init__(
            tree,
            path,
            UUID=Variant("s", service.uuid),
            Device=Variant("o", device),
            Primary=Variant("b", True),
            Includes=Variant("ao", []),
        )


class Characteristic(Interface):
    """One read and one write at a time, as BlueZ has it; each client has its own subscription."""

    name = "org.bluez.GattCharacteristic1"

    def __init__(
        self, tree: Tree, path: str, service: str, client: BleakClient, characteristic: BleakGATTCharacteristic
    ) -> None:
        super().__init__(
            tree,
            path,
            UUID=Variant("s", characteristic.uuid),
            Service=Variant("o", service),
            Flags=Variant("as", list(characteristic.properties)),
            MTU=Variant("q", characteristic.max_write_without_response_size + ATT_HEADER),
        )
        self._client = client
        self._characteristic = characteristic
        self._has = frozenset(characteristic.properties)
        self._reading = False
        self._writing = False
        self._listeners: set[str] = set()
        self._subscribing = asyncio.Lock()
        if self._has & {"notify", "indicate"}:
            self.properties["Notifying"] = Variant("b", False)
            self.properties["NotifyAcquired"] = Variant("b", False)

    @property
    def notifies(self) -> bool:
        return "Notifying" in self.properties

    @method("ReadValue", "a{sv}", "ay")
    async def read_value(self, _sender: str, options: dict[str, Variant]) -> list[Any]:
        self._check_connected()
        if self._reading:
            raise errors.in_progress()
        self._reading = True
        try:
            value = bytes(await served(self._client.read_gatt_char(self._characteristic), self._client))
        finally:
            self._reading = False
        self.signal_again(Value=Variant("ay", value))
        return [value[_offset(options) :]]

    @method("WriteValue", "aya{sv}")
    async def write_value(self, _sender: str, value: bytes, options: dict[str, Variant]) -> list[Any]:
        self._check_connected()
        if self._writing:
            raise errors.in_progress()
        # As BlueZ: a kind that is named is sent, and the device may refuse it; the flags choose where none is.
        kind = _option(options, "type", "s") or ("request" if "write" in self._has else "command")
        if kind not in {"request", "command"} or _offset(options):
            raise errors.not_supported()
        # BlueZ splits a longer request into prepared writes; the vehicle has none, and would say so.
        if len(value) > min(MAX_VALUE, self.properties["MTU"].value - ATT_HEADER):
            raise errors.invalid_arguments("Invalid Length")
        self._writing = True
        try:
            work = self._client.write_gatt_char(self._characteristic, value, response=kind == "request")
            await served(work, self._client)
        finally:
            self._writing = False
        return []

    @method("StartNotify")
    async def start_notify(self, sender: str) -> list[Any]:
        self._check_connected()
        if not self._has & {"notify", "indicate"}:
            raise errors.not_supported()
        if sender in self._listeners:
            raise errors.in_progress()
        self._listeners.add(sender)
        try:
            await self._sync()
        except BaseException:
            self._listeners.discard(sender)
            raise
        return []

    @method("StopNotify")
    async def stop_notify(self, sender: str) -> list[Any]:
        if sender not in self._listeners:
            raise errors.failed("No notify session started")
        await self.left(sender)
        return []

    @method("AcquireWrite", "a{sv}", "hq")
    async def acquire_write(self, _sender: str, _options: dict[str, Variant]) -> list[Any]:
        raise errors.not_supported()

    @method("AcquireNotify", "a{sv}", "hq")
    async def acquire_notify(self, _sender: str, _options: dict[str, Variant]) -> list[Any]:
        raise errors.not_supported()

    async def left(self, sender: str) -> None:
        """That client listens no more."""
        if sender in self._listeners:
            self._listeners.discard(sender)
            await self._sync()

    def lost(self) -> None:
        """The link has gone, and every subscription with it."""
        self._listeners.clear()
        if "Notifying" in self.properties:
            self.change(Notifying=Variant("b", False))

    async def _sync(self) -> None:
        """Subscribed at the device if and only if somebody listens."""
        async with self._subscribing:
            wanted = bool(self._listeners)
            if wanted == self.properties["Notifying"].value or not self._client.is_connected:
                return
            if wanted:
                await served(self._client.start_notify(self._characteristic, self._notified), self._client)
            else:
                await served(self._client.stop_notify(self._characteristic), self._client)
            self.change(Notifying=Variant("b", wanted))

    def _notified(self, _characteristic: BleakGATTCharacteristic, value: bytearray) -> None:
        self.signal_again(Value=Variant("ay", bytes(value)))

    def _check_connected(self) -> None:
        if not self._client.is_connected:
            raise errors.failed("Not connected")


class Descriptor(Interface):
    name = "org.bluez.GattDescriptor1"

    def __init__(
        self, tree: Tree, path: str, characteristic: str, client: BleakClient, descriptor: BleakGATTDescriptor
    ) -> None:
        super().__init__(
            tree,
            path,
            UUID=Variant("s", descriptor.uuid),
            Characteristic=Variant("o", characteristic),
            Value=Variant("ay", b""),
        )
        self._client = client
        self._descriptor = descriptor

    @method("ReadValue", "a{sv}", "ay")
    async def read_value(self, _sender: str, options: dict[str, Variant]) -> list[Any]:
        value = bytes(await served(self._client.read_gatt_descriptor(self._descriptor), self._client))
        self.change(Value=Variant("ay", value))
        return [value[_offset(options) :]]

    @method("WriteValue", "aya{sv}")
    async def write_value(self, _sender: str, value: bytes, _options: dict[str, Variant]) -> list[Any]:
        if self._descriptor.uuid == CCCD:
            raise errors.BusError("org.bluez.Error.NotPermitted", "Write not permitted")  # StartNotify is for that
        await served(self._client.write_gatt_descriptor(self._descriptor, value), self._client)
        return []


def _offset(options: dict[str, Variant]) -> int:
    return int(_option(options, "offset", "q") or 0)


def _option(options: dict[str, Variant], name: str, signature: str) -> Any:
    given = options.get(name)
    if given is None:
        return None
    if given.signature != signature:
        raise errors.invalid_arguments()
    return given.value
