"""Many simulated cars in one process: how long until all are on the air, and until each has been connected and obeyed.

The gateway's side is one host with as many connection slots as there are cars; bleak and Bumble's host stacks carry
everything over the virtual radio. Every car is commanded, and all stay connected until the last has been.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks.harness import Figure

from keygw.ble.air import BleAir
from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.vehicle import Vehicle
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import HeldKey
from keygw.wire.messages import Cmd
from keygw_sim.chance import new_signer
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.rehearsal import Office
from keygw_sim.vehicle.car import Car
from keygw_sim.vehicle.flash import Flash, Issuer
from keygw_sim.vehicle.runner import new_vehicle
from keygw_sim.vehicle.yard import Yard, make_cars

GROUP = "vehicles"
CARS = 100
PATIENCE = 60.0


async def measure(folder: Path, count: int) -> tuple[float, list[float], float]:
    """Seconds until all are on the air; milliseconds of each connect with its first command; seconds to switch off."""
    office = Office(os.urandom)
    async with AsyncExitStack() as stack:
        radio = await stack.enter_async_context(VirtualRadio())
        openers = [(await radio.add_controller(tcp=False)).open for _ in range(count)]
        cars = make_cars(folder, "Car", openers)
        signers = [_owned(car, office) for car in cars]
        began = time.perf_counter()
        yard = await stack.enter_async_context(Yard(cars))
        on_air = time.perf_counter() - began
        air = BleAir.bumble((await radio.add_controller(tcp=False)).open, slots=count)
        stack.push_async_callback(air.close)
        took: list[float] = []
        talks: list[Conversation] = []
        for number, (car, signer) in enumerate(zip(cars, signers, strict=True), 1):
            memory = car.brain.memory
            vehicle = Vehicle(car.id, car.name, memory.signer.public_key, memory.advertising_key)
            key = HeldKey(office.hand(office.claims(vehicle, signer.public_key)), signer)
            began = time.perf_counter()
            talk = await Conversation.open(air, vehicle, key, os.urandom, PATIENCE)
            reply = await talk.ask(Cmd(number, Action.UNLOCK))
            took.append((time.perf_counter() - began) * 1000)
            if reply.outcome is not Outcome.DONE:
                raise RuntimeError(f"car {number} answered {reply.outcome.label}")
            talks.append(talk)
        open_now = sum(len(car.vehicle.connections) for car in cars)
        if open_now != count or any(car.brain.body.locked for car in cars):
            raise RuntimeError(f"of {count} cars {open_now} are connected at the end")
        for talk in talks:
            await talk.close()
        began = time.perf_counter()
        await yard.close()
        return on_air, took, time.perf_counter() - began


def _owned(car: Car, office: Office) -> LocalSigner:
    """A car that has left the workshop: it trusts the office, and somebody owns it."""
    signer = new_signer(os.urandom)
    memory = new_vehicle(car.name, os.urandom)
    memory.issuers.append(Issuer(office.key.issuer, office.kid, office.key.public_key))
    memory.owners.append(thumbprint(signer.public_key))
    Flash(car.folder).save(memory)
    return signer


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        on_air, took, off = asyncio.run(measure(Path(folder), CARS))
    ordered = sorted(took)
    yield Figure(f"{CARS} cars in one process: all on the air", GROUP, on_air, "s")
    yield Figure(f"{CARS} cars: connect and unlock, p50", GROUP, statistics.median(took), "ms")
    yield Figure(f"{CARS} cars: connect and unlock, p99", GROUP, ordered[len(ordered) * 99 // 100], "ms")
    yield Figure(
        f"{CARS} cars: connected at once, each unlocked", GROUP, len(took), "cars", goal=100, more_is_better=True
    )
    yield Figure(f"{CARS} cars: all switched off", GROUP, off, "s")
