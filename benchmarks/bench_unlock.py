"""From a scan to a confirmed unlock over the virtual radio, beside what no implementation can do without.

The bare road takes turns with ours on the same ether: bleak itself scans, connects, subscribes and reads INFO; then
come as many writes answered by a notification as ours has round trips after HELLO, as long as our messages, and the
raw operations of ``benchmarks.bare``. HELLO itself is no round trip: the vehicle says it unasked.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from benchmarks import bare
from benchmarks.harness import Figure
from bleak import BleakClient, BleakScanner

from keygw.ble.air import BleAir
from keygw.ble.bumble_backend import bumble_backends
from keygw.ble.bumble_host import BumbleHost
from keygw.model.command import Action
from keygw.session.fast import FastKey
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import HeldKey
from keygw.wire import gatt
from keygw.wire.messages import Cmd
from keygw_sim.garage import Garage
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.echo import EchoVehicle
from keygw_sim.vehicle.gatt import INTERVAL_MS
from keygw_sim.vehicle.runner import VehicleOnAir

GROUP = "unlock"
ROUNDS = 40
GOAL = 1.3
PATIENCE = 10.0
ECHO_ID = b"echo!!"
COLD_FRAMES = (40, 420)
"""Bytes of the device's messages, which are echoed; those of the vehicle are shorter."""
FAST_FRAMES = (80,)


class Road:
    """A car that knows its owner, an echo, and a radio for each."""

    def __init__(self, radio: VirtualRadio, garage: Garage, air: BleAir, host: BumbleHost) -> None:
        self.radio, self.garage, self.air, self.host = radio, garage, air, host
        claims = garage.claims("owner")
        self.key = HeldKey(garage.office.hand(claims, garage.chain(claims)), garage.signers["owner"])
        self.fast: FastKey | None = None
        self._number = 0

    async def unlock(self, fast: bool) -> float:
        """Seconds until the car has said that it is done."""
        self.garage.brain.set_body({"locked": True})
        self._number += 1
        began = time.perf_counter()
        talk = await Conversation.open(self.air, self.garage.vehicle, self.key, os.urandom, PATIENCE)
        reply = await talk.ask(Cmd(self._number, Action.UNLOCK), self.fast if fast else None)
        spent = time.perf_counter() - began
        assert reply.outcome.ok, reply.outcome
        self.fast = talk.session.fast_key or self.fast
        await talk.close()
        return spent

    async def bare(self, frames: tuple[int, ...], crypto: Callable[[], None]) -> float:
        """The same with bleak alone."""
        scanner, client = bumble_backends(self.host)
        heard = asyncio.Event()
        began = time.perf_counter()
        device = await BleakScanner.find_device_by_filter(
            lambda _, data: gatt.rotating_id(data.local_name) == ECHO_ID,
            timeout=PATIENCE,
            service_uuids=[gatt.SERVICE],
            backend=scanner,
        )
        assert device is not None
        async with BleakClient(device, backend=client, services=[gatt.SERVICE]) as link:
            await link.start_notify(gatt.TX, lambda _, __: heard.set())
            await link.read_gatt_char(gatt.INFO)
            for size in frames:
                heard.clear()
                await link.write_gatt_char(gatt.RX, bytes([0xC0]) + bytes(size - 1), response=True)
                await heard.wait()
            crypto()
            return time.perf_counter() - began


@asynccontextmanager
async def road() -> AsyncIterator[Road]:
    async with AsyncExitStack() as stack:
        garage = Garage(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        radio = await stack.enter_async_context(VirtualRadio())
        vehicle = VehicleOnAir(garage.brain, (await radio.add_controller()).transport)
        await vehicle.start()
        stack.push_async_callback(vehicle.stop)
        echo = EchoVehicle((await radio.add_controller()).transport, ECHO_ID, interval_ms=INTERVAL_MS)
        await stack.enter_async_context(echo)
        air = BleAir.bumble((await radio.add_controller()).transport)
        stack.push_async_callback(air.close)
        host = BumbleHost((await radio.add_controller()).transport)
        stack.push_async_callback(host.close)
        yield Road(radio, garage, air, host)


async def compare() -> dict[str, list[tuple[float, float]]]:
    """Seconds of ours and of the bare road, turn by turn."""
    async with road() as made:
        cold, fast = bare.cold_handshake(len(made.key.hand.token)), bare.fast_unlock()
        await made.unlock(False), await made.bare(COLD_FRAMES, cold)  # the first warms up
        laps: dict[str, list[tuple[float, float]]] = {"cold": [], "fast": []}
        for _ in range(ROUNDS):
            laps["cold"].append((await made.unlock(False), await made.bare(COLD_FRAMES, cold)))
            laps["fast"].append((await made.unlock(True), await made.bare(FAST_FRAMES, fast)))
        return laps


def figures() -> Iterator[Figure]:
    for name, laps in asyncio.run(compare()).items():
        ours, base = (statistics.median(lap[column] for lap in laps) for column in range(2))
        detail: dict[str, object] = {"ms": round(ours * 1000, 2), "bare_ms": round(base * 1000, 2), "rounds": ROUNDS}
        what = f"scan to confirmed unlock, {name}, p50, to bare GATT and raw crypto"
        yield Figure(what, GROUP, ours / base, "ratio", goal=GOAL, detail=detail)
