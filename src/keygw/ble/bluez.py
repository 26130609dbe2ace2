"""Two things that bleak does not do with BlueZ: say what stands between us and a scan, and clear a device.

Looking scans nothing and changes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bleak.backends.device import BLEDevice
from dbus_fast import AuthError, BusType, InvalidAddressError, Message, MessageType
from dbus_fast.aio import MessageBus

ASK_S = 3.0
CLEAR_S = 1.0
_DAEMON = "org.freedesktop.DBus"


class Lack(StrEnum):
    """The first thing that is missing, in the order in which a scan needs them."""

    BUS = "no_bus"
    BUS_PERMISSION = "bus_permission"
    BLUETOOTHD = "no_bluetoothd"
    PERMISSION = "permission"
    ADAPTER = "no_adapter"
    POWER = "adapter_off"


@dataclass(frozen=True, slots=True)
class Found:
    """``lack``: what is missing, ``None`` if nothing is. ``detail``: the adapters, or what was said."""

    lack: Lack | None
    detail: str


async def look(address: str | None = None) -> Found:
    """What BlueZ would need here. ``address``: of the bus, by default the system's (DBUS_SYSTEM_BUS_ADDRESS)."""
    bus: MessageBus | None = None
    try:
        async with asyncio.timeout(ASK_S):
            # Made inside, because it opens its socket already in the constructor.
            bus = MessageBus(address, bus_type=BusType.SYSTEM)
            await bus.connect()
            return await _ask(bus)
    except AuthError as error:
        return Found(Lack.BUS_PERMISSION, str(error))
    except TimeoutError:
        return Found(Lack.BUS, f"it says nothing for {ASK_S:g} s")
    except (OSError, InvalidAddressError, EOFError) as error:
        denied = getattr(error, "errno", None) in {errno.EACCES, errno.EPERM}
        return Found(Lack.BUS_PERMISSION if denied else Lack.BUS, str(error) or type(error).__name__)
    finally:
        if bus is not None:
            bus.disconnect()


async def clear(device: BLEDevice) -> None:
    """Let BlueZ forget what it remembers of a device, whoever it was that it learnt it from. Never raises.

    bleak-retry-connector's ``clear_cache`` clears what this process has read of it, and nothing else. A device that is
    connected still is left alone: its link takes two seconds to end, and the removal would meet the next one.
    """
    path = device.details.get("path") if isinstance(device.details, dict) else None
    if path is None:
        return  # Not BlueZ: the other systems have no word for it.
    bus: MessageBus | None = None
    with contextlib.suppress(AuthError, InvalidAddressError, OSError, EOFError):  # TimeoutError is an OSError.
        try:
            async with asyncio.timeout(CLEAR_S):
                bus = MessageBus(bus_type=BusType.SYSTEM)
                await bus.connect()
                asked = ("org.freedesktop.DBus.Properties", "Get", "ss", "org.bluez.Device1", "Connected")
                told = await _call(bus, "org.bluez", path, *asked)
                if told.message_type is not MessageType.ERROR and not told.body[0].value:
                    adapter = path.rpartition("/")[0]
                    await _call(bus, "org.bluez", adapter, "org.bluez.Adapter1", "RemoveDevice", "o", path)
        finally:
            if bus is not None:
                bus.disconnect()


async def _ask(bus: MessageBus) -> Found:
    owned = await _call(bus, _DAEMON, "/org/freedesktop/DBus", _DAEMON, "NameHasOwner", "s", "org.bluez")
    if owned.message_type is MessageType.ERROR or not owned.body[0]:
        return Found(Lack.BLUETOOTHD, "nobody owns org.bluez")
    told = await _call(bus, "org.bluez", "/", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
    if told.message_type is MessageType.ERROR:
        lack = Lack.PERMISSION if told.error_name == "org.freedesktop.DBus.Error.AccessDenied" else Lack.BLUETOOTHD
        return Found(lack, f"{told.error_name}: {told.body[0] if told.body else ''}")
    adapters = {
        path.rpartition("/")[2]: bool(shown["org.bluez.Adapter1"]["Powered"].value)
        for path, shown in told.body[0].items()
        if "org.bluez.Adapter1" in shown
    }
    names = ", ".join(sorted(adapters))
    if not adapters:
        return Found(Lack.ADAPTER, "BlueZ knows of none")
    return Found(None if any(adapters.values()) else Lack.POWER, names)


async def _call(bus: MessageBus, name: str, path: str, interface: str, member: str, *body: Any) -> Message:
    """The answer or the error; ``body`` begins with its signature."""
    signature, *values = body or ("",)
    reply = await bus.call(
        Message(destination=name, path=path, interface=interface, member=member, signature=signature, body=values)
    )
    if reply is None:
        raise EOFError("no reply")
    return reply
