"""Check of the radio: it is really switched on and listened with, for a moment."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from keygw.cli.diagnosis import Check, fail, ok, skipped

LISTEN_S = 0.5
LIMIT_S = 10.0
_NAME = "radio"
_SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
_SYSFS = Path("/sys/class/bluetooth")


def radio(spec: str, *, running: bool) -> Check:
    """``running``: a gateway runs, and a board serves one host at a time, so it is left alone."""
    if spec == "none":
        return skipped(_NAME, "none is wanted")
    if running:
        return skipped(_NAME, f"{spec}: left to the gateway that runs")
    if spec == "system" and sys.platform.startswith("linux") and (missing := linux_lacks()) is not None:
        return missing
    try:
        return asyncio.run(_listen(spec))
    except Exception as error:
        # Bumble's transports raise whatever their drivers do; a doctor reports it and goes on.
        return fail(_NAME, f"{spec}: {str(error) or type(error).__name__}", _fix(spec))


def linux_lacks(env: dict[str, str] | None = None, sysfs: Path = _SYSFS) -> Check | None:
    """What BlueZ needs and this machine has not; ``None`` if all is there."""
    address = (dict(os.environ) if env is None else env).get("DBUS_SYSTEM_BUS_ADDRESS", _SYSTEM_BUS)
    path = address.partition("path=")[2].partition(",")[0]
    if path and not Path(path).exists():
        return fail(
            _NAME,
            f"no D-Bus system bus at {path}, so no BlueZ",
            "install bluez and start dbus and bluetooth, or use --radio usb:0, or tcp-client:HOST:PORT",
        )
    if not list(sysfs.glob("hci*")):
        return fail(_NAME, "no Bluetooth adapter", "plug one in, or use --radio usb:0, or tcp-client:HOST:PORT")
    return None


async def _listen(spec: str) -> Check:
    from keygw.ble.air import BleAir
    from keygw.model.errors import LinkError

    air = BleAir.system() if spec == "system" else BleAir.bumble(spec)
    try:
        async with asyncio.timeout(LIMIT_S):
            heard = await air.scan(LISTEN_S)
    except LinkError as error:
        return fail(_NAME, f"{spec}: {error}", _fix(spec))
    except TimeoutError:
        return fail(_NAME, f"{spec} says nothing for {LIMIT_S:g} s", _fix(spec))
    finally:
        await air.close()
    vehicles = "1 vehicle" if len(heard) == 1 else f"{len(heard)} vehicles"
    return ok(_NAME, f"{spec} works; heard {vehicles} in {LISTEN_S:g} s")


def _fix(spec: str) -> str:
    if spec == "system":
        return "switch Bluetooth on, and let this user use it; or name a board: --radio usb:0"
    if spec.startswith("tcp-client:"):
        return "start the virtual radio: keygw sim radio (it prints its transports); one port serves one host"
    return "look at the transport's name and at the rights of the device"
