"""What each radio would need on this machine: looked at, not switched on. One line of advice for each that has a lack.

``lacking(spec)`` is about one that was named; ``all_radios()`` about every kind there is, as checks that never fail: a
machine need not have them all.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from keygw.cli.diagnosis import Check, Verdict, fail, ok, skipped

SYSFS = Path("/sys")
DEV = Path("/dev")
CONNECT_S = 2.0
SERIAL_NAMES = ("ttyACM*", "ttyUSB*", "cu.usbmodem*", "cu.usbserial*")
BLUETOOTH_CLASS = ("e0", "01", "01")
"""Wireless controller, radio frequency, Bluetooth programming interface (USB-IF's class codes)."""
VM_TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "mmdebstrap": "mmdebstrap",
    "zstd": "zstd",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
}
"""Of ``make test-bluez``: program -> Debian package."""
OTHERWISE = "or take another: --radio usb:0, or tcp-client:HOST:PORT of keygw sim radio"


def lacking(spec: str) -> Check | None:
    """What is in the way of this radio, as a failed check; ``None`` where nothing is, or nothing can be told."""
    kind, _, rest = spec.partition(":")
    match kind:
        case "system" if sys.platform.startswith("linux"):
            return system()
        case "usb" if sys.platform.startswith("linux"):
            return usb()
        case "serial" if rest:
            return serial(rest.partition(",")[0])
        case "tcp-client":
            return tcp(rest)
    return None


def all_radios() -> list[Check]:
    """One line for each kind. What one would need is advice, not a fault."""
    linux = sys.platform.startswith("linux")
    found = [
        system() if linux else skipped("radio: system", "the operating system's own; --radio system tries it"),
        usb() if linux else skipped("radio: usb", "a dongle or board that libusb may open; --radio usb:0 tries it"),
        serials(),
        ok("radio: tcp-client", "an HCI controller over TCP; keygw sim radio offers some"),
        private_bus(),
        virtual_machine(),
    ]
    return [replace(each, status=Verdict.SKIPPED) if each.status is Verdict.FAIL else each for each in found]


def system(address: str | None = None) -> Check:
    """BlueZ by D-Bus. ``address``: of the bus, by default the system's."""
    from keygw.ble import bluez

    name, found = "radio: system", asyncio.run(bluez.look(address))
    match found.lack:
        case None:
            return ok(name, f"BlueZ has an adapter that is on ({found.detail})")
        case bluez.Lack.BUS:
            fix = f"install dbus and bluez, and start both: systemctl start dbus bluetooth; {OTHERWISE}"
            return fail(name, f"no D-Bus system bus ({found.detail})", fix)
        case bluez.Lack.BUS_PERMISSION:
            return fail(name, f"D-Bus lets this user not in ({found.detail})", "run it as a user who may use the bus")
        case bluez.Lack.BLUETOOTHD:
            fix = f"install bluez and start it: systemctl enable --now bluetooth; {OTHERWISE}"
            return fail(name, f"no bluetoothd on D-Bus ({found.detail})", fix)
        case bluez.Lack.PERMISSION:
            fix = "sudo usermod -aG bluetooth $USER, and log in again"
            return fail(name, f"BlueZ does not talk to this user ({found.detail})", fix)
        case bluez.Lack.ADAPTER:
            return fail(name, "no Bluetooth adapter", f"plug one in; {OTHERWISE}")
        case bluez.Lack.POWER:
            blocked = next(iter(_blocked(SYSFS)), None)
            if blocked == "hard":
                return fail(name, f"{found.detail} is switched off by hand", "use the switch or key of the machine")
            fix = "rfkill unblock bluetooth" if blocked == "soft" else "bluetoothctl power on"
            return fail(name, f"{found.detail} is switched off", fix)


def usb(sysfs: Path = SYSFS, dev: Path = DEV) -> Check:
    """A USB controller that Bumble may take from the kernel: found as Bumble finds it, by its class."""
    name = "radio: usb"
    found = list(_usb_controllers(sysfs))
    if not found:
        return fail(name, "no USB Bluetooth controller", "plug in a dongle, or a board with an HCI-over-USB firmware")
    device = found[0]
    bus, number = (int((device / each).read_text()) for each in ("busnum", "devnum"))
    node = dev / "bus" / "usb" / f"{bus:03d}" / f"{number:03d}"
    ids = ":".join((device / each).read_text().strip() for each in ("idVendor", "idProduct"))
    shown = f"{ids} at {node}"
    if not os.access(node, os.R_OK | os.W_OK):
        vendor, product = ids.split(":")
        rule = f'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}", TAG+="uaccess"'
        fix = f"write {rule} into /etc/udev/rules.d/70-keygw.rules, and plug it in again"
        return fail(name, f"{shown} may not be opened by this user", fix)
    driver = next((path.resolve().name for path in sorted(device.glob("*/driver"))), None)
    if driver is None:
        return ok(name, f"{shown} is free")
    up = next((each.name for each in device.glob("*/bluetooth/hci*")), "hci0")
    return fail(name, f"{shown} is claimed by the kernel ({driver})", f"take it: sudo hciconfig {up} down")


