"""The virtual radio as what it is: a process that other processes attach to, and that outlives them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar

import pytest
from bumble.transport import open_transport

from keygw.ble.air import BleAir
from keygw.model.errors import LinkError
from keygw.vehicle.ports import Link
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.echo import EchoVehicle

T = TypeVar("T")

RID = bytes.fromhex("010203040506")
LAST = 0xC0
START_S = 15.0
"""A cold interpreter with Bumble on a busy machine; the usual is under one second."""

posix = pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")


async def soon(work: Awaitable[T], seconds: float = 3.0) -> T:
    return await asyncio.wait_for(work, seconds)


async def lost(work: Awaitable[object], code: str) -> None:
    with pytest.raises(LinkError) as caught:
        await asyncio.wait_for(work, 3.0)
    assert caught.value.code == code


async def reap(process: Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()
    await process.wait()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


async def start(stack: AsyncExitStack, module: str, *args: str) -> Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *args, stdin=PIPE, stdout=PIPE, env={**os.environ, "PYTHONPATH": path()}
    )
    stack.push_async_callback(reap, process)
    return process


async def ask(link: Link, frame: bytes) -> bytes:
    """A cut shows in the send or in the receive, whichever is looking when it comes."""
    await link.send(frame)
    return await link.receive()


def path() -> str:
    return os.pathsep.join(sys.path)


async def said(process: Process, seconds: float = START_S) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), seconds)
    answer = json.loads(line)
    assert isinstance(answer, dict)
    return answer


async def order(process: Process, line: str) -> dict[str, Any]:
    assert process.stdin is not None
    process.stdin.write(line.encode() + b"\n")
    return await said(process)


async def radio_process(stack: AsyncExitStack, *args: str) -> tuple[Process, list[str]]:
    process = await start(stack, "keygw_sim.radio", "--controllers", "2", *args)
    ready = await said(process)
    assert ready["ready"] is True
    return process, ready["transports"]


async def echo_process(stack: AsyncExitStack, transport: str) -> Process:
    process = await start(stack, "keygw_sim.vehicle.echo", "--transport", transport, "--rotating-id", RID.hex())
    assert (await said(process))["ready"] is True
    return process


def air_on(stack: AsyncExitStack, transport: str) -> BleAir:
    air = BleAir.bumble(transport)
    stack.push_async_callback(air.close)
    return air


async def test_three_processes_one_conversation(stack: AsyncExitStack) -> None:
    process, (car, gateway) = await radio_process(stack)
    await echo_process(stack, car)
    link = await air_on(stack, gateway).open(lambda r: r == RID, 4.0)
    await link.send(bytes([LAST, 1]))
    assert await soon(link.receive()) == bytes([LAST, 1])

    assert await order(process, '{"do": "cut"}') == {"did": "cut", "links": 1}
    await lost(link.receive(), "link_lost")
    assert await order(process, '{"do": "cut"}') == {"did": "cut", "links": 0}


async def test_the_answer_can_be_cut_off(stack: AsyncExitStack) -> None:
    process, (car, gateway) = await radio_process(stack)
    await echo_process(stack, car)
    link = await air_on(stack, gateway).open(lambda r: r == RID, 4.0)
    armed = await order(process, '{"do": "cut", "after_frames": 1, "of": "notifications", "port": 1}')
    assert armed == {"did": "arm"}
    await link.send(bytes([LAST, 1]))
    assert await soon(link.receive()) == bytes([LAST, 1])
    await lost(ask(link, bytes([LAST, 2])), "link_lost")
    assert await said(process) == {"did": "cut", "links": 1}


@pytest.mark.parametrize(
    "line",
    ["nonsense", "[]", '{"do": "dance"}', "{}", '{"do": "cut", "port": 9}', '{"do": "cut", "after_frames": -1}',
     '{"do": "cut", "after_frames": 1, "of": "birds"}'],
)  # fmt: skip
async def test_a_bad_order_is_answered_and_survived(stack: AsyncExitStack, line: str) -> None:
    process, _ = await radio_process(stack)
    assert "error" in await order(process, line)
    assert await order(process, '{"do": "cut"}') == {"did": "cut", "links": 0}


@posix
async def test_a_killed_vehicle_is_noticed_and_its_successor_attaches_at_once(stack: AsyncExitStack) -> None:
    _, (car, gateway) = await radio_process(stack)
    air = air_on(stack, gateway)
    vehicle = await echo_process(stack, car)
    for _ in range(2):
        link = await air.open(lambda r: r == RID, 4.0)
        begun = time.monotonic()
        vehicle.send_signal(signal.SIGKILL)
        await lost(link.receive(), "link_lost")
        assert time.monotonic() - begun < 1.0
        assert await air.scan(0.1) == []
        vehicle = await echo_process(stack, car)
    link = await air.open(lambda r: r == RID, 4.0)
    await link.send(bytes([LAST, 1]))
    assert await soon(link.receive()) == bytes([LAST, 1])


@posix
async def test_a_killed_radio_ends_the_link_and_the_vehicle(stack: AsyncExitStack) -> None:
    process, (car, gateway) = await radio_process(stack)
    vehicle = await echo_process(stack, car)
    air = air_on(stack, gateway)
    link = await air.open(lambda r: r == RID, 4.0)
    process.send_signal(signal.SIGKILL)
    await lost(link.receive(), "link_lost")
    await lost(air.open(lambda r: r == RID, 1.0), "radio_unavailable")
    assert await soon(vehicle.wait()) == 3


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_cleanly_when_told(stack: AsyncExitStack, number: signal.Signals) -> None:
    process, (_, gateway) = await radio_process(stack)
    await air_on(stack, gateway).scan(0.02)
    process.send_signal(number)
    assert await soon(process.wait()) == 0


@pytest.mark.parametrize("follow", [True, False])
async def test_it_follows_its_parent_only_when_asked(stack: AsyncExitStack, follow: bool) -> None:
    process, (_, gateway) = await radio_process(stack, *(["--follow-stdin"] if follow else []))
    assert process.stdin is not None
    process.stdin.close()
    if follow:
        assert await soon(process.wait()) == 0
        return
    await air_on(stack, gateway).scan(0.05)
    assert process.returncode is None


async def test_a_taken_port_is_said_plainly(stack: AsyncExitStack) -> None:
    radio = await stack.enter_async_context(VirtualRadio())
    taken = (await radio.add_controller()).port
    process = await start(stack, "keygw_sim.radio", "--controllers", "1", "--port", str(taken))
    assert await asyncio.wait_for(process.wait(), START_S) == 2


async def test_a_second_host_is_refused_and_the_first_keeps_working(
    stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keygw_sim.radio.virtual.TAKEOVER_S", 0.05)
    radio = await stack.enter_async_context(VirtualRadio())
    port = await radio.add_controller()
    first, second = air_on(stack, port.transport), air_on(stack, port.transport)
    assert await first.scan(0.02) == []
    await lost(second.scan(0.02), "radio_unavailable")
    assert await first.scan(0.02) == []


@pytest.mark.parametrize("rubbish", [b"\xff\xff\xff", b"\x01\x03\x0c\x00\x01\xff\xff\x05abcde", b"\x02", bytes(4096)])
async def test_rubbish_from_a_host_harms_nobody(stack: AsyncExitStack, rubbish: bytes) -> None:
    radio = await stack.enter_async_context(VirtualRadio())
    port, other = await radio.add_controller(), await radio.add_controller()
    _, writer = await asyncio.open_connection("127.0.0.1", port.port)
    writer.write(rubbish)
    await writer.drain()
    await asyncio.sleep(0.02)
    writer.close()
    assert await air_on(stack, other.transport).scan(0.02) == []
    assert await air_on(stack, port.transport).scan(0.02) == []


async def test_a_controller_for_a_host_at_the_far_end_of_a_transport(stack: AsyncExitStack) -> None:
    """As for a kernel behind ``vhci``: the radio opens the transport, and the host is somebody else."""
    radio = await stack.enter_async_context(VirtualRadio())
    car, port = await radio.add_controller(tcp=False), await radio.add_controller(tcp=False)
    await stack.enter_async_context(EchoVehicle(car.open, RID))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        place = f"127.0.0.1:{probe.getsockname()[1]}"
    transport = await open_transport(f"tcp-server:{place}")
    stack.push_async_callback(transport.close)
    serving = asyncio.ensure_future(port.serve(transport))
    link = await air_on(stack, f"tcp-client:{place}").open(lambda r: r == RID, 4.0)
    await link.send(bytes([LAST, 1]))
    assert await soon(link.receive()) == bytes([LAST, 1])
    with pytest.raises(ConnectionRefusedError):
        await port.serve(transport)
    await port.close()
    await soon(serving)
    assert port.controller is None
