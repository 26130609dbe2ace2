"""``keygw serve --radio system`` on a private bus: gateway, org.bluez, radio and car in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from keygw_sim.processes import Child, ChildFailed
from keygw_sim.scenarios.world import World

pytestmark = pytest.mark.usefixtures("dbus")


class SystemWorld(World):
    """A world whose gateway has no HCI of its own, but the operating system's Bluetooth: ``bluez``."""

    bluez: Child

    async def one_more_gateway(self, controller: int) -> Child:
        self.bluez = Child("keygw_sim.bluez", "--transport", self.transports[controller], "--follow-stdin")
        await self._stack.enter_async_context(self.bluez)
        gateway = Child(
            "keygw", "serve", "--data", str(self.folder / "gateway"), "--port", "0", "--radio", "system",
            "--json", "--follow-stdin", env={"DBUS_SYSTEM_BUS_ADDRESS": self.bluez.ready["address"]},
        )  # fmt: skip
        await self._stack.enter_async_context(gateway)
        return gateway


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SystemWorld]:
    async with SystemWorld(tmp_path, seed="bluez") as world:
        await world.start_radio()
        await world.start_gateway()
        await world.start_car()
        await world.register_app()
        yield world


async def test_a_car_is_paired_and_unlocked_through_bluez(world: SystemWorld) -> None:
    assert (await world.pair_owner())["state"] == "done"
    unlocked = await world.command("unlock")
    assert (unlocked["state"], unlocked["receipt"]["outcome"]) == ("confirmed", "done")
    assert not (await world.car.ask(do="status"))["body"]["locked"]
    connected = [each["connected"] for each in (await world.bluez.ask(do="status"))["devices"].values()]
    assert connected.count(True) <= 1

    off = await world.bluez.ask(do="power", on=False)
    assert (off["powered"], [each["connected"] for each in off["devices"].values()].count(True)) == (False, 0)
    refused = await world.command("lock")
    assert (refused["state"], refused["reason"], refused["may_have_happened"]) == ("failed", "radio_unavailable", False)
    assert not (await world.car.ask(do="status"))["body"]["locked"]

    await world.bluez.ask(do="power", on=True)
    await world.bluez.ask(do="fault", member="StartDiscovery", error="InProgress", times=2)
    locked = await world.command("lock")
    assert (locked["state"], locked["receipt"]["outcome"]) == ("confirmed", "done")
    assert (await world.car.ask(do="status"))["body"]["locked"]


def processes() -> Iterator[tuple[int, list[str]]]:
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may end while we look
            yield int(each.name), (each / "cmdline").read_bytes().decode(errors="replace").split("\0")


def daemons(socket: str) -> list[int]:
    """The dbus-daemons that listen there: their configuration names the socket."""
    found = []
    for pid, words in processes():
        config = next((word.partition("=")[2] for word in words if word.startswith("--config-file=")), None)
        if words[0].endswith("dbus-daemon") and config is not None:
            with contextlib.suppress(OSError):
                found += [pid] if f"={socket}<" in Path(config).read_text() else []
    return found


def children(parent: int, module: str) -> list[int]:
    """Of that process, those that run the module."""
    return [pid for pid, words in processes() if module in words and f"\nPPid:\t{parent}\n" in status(pid)]


def status(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/status").read_text()
    return ""


async def test_its_bus_ends_with_it_however_it_ends() -> None:
    async with Child("keygw_sim.bluez", "--no-adapter", "--follow-stdin") as bluez:
        socket = bluez.ready["address"].removeprefix("unix:path=").partition(",")[0]
        running = daemons(socket)
        assert len(running) == 1
        await bluez.kill()
        async with asyncio.timeout(5):
            while os.access(f"/proc/{running[0]}", os.F_OK) or os.access(socket, os.F_OK):  # noqa: ASYNC110 - somebody else's process has no event for us
                await asyncio.sleep(0.01)


async def test_it_says_so_when_its_bus_or_its_radio_goes(tmp_path: Path) -> None:
    async with Child("keygw_sim.bluez", "--no-adapter", "--bus", str(tmp_path / "bus")) as bluez:
        (daemon,) = daemons(str(tmp_path / "bus"))
        os.kill(daemon, signal.SIGTERM)
        assert await asyncio.wait_for(bluez._running.wait(), 10) == 3
    async with Child("keygw_sim.bluez", "--port", "0") as bluez:
        (radio,) = children(bluez.pid, "keygw_sim.radio")
        os.kill(radio, signal.SIGKILL)
        assert await asyncio.wait_for(bluez._running.wait(), 10) == 3


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--bus", "/nowhere/bus"], 3, "Failed to bind socket"),
        (["--bus", "x" * 200], 3, "too long for a socket"),
        (["--bus", "/"], 3, "is there already"),
        (["--transport", "tcp-client:127.0.0.1:1"], 3, "radio cannot be used"),
        (["--transport", "nonsense:1"], 3, "radio cannot be used"),
        (["--transport", "usb:0", "--no-adapter"], 2, "--no-adapter"),
        (["--port", "70000"], 2, "--port"),
    ],
)
def test_a_start_that_cannot_be(words: list[str], code: int, said: str) -> None:
    more = [] if "--transport" in words or "--port" in words else ["--no-adapter"]
    ran = subprocess.run(
        [sys.executable, "-m", "keygw_sim.bluez", *words, *more],
        capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (code, "")
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_dbus_daemon_here(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "keygw_sim.bluez", "--no-adapter"],
        capture_output=True, text=True, timeout=30, check=False, env={**os.environ, "PATH": str(tmp_path)},
    )  # fmt: skip
    assert ran.returncode == 3
    assert "apt-get install dbus" in ran.stderr


async def test_orders_that_make_no_sense() -> None:
    async with Child("keygw_sim.bluez", "--no-adapter", "--follow-stdin") as bluez:
        for order in (
            {"do": "nonsense"}, {"do": "power", "on": True}, {"do": "cut"}, {"do": "fault"},
            {"do": "fault", "member": "Connect", "times": -1}, {"do": "fault", "member": "Connect", "times": "x"},
        ):  # fmt: skip
            with pytest.raises(ChildFailed, match="cannot do that"):
                await bluez.ask(**order)
        assert await bluez.ask(do="fault", member="Connect", times=0) == {"did": "fault"}
