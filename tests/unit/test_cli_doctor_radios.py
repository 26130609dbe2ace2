"""What ``keygw doctor`` says of each radio, under real conditions where they can be made: buses, ports, devices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import bluez_vm
import pytest

from keygw.ble import bluez
from keygw.cli import checks_radio, checks_radios
from keygw.cli.diagnosis import Check, Verdict
from keygw_sim.bluez.private_bus import PrivateBus
from keygw_sim.bluez.service import Bluez
from keygw_sim.radio.virtual import VirtualRadio

linux = pytest.mark.skipif(sys.platform != "linux", reason="BlueZ and sysfs are Linux's")
not_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is forbidden to root")


def fails(check: Check | None) -> Check:
    assert check is not None
    assert check.status is Verdict.FAIL, check
    assert check.fix, "a fault without a remedy"
    assert "\n" not in check.fix
    return check


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- the operating system's


async def lack(address: str) -> bluez.Lack | None:
    return (await bluez.look(address)).lack


@linux
async def test_no_bus(tmp_path: Path) -> None:
    assert await lack(f"unix:path={tmp_path}/none") is bluez.Lack.BUS
    (tmp_path / "file").write_text("")
    assert await lack(f"unix:path={tmp_path}/file") is bluez.Lack.BUS
    for nonsense in ("", "nonsense", "unix:path="):
        assert await lack(nonsense) is bluez.Lack.BUS


@linux
async def test_a_bus_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bluez, "ASK_S", 0.05)
    server = await asyncio.start_unix_server(lambda reader, writer: None, tmp_path / "mute")
    async with server:
        found = await bluez.look(f"unix:path={tmp_path}/mute")
    assert found.lack is bluez.Lack.BUS
    assert "says nothing" in found.detail


@linux
@pytest.mark.usefixtures("dbus")
async def test_each_lack_on_a_real_bus() -> None:
    async with PrivateBus() as bus:
        assert await lack(bus.address) is bluez.Lack.BLUETOOTHD
    async with Bluez(None) as without:
        assert await lack(without.address) is bluez.Lack.ADAPTER
    async with VirtualRadio() as radio:
        port = await radio.add_controller(tcp=False)
        async with Bluez(port.open) as service:
            assert await bluez.look(service.address) == bluez.Found(None, "hci0")
            await service.adapter.power(False)
            assert await bluez.look(service.address) == bluez.Found(bluez.Lack.POWER, "hci0")
            service.faults.order("GetManagedObjects", "org.freedesktop.DBus.Error.AccessDenied")
            assert await lack(service.address) is bluez.Lack.PERMISSION


@linux
def test_each_lack_has_its_advice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checks_radios, "SYSFS", tmp_path)
    said = {}
    for one in bluez.Lack:

        async def look(_: str | None, one: bluez.Lack = one) -> bluez.Found:
            return bluez.Found(one, "as told")

        monkeypatch.setattr(bluez, "look", look)
        said[one] = fails(checks_radios.system()).fix
    assert len(set(said.values())) == len(said)
    assert said[bluez.Lack.POWER] == "bluetoothctl power on"
    assert "usermod -aG bluetooth" in said[bluez.Lack.PERMISSION]
    switch = tmp_path / "class" / "rfkill" / "rfkill0"
    switch.mkdir(parents=True)
    for name, value in (("type", "bluetooth"), ("hard", "0"), ("soft", "1")):
        (switch / name).write_text(f"{value}\n")
    monkeypatch.setattr(bluez, "look", lambda _: _off())
    assert checks_radios.system().fix == "rfkill unblock bluetooth"
    (switch / "hard").write_text("1\n")
    assert "switch or key" in checks_radios.system().fix


async def _off() -> bluez.Found:
    return bluez.Found(bluez.Lack.POWER, "hci0")


@contextlib.contextmanager
def bluez_process(*words: str) -> Iterator[subprocess.Popen[str]]:
    line = [sys.executable, "-m", "keygw_sim.bluez", "--follow-stdin", *words]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.communicate("")


@linux
@pytest.mark.usefixtures("dbus")
def test_the_doctor_listens_through_bluez(monkeypatch: pytest.MonkeyPatch) -> None:
    with bluez_process("--port", "0") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", json.loads(process.stdout.readline())["address"])
        assert checks_radio.radio("system", running=False).seen == "system works; heard 0 vehicles in 0.5 s"
        process.stdin.write('{"do": "power", "on": false}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["powered"] is False
        check = fails(checks_radio.radio("system", running=False))
        assert (check.seen, check.fix) == ("system: hci0 is switched off", "bluetoothctl power on")
    assert "no D-Bus system bus" in fails(checks_radio.radio("system", running=False)).seen


# --- USB


def controller(sysfs: Path, *, driver: bool = False) -> Path:
    """A dongle in a sysfs of the test's, as Linux shows one (``/sys/bus/usb/devices``)."""
    device = sysfs / "bus" / "usb" / "devices" / "1-2"
    interface = device / "1-2:1.0"
    interface.mkdir(parents=True)
    values = {"busnum": "1", "devnum": "7", "idVendor": "2fe3", "idProduct": "000b"}
    classes = {"bDeviceClass": "ef", "bDeviceSubClass": "02", "bDeviceProtocol": "01"}
    for name, value in {**values, **classes}.items():
        (device / name).write_text(f"{value}\n")
    for name, value in {"bInterfaceClass": "e0", "bInterfaceSubClass": "01", "bInterfaceProtocol": "01"}.items():
        (interface / name).write_text(f"{value}\n")
    if driver:
        (sysfs / "btusb").mkdir()
        (interface / "driver").symlink_to(sysfs / "btusb")
        (interface / "bluetooth" / "hci3").mkdir(parents=True)
    return device


