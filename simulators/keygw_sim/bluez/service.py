"""``Bluez``: the private bus, the Bumble host, and ``org.bluez`` between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from dbus_fast import Message, MessageType, RequestNameReply
from dbus_fast.aio import MessageBus

from keygw.ble.bumble_backend import bumble_backends
from keygw.ble.bumble_host import BumbleHost, HciOpener
from keygw_sim.bluez.adapter import FORGET_S, Adapter
from keygw_sim.bluez.faults import Faults
from keygw_sim.bluez.managers import AgentManager, ProfileManager
from keygw_sim.bluez.private_bus import BusUnavailable, PrivateBus
from keygw_sim.bluez.tree import Tree

NAME = "org.bluez"
ROOT = "/org/bluez"
_OWNERS = (
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',arg2=''"
)


class Bluez:
    """``async with Bluez(transport) as bluez``: programs given ``bluez.address`` as their system bus see an adapter.

    ``transport``: a Bumble transport name or an opener, such as a port of the virtual radio. ``None``: no adapter, as
    on a machine whose dongle is still in the drawer. ``path``: where the bus has its socket. ``faults`` and ``adapter``
    take orders for trouble; ``forget_s`` is how long a device stays that is neither heard nor connected.
    """

    adapter: Adapter

    def __init__(
        self,
        transport: str | HciOpener | None,
        *,
        path: Path | None = None,
        hci: str = "hci0",
        forget_s: float = FORGET_S,
    ) -> None:
        self.faults = Faults()
        self._private = PrivateBus(path)
        self._host = None if transport is None else BumbleHost(transport, name="bluez")
        self._hci = hci
        self._forget_s = forget_s
        self._bus: MessageBus | None = None
        self._tree: Tree | None = None
        self._work: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """For ``DBUS_SYSTEM_BUS_ADDRESS``."""
        return self._private.address

    async def __aenter__(self) -> Bluez:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """``BusUnavailable`` without a bus; bleak's errors without a radio."""
        try:
            await self._private.start()
            self._bus = bus = await MessageBus(bus_address=self.address).connect()
            self._tree = tree = Tree(bus, self.faults)
            agents, profiles = AgentManager(tree, ROOT), ProfileManager(tree, ROOT)
            tree.add(agents, profiles)
            if self._host is not None:
                device = await self._host.ready()
                scanner, client = bumble_backends(self._host)
                address, path = device.public_address.to_string(False), f"{ROOT}/{self._hci}"
                self.adapter = Adapter(tree, path, address, scanner, client, forget_s=self._forget_s)
                self._host.on_lost(self._unplug)
                tree.add(self.adapter)
            bus.add_message_handler(lambda message: self._hear_of_clients(message, agents, profiles))
            await bus.call(
                Message(
                    destination="org.freedesktop.DBus", path="/org/freedesktop/DBus",
                    interface="org.freedesktop.DBus", member="AddMatch", signature="s", body=[_OWNERS],
                )
            )  # fmt: skip
            if await bus.request_name(NAME) is not RequestNameReply.PRIMARY_OWNER:
                raise BusUnavailable(f"somebody owns {NAME} on this bus already")
        except BaseException:
            await self.stop()
            raise

    async def wait_lost(self) -> None:
        """Return when the bus, our place on it, or the radio has gone."""
        tasks = [asyncio.ensure_future(self._private.wait_lost()), asyncio.ensure_future(self._left_bus())]
        try:
            ends = {*tasks} if self._host is None else {*tasks, self._host.lost}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def stop(self) -> None:
        """Leave the bus, end every link, close radio and bus. May be called twice."""
        bus, self._bus = self._bus, None
        for task in list(self._work):
            task.cancel()
        if self._tree is not None:
            self._tree.close()
        if self._host is not None:
            await self._host.close()
        if bus is not None and bus.connected:
            bus.disconnect()
        await self._private.stop()

    def _hear_of_clients(self, message: Message, *registers: AgentManager | ProfileManager) -> bool:
        if message.message_type is MessageType.SIGNAL and message.member == "NameOwnerChanged":
            name = str(message.body[0])
            for each in registers:
                each.left(name)
            if self._host is not None:
                self._spawn(self.adapter.left(name))
        return False

    async def _left_bus(self) -> None:
        """dbus-fast gives a connection up when it cannot write at once, as in a flood."""
        if self._bus is not None:
            with contextlib.suppress(Exception):  # it raises what ended the connection
                await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # the library has no types here

    def _unplug(self) -> None:
        """The radio has died."""
        if self._bus is not None:
            self._spawn(self.adapter.unplug())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
