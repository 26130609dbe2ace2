"""``Adapter1``: one Bumble host shown as an adapter of BlueZ's; its discoveries, and the devices it has heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from bleak import BleakScanner
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, BaseBleakScanner
from bleak.exc import BleakError
from dbus_fast import Variant

from keygw_sim.bluez import errors
from keygw_sim.bluez.device import Device
from keygw_sim.bluez.discovery import KINDS, Filter
from keygw_sim.bluez.tree import Interface, Tree, method

FORGET_S = 30.0
"""BlueZ's ``TemporaryTimeout``: who is neither heard nor connected for so long is removed."""
MAX_DEVICES = 1024
"""Anybody can invent addresses, so there must be an end."""


class Adapter(Interface):
    name = "org.bluez.Adapter1"
    writable = frozenset({"Alias", "Powered", "Discoverable", "Pairable"})

    def __init__(
        self,
        tree: Tree,
        path: str,
        address: str,
        scanner_backend: type[BaseBleakScanner],
        client_backend: type[BaseBleakClient],
        *,
        forget_s: float = FORGET_S,
    ) -> None:
        no = Variant("b", False)
        super().__init__(
            tree,
            path,
            Address=Variant("s", address),
            AddressType=Variant("s", "public"),
            Name=Variant("s", "keygw"),
            Alias=Variant("s", "keygw"),
            Class=Variant("u", 0),
            Powered=Variant("b", True),
            Discoverable=no,
            DiscoverableTimeout=Variant("u", 180),
            Pairable=no,
            PairableTimeout=Variant("u", 0),
            Discovering=no,
            UUIDs=Variant("as", []),
            Roles=Variant("as", ["central"]),
        )
        self.client_backend = client_backend
        self._scanner_backend = scanner_backend
        self._forget_s = forget_s
        self._scanner: BleakScanner | None = None
        self._scanning = asyncio.Lock()
        self._quiet = 0
        self._filters: dict[str, Filter] = {}
        self._discoveries: dict[str, Filter] = {}
        """By client. One without a filter sees everybody."""
        self.devices: dict[str, Device] = {}

    @property
    def powered(self) -> bool:
        return bool(self.properties["Powered"].value)

    def check_powered(self) -> None:
        if not self.powered:
            raise errors.not_ready()

    @method("StartDiscovery")
    async def start_discovery(self, sender: str) -> list[Any]:
        self.check_powered()
        if sender in self._discoveries:
            raise errors.busy()
        self._discoveries[sender] = self._filters.get(sender, Filter())
        try:
            await self._sync()
        except BleakError as error:
            self._discoveries.pop(sender, None)
            raise errors.failed(str(error)) from error
        return []

    @method("StopDiscovery")
    async def stop_discovery(self, sender: str) -> list[Any]:
        self.check_powered()
        if self._discoveries.pop(sender, None) is None:
            raise errors.failed("No discovery started")
        await self._sync()
        return []

    @method("SetDiscoveryFilter", "a{sv}")
    async def set_discovery_filter(self, sender: str, wish: dict[str, Variant]) -> list[Any]:
        self.check_powered()
        self._filters[sender] = chosen = Filter.parse(wish)
        if not wish:
            del self._filters[sender]
        if sender in self._discoveries:
            self._discoveries[sender] = chosen
        return []

    @method("GetDiscoveryFilters", "", "as")
    async def get_discovery_filters(self, _sender: str) -> list[Any]:
        return [list(KINDS)]

    @method("RemoveDevice", "o")
    async def remove_device(self, _sender: str, path: str) -> list[Any]:
        device = self.devices.get(path)
        if device is None:
            raise errors.does_not_exist()
        self.check_powered()
        await self.forget(device)
        return []

    async def write(self, name: str, value: Variant) -> None:
        if name == "Powered":
            await self.power(value.value)
        else:
            self.change(**{name: value})

    async def power(self, on: bool) -> None:
        """Off: every connection and discovery ends, and nothing works until it is on again."""
        if on == self.powered:
            return
        self.change(Powered=Variant("b", on))
        if not on:
            self._discoveries.clear()
            await self._sync()
            for device in list(self.devices.values()):
                await device.end()

    async def unplug(self) -> None:
        """As if it had been pulled out: it is off, then it and its devices are no more."""
        await self.power(False)
        self.tree.remove(self.path)
        self.devices.clear()
        self._filters.clear()

    async def plug(self) -> None:
        """Back again, and switched on."""
        if not self.tree.has(self):
            self.tree.add(self)
            await self.power(True)

    async def forget(self, device: Device) -> None:
        """Disconnect it and remove it with all below it."""
        await device.end()
        if self.devices.get(device.path) is device:
            del self.devices[device.path]
            self.tree.remove(device.path)

    async def left(self, sender: str) -> None:
        """That client of the bus has gone, and with it what it had asked for."""
        self._filters.pop(sender, None)
        if self._discoveries.pop(sender, None) is not None:
            await self._sync()
        for device in list(self.devices.values()):
            await device.left(sender)

    @contextlib.asynccontextmanager
    async def quiet(self) -> AsyncIterator[None]:
        self._quiet += 1
        try:
            await self._sync()
            yield
        finally:
            self._quiet -= 1
            with contextlib.suppress(BleakError):  # the radio has gone meanwhile, which its owner hears by itself
                await self._sync()

    def forget_later(self, device: Device) -> None:
        loop = asyncio.get_running_loop()
        device.heard_at = loop.time()
        loop.call_later(self._forget_s, self._forget_if_silent, device)

    def _forget_if_silent(self, device: Device) -> None:
        if self.devices.get(device.path) is not device or device.connected:
            return
        loop = asyncio.get_running_loop()
        left = device.heard_at + self._forget_s - loop.time()
        if left > 0:
            loop.call_later(left, self._forget_if_silent, device)
        else:
            del self.devices[device.path]
            self.tree.remove(device.path)

    async def _sync(self) -> None:
        """Scan if and only if somebody discovers and nobody connects. ``Discovering`` tells of the former alone."""
        async with self._scanning:
            wanted = bool(self._discoveries) and not self._quiet
            if wanted and self._scanner is None:
                scanner = BleakScanner(self._hear, backend=self._scanner_backend)
                await scanner.start()
                self._scanner = scanner
            elif not wanted and self._scanner is not None:
                scanner, self._scanner = self._scanner, None
                await scanner.stop()
            discovering = bool(self._discoveries)
            if self.properties["Discovering"].value and not discovering:
                for device in self.devices.values():
                    device.unhear()
            self.change(Discovering=Variant("b", discovering))

    def _hear(self, ble: BLEDevice, data: AdvertisementData) -> None:
        filters = [each for each in self._discoveries.values() if each.shows(ble.address, data)]
        if not filters:
            return
        path = f"{self.path}/dev_{ble.address.replace(':', '_')}"
        device = self.devices.get(path)
        if device is not None:
            device.heard_at = asyncio.get_running_loop().time()
            device.hear(ble, data, duplicates=any(each.duplicates for each in filters))
        elif len(self.devices) < MAX_DEVICES:
            device = self.devices[path] = Device(self.tree, path, self, ble, data)
            self.tree.add(device)
            self.forget_later(device)
