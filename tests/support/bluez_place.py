"""``org.bluez`` for tests: our own on a private bus, or with KEYGW_BLUEZ=vhci the real one of this machine.

Both stand on a controller of the same virtual radio, so a test says what BlueZ does, and is run on both. The real one
takes root, ``hci_vhci``, D-Bus and bluetoothd: ``make test-bluez`` brings them up in a virtual machine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from bumble.transport import open_transport
from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from keygw_sim.bluez.service import Bluez
from keygw_sim.radio.virtual import VirtualRadio

REAL = os.environ.get("KEYGW_BLUEZ", "") == "vhci"
PATIENCE = 20.0 if REAL else 1.0
"""Under software emulation everything takes its time: a factor for every limit."""
APPEAR_S = 60.0
ADAPTER = "org.bluez.Adapter1"
DEVICE = "org.bluez.Device1"
PROPERTIES = "org.freedesktop.DBus.Properties"


class Refused(Exception):
    """A D-Bus error: its name and its text."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.name = name
        self.text = text


class BusClient:
    """A program on the bus, with no library of Bluetooth between."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus

    @classmethod
    async def connect(cls) -> BusClient:
        return cls(await MessageBus(bus_type=BusType.SYSTEM).connect())

    def leave(self) -> None:
        self._bus.disconnect()

    async def call(self, path: str, interface: str, member: str, signature: str = "", *body: Any) -> Any:
        """The first value of the answer. ``Refused`` for a D-Bus error."""
        message = Message(
            destination="org.bluez", path=path, interface=interface, member=member, signature=signature, body=list(body)
        )
        async with asyncio.timeout(5 * PATIENCE):
            reply = await self._bus.call(message)
        assert reply is not None
        if reply.message_type is MessageType.ERROR:
            raise Refused(reply.error_name or "", str(reply.body[0]) if reply.body else "")
        return reply.body[0] if reply.body else None

    async def objects(self) -> dict[str, dict[str, dict[str, Variant]]]:
        found: dict[str, dict[str, dict[str, Variant]]] = await self.call(
            "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"
        )
        return found

    async def shown(self, path: str, interface: str) -> dict[str, Any]:
        """An object's properties now."""
        found = await self.call(path, PROPERTIES, "GetAll", "s", interface)
        return {name: value.value for name, value in found.items()}


class BluezPlace:
    """A radio with ``org.bluez`` on one of its controllers. ``adapter``: its path."""

    def __init__(self, radio: VirtualRadio, adapter: str, bluez: Bluez | None) -> None:
        self.radio = radio
        self.adapter = adapter
        self.bluez = bluez


@asynccontextmanager
async def bluez_place(radio: VirtualRadio, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BluezPlace]:
    """``org.bluez`` with an adapter that is on; programs of this process find it as their system bus."""
    port = await radio.add_controller(tcp=False)
    async with AsyncExitStack() as stack:
        if not REAL:
            bluez = await stack.enter_async_context(Bluez(port.open))
            monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bluez.address)
            yield BluezPlace(radio, bluez.adapter.path, bluez)
            return
        client = await BusClient.connect()
        stack.callback(client.leave)
        transport = await open_transport("vhci")
        stack.push_async_callback(transport.close)
        serving = asyncio.ensure_future(port.serve(transport))
        stack.callback(serving.cancel)
        yield BluezPlace(radio, await powered_adapter(client), None)


async def powered_adapter(client: BusClient) -> str:
    """The path of an adapter that is on, once there is one."""
    async with asyncio.timeout(APPEAR_S):
        while True:
            for path, interfaces in (await client.objects()).items():
                if ADAPTER in interfaces and interfaces[ADAPTER]["Powered"].value:
                    return path
            await asyncio.sleep(0.05)