def serial(path: str) -> Check:
    """A serial port that was named."""
    name, port = "radio: serial", Path(path)
    try:
        kind = port.stat().st_mode
    except FileNotFoundError:
        known = ", ".join(map(str, _ports(DEV))) or "none"
        return fail(name, f"no {path} here", f"plug the board in, or name another; serial devices here: {known}")
    except OSError as error:
        return fail(name, f"{path}: {error.strerror}", "name a serial device that this user may see")
    if not stat.S_ISCHR(kind):
        return fail(name, f"{path} is no serial device", "name one such as /dev/ttyACM0")
    if not os.access(port, os.R_OK | os.W_OK):
        group = _group(port)
        fix = f"sudo usermod -aG {group} $USER, and log in again"
        return fail(name, f"{path} belongs to the group {group}, and this user is not in it", fix)
    return ok(name, f"{path} may be opened")


def serials(dev: Path = DEV) -> Check:
    """The first serial port, if there is any."""
    ports = _ports(dev)
    if not ports:
        return fail("radio: serial", "no serial device", "plug in a board with an HCI-over-UART firmware")
    return serial(str(ports[0]))


def tcp(place: str) -> Check:
    """``HOST:PORT`` with an HCI controller behind it: whether somebody listens there."""
    name = "radio: tcp-client"
    host, _, port = place.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65_536:
        return fail(name, f"{place!r} is no HOST:PORT", "name it as in tcp-client:127.0.0.1:7462")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except socket.gaierror as error:
        return fail(name, f"no such host as {host} ({error.strerror})", "name a host that can be reached from here")
    except ConnectionRefusedError:
        fix = "start the virtual radio: keygw sim radio (it prints its transports); one port serves one host"
        return fail(name, f"nobody listens at {place}", fix)
    except OSError as error:
        why = str(error) or type(error).__name__
        return fail(name, f"{place} cannot be reached ({why})", "name a host that can be reached from here")
    return ok(name, f"somebody listens at {place}")


def private_bus() -> Check:
    """``keygw sim bluez``."""
    name = "radio: sim bluez"
    if not sys.platform.startswith("linux"):
        return skipped(name, "a private D-Bus is for Linux")
    if shutil.which("dbus-daemon") is None:
        return fail(name, "no dbus-daemon", "apt-get install dbus")
    return ok(name, "keygw sim bluez can start a private bus, for --radio system without an adapter")


def virtual_machine() -> Check:
    """``make test-bluez``, which takes a source tree besides."""
    name = "radio: test-bluez"
    if not sys.platform.startswith("linux"):
        return skipped(name, "BlueZ in a virtual machine is made on Linux")
    missing = [tool for tool in VM_TOOLS if shutil.which(tool) is None]
    if missing:
        packages = " ".join(sorted({VM_TOOLS[tool] for tool in missing}))
        seen = f"missing for BlueZ in a virtual machine: {', '.join(missing)}"
        return fail(name, seen, f"apt-get install {packages}")
    return ok(name, "all is there for BlueZ in a virtual machine (make test-bluez)")


def _usb_controllers(sysfs: Path) -> Iterator[Path]:
    for device in sorted((sysfs / "bus" / "usb" / "devices").glob("*")):
        if not (device / "devnum").exists():
            continue
        classes = [(device, "bDevice"), *((each, "bInterface") for each in sorted(device.glob("*:*")))]
        if any(_class(at, prefix) == BLUETOOTH_CLASS for at, prefix in classes):
            yield device


def _class(at: Path, prefix: str) -> tuple[str, ...]:
    names = (f"{prefix}{part}" for part in ("Class", "SubClass", "Protocol"))
    return tuple((at / name).read_text().strip() if (at / name).exists() else "" for name in names)


def _blocked(sysfs: Path) -> Iterator[str]:
    for each in sorted((sysfs / "class" / "rfkill").glob("rfkill*")):
        if (each / "type").read_text().strip() == "bluetooth":
            for kind in ("hard", "soft"):
                if (each / kind).read_text().strip() == "1":
                    yield kind


def _ports(dev: Path) -> list[Path]:
    return sorted(port for name in SERIAL_NAMES for port in dev.glob(name))


def _group(port: Path) -> str:
    try:
        return port.group()
    except KeyError:  # a number without a name
        return str(port.stat().st_gid)
