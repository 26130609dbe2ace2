"""``Device1``: somebody who was heard, and the connection to it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Protocol

from bleak import BleakClient
from bleak.backends.client import BaseBleakClient
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError
from dbus_fast import Variant

from keygw_sim.bluez import errors
from keygw_sim.bluez.gatt import GAP, Characteristic, export_services
from keygw_sim.bluez.tree import Interface, Tree, method

CONNECT_S = 20.0
"""The kernel's own patience with a connection that does not come."""
DEVICE_NAME = "00002a00-0000-1000-8000-00805f9b34fb"
RSSI_STEP = 8
"""A smaller change of the signal is not told, unless duplicates were asked for."""


class Radio(Protocol):
    """What a device needs of its adapter."""

    path: str
    client_backend: type[BaseBleakClient]

    def check_powered(self) -> None:
        """``NotReady`` when it is off."""

    def quiet(self) -> contextlib.AbstractAsyncContextManager[None]:
        """No scan meanwhile: the controller does one thing at a time, and the kernel sees to it."""

    def forget_later(self, device: Device) -> None:
        """Remove it once it has not been heard for a while, unless it is connected."""


class Device(Interface):
    name = "org.bluez.Device1"
    writable = frozenset({"Alias", "Trusted", "Blocked"})

    def __init__(self, tree: Tree, path: str, radio: Radio, device: BLEDevice, data: AdvertisementData) -> None:
        no = Variant("b", False)
        super().__init__(
            tree,
            path,
            Address=Variant("s", device.address),
            # Two kinds of addresses look alike but for their type; a vehicle's is random, and changes with its id.
            AddressType=Variant("s", "public" if getattr(device.details, "is_public", False) else "random"),
            Adapter=Variant("o", radio.path),
            Paired=no,
            Bonded=no,
            Trusted=no,
            Blocked=no,
            LegacyPairing=no,
            Connected=no,
            ServicesResolved=no,
            **_advertised(device.address, data),
        )
        self._radio = radio
        self.heard_at = 0.0
        self.spoilt = False
        """BlueZ remembers something wrong about it: every connection fails, until it is removed."""
        self.ble = device
        self._client: BleakClient | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._naming: asyncio.Task[None] | None = None
        self.characteristics: list[Characteristic] = []

    @property
    def connected(self) -> bool:
        return bool(self.properties["Connected"].value)

    def hear(self, device: BLEDevice, data: AdvertisementData, *, duplicates: bool) -> None:
        """An advertisement of it."""
        self.ble = device
        shown = _advertised(device.address, data)
        rssi, old = shown.pop("RSSI"), self.properties.get("RSSI")
        if self.connected:
            shown.pop("UUIDs")  # Those that were discovered say more.
        if duplicates:
            self.signal_again(RSSI=rssi, **shown)
        elif old is None or abs(old.value - rssi.value) >= RSSI_STEP:
            self.change(RSSI=rssi, **shown)
        else:
            self.change(**shown)

    def unhear(self) -> None:
        """The scan has ended: what it heard of the signal is no longer so."""
        self.drop("RSSI")

    @method("Connect")
    async def connect(self, _sender: str) -> list[Any]:
        self._radio.check_powered()
        if self._connecting is not None:
            raise errors.in_progress("br-connection-busy")
        if self.connected:
            return []
        if self.spoilt:
            raise errors.failed("le-connection-abort-by-local")
        self._connecting = asyncio.ensure_future(self._connect())
        try:
            await asyncio.shield(self._connecting)
        except asyncio.CancelledError:
            if self._connecting.cancelled():
                raise errors.failed("br-connection-canceled") from None
            self._connecting.cancel()
            raise
        except TimeoutError as error:
            raise errors.failed("le-connection-timeout") from error
        except BleakError as error:
            raise errors.failed("le-connection-abort-by-local") from error
        finally:
            self._connecting = None
        return []

    @method("Disconnect")
    async def disconnect(self, _sender: str) -> list[Any]:
        """Also when it is not connected: there is nothing to do then."""
        self._radio.check_powered()
        await self.end()
        return []

    @method("ConnectProfile", "s")
    async def connect_profile(self, _sender: str, _uuid: str) -> list[Any]:
        raise errors.not_supported()

    @method("DisconnectProfile", "s")
    async def disconnect_profile(self, _sender: str, _uuid: str) -> list[Any]:
        raise errors.not_supported()

    @method("Pair")
    async def pair(self, _sender: str) -> list[Any]:
        """The vehicle refuses to pair, and so it ends as it ends with BlueZ."""
        self._radio.check_powered()
        raise errors.BusError("org.bluez.Error.AuthenticationFailed", "Authentication Failed")

    @method("CancelPairing")
    async def cancel_pairing(self, _sender: str) -> list[Any]:
        raise errors.does_not_exist()

    async def end(self) -> None:
        """End the connection, or the attempt at one."""
        connecting, client = self._connecting, self._client
        if connecting is not None:
            connecting.cancel()
            await asyncio.wait({connecting})
        elif client is not None:
            await client.disconnect()
            self._lost(client)

    async def left(self, sender: str) -> None:
        """That client of the bus has gone. The connection stays, as it does with BlueZ."""
        for each in self.characteristics:
            with contextlib.suppress(errors.BusError):  # the link went too
                await each.left(sender)

    async def _connect(self) -> None:
        client = BleakClient(
            self.ble, disconnected_callback=self._lost, timeout=CONNECT_S, backend=self._radio.client_backend
        )
        try:
            async with self._radio.quiet():
                await client.connect()
            if not client.is_connected:
                raise BleakError("lost at once")
        except BleakError:
            # BlueZ believes a connection before it is established, and clients wait for its end before they try again.
            self.change(Connected=Variant("b", True))
            self.change(Connected=Variant("b", False))
            raise
        self._client = client
        self.change(Connected=Variant("b", True))
        self.tree.clear(self.path)
        self.characteristics = export_services(self.tree, self.path, client)
        found = sorted({*self.properties["UUIDs"].value, *(each.uuid for each in client.services)})
        self.change(UUIDs=Variant("as", found), ServicesResolved=Variant("b", True))
        self._naming = asyncio.ensure_future(self._learn_name(client))

    async def _learn_name(self, client: BleakClient) -> None:
        """BlueZ asks for the GAP Device Name once connected. It stands as ``Name`` until the next advertisement."""
        name = next((each for each in client.services.characteristics.values() if each.uuid == DEVICE_NAME), None)
        if name is None or name.service_uuid != GAP:
            return
        with contextlib.suppress(BleakError, TimeoutError, UnicodeDecodeError):  # then it keeps the one it had
            told = bytes(await client.read_gatt_char(name)).decode()
            if told and self.connected:
                self.change(Name=Variant("s", told), Alias=Variant("s", told))

    def _lost(self, client: BleakClient) -> None:
        if self._client is not client:
            return
        self._client = None
        if self._naming is not None:
            self._naming.cancel()
        for each in self.characteristics:
            each.lost()
        self.change(ServicesResolved=Variant("b", False), Connected=Variant("b", False))
        self._radio.forget_later(self)


def _advertised(address: str, data: AdvertisementData) -> dict[str, Variant]:
    """The properties that come from an advertisement."""
    shown = {
        "Alias": Variant("s", data.local_name or address.replace(":", "-")),
        "UUIDs": Variant("as", sorted(set(data.service_uuids))),
        "RSSI": Variant("n", max(-127, min(20, data.rssi))),
    }
    if data.local_name:
        shown["Name"] = Variant("s", data.local_name)
    if data.manufacturer_data:
        shown["ManufacturerData"] = Variant(
            "a{qv}", {company: Variant("ay", value) for company, value in data.manufacturer_data.items()}
        )
    return shown