def node(dev: Path) -> Path:
    made = dev / "bus" / "usb" / "001" / "007"
    made.parent.mkdir(parents=True)
    made.touch()
    return made


def test_no_usb_controller(tmp_path: Path) -> None:
    fails(checks_radios.usb(tmp_path, tmp_path))
    mouse = controller(tmp_path)
    (mouse / "1-2:1.0" / "bInterfaceClass").write_text("03\n")
    assert "no USB Bluetooth controller" in fails(checks_radios.usb(tmp_path, tmp_path)).seen


def test_a_usb_controller_that_is_free(tmp_path: Path) -> None:
    controller(tmp_path)
    node(tmp_path)
    check = checks_radios.usb(tmp_path, tmp_path)
    assert check.status is Verdict.OK
    assert "2fe3:000b" in check.seen


def test_a_usb_controller_that_the_kernel_has(tmp_path: Path) -> None:
    controller(tmp_path, driver=True)
    node(tmp_path)
    check = fails(checks_radios.usb(tmp_path, tmp_path))
    assert "claimed by the kernel (btusb)" in check.seen
    assert "hci3 down" in check.fix


@not_root
def test_a_usb_controller_that_is_not_ours(tmp_path: Path) -> None:
    controller(tmp_path)
    node(tmp_path).chmod(0)
    assert 'ATTR{idVendor}=="2fe3"' in fails(checks_radios.usb(tmp_path, tmp_path)).fix


def test_a_usb_controller_without_its_node(tmp_path: Path) -> None:
    """As in a container that was not given the device."""
    controller(tmp_path)
    assert "udev" in fails(checks_radios.usb(tmp_path, tmp_path)).fix


# --- serial


def test_a_serial_device_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_radios, "DEV", tmp_path)
    assert "serial devices here: none" in fails(checks_radios.serial("/dev/there-is-none")).fix
    (tmp_path / "ttyACM3").touch()
    assert "ttyACM3" in fails(checks_radios.serial("/dev/there-is-none")).fix
    fails(checks_radios.serials(tmp_path / "nowhere"))


def test_a_file_is_no_serial_device(tmp_path: Path) -> None:
    (tmp_path / "ttyACM0").touch()
    assert "no serial device" in fails(checks_radios.serials(tmp_path)).seen
    fails(checks_radios.serial(str(tmp_path / "ttyACM0" / "below")))


@linux
def test_a_terminal_that_may_be_opened() -> None:
    ours, theirs = os.openpty()
    try:
        assert checks_radios.serial(os.ttyname(theirs)).status is Verdict.OK
    finally:
        os.close(ours)
        os.close(theirs)


@linux
@not_root
def test_a_terminal_of_another_group() -> None:
    ours, theirs = os.openpty()
    try:
        Path(os.ttyname(theirs)).chmod(0)
        assert "usermod -aG" in fails(checks_radios.serial(os.ttyname(theirs))).fix
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_group_that_is_advised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may open everything; who may not is told of the device's own group."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    check = fails(checks_radios.serial("/dev/null"))
    assert check.fix == f"sudo usermod -aG {Path('/dev/null').group()} $USER, and log in again"


# --- TCP


def test_nobody_listens(free_port: int) -> None:
    check = fails(checks_radio.radio(f"tcp-client:127.0.0.1:{free_port}", running=False))
    assert "nobody listens" in check.seen
    assert "keygw sim radio" in check.fix


@pytest.mark.parametrize("place", ["", "7462", "host:", "host:x", "host:0", "host:99999", ":1"])
def test_no_place(place: str) -> None:
    assert "no HOST:PORT" in fails(checks_radios.lacking(f"tcp-client:{place}")).seen


def test_no_such_host() -> None:
    assert "no such host" in fails(checks_radios.lacking("tcp-client:host.invalid:1")).seen


def _hang_up(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            server.accept()[0].close()


def test_somebody_listens_who_is_no_controller() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_hang_up, args=(server,), daemon=True).start()
        check = fails(checks_radio.radio(f"tcp-client:127.0.0.1:{server.getsockname()[1]}", running=False))
    assert check.seen


# --- the simulated, and all


def test_programs_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert fails(checks_radios.private_bus()).fix == "apt-get install dbus"
    check = fails(checks_radios.virtual_machine())
    assert "qemu-system-x86_64" in check.seen
    assert check.fix.startswith("apt-get install apt")
    for program in checks_radios.VM_TOOLS:
        (tmp_path / program).write_text("#!/bin/sh\n")
        (tmp_path / program).chmod(0o755)
    assert checks_radios.virtual_machine().status is Verdict.OK


def test_the_machine_takes_what_the_doctor_looks_for() -> None:
    assert checks_radios.VM_TOOLS == bluez_vm.TOOLS


def test_a_radio_that_nobody_chose_is_no_fault() -> None:
    checks = checks_radios.all_radios()
    assert all(check.status in (Verdict.OK, Verdict.SKIPPED) for check in checks)
    assert len({check.name for check in checks}) == len(checks) == 6
