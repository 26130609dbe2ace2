"""From a command that is accepted to one that is confirmed, on a warm link: gateway, virtual radio, car.

The gateway is the one that ``keygw serve`` runs, in this process with a car and the ether between them. Time starts
when the stream of the vehicle tells that the command was accepted and stops when it tells that it is confirmed: between
them the policy is asked, and three states and the receipt are made durable, one before a byte is on the air.
What it contains takes turns with it, in an open session with another car of the same ether and nothing around it: the
same command, and the question for the receipt, without which nothing is confirmed.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from itertools import cycle
from pathlib import Path

import httpx
from benchmarks.bench_revocation import _App as Operator
from benchmarks.bench_revocation import _Car as Car
from benchmarks.bench_revocation import _other_link as other_link
from benchmarks.bench_revocation import _owner as owner
from benchmarks.bench_revocation import _park as park
from benchmarks.harness import Figure

from keygw.app.gateway import gateway
from keygw.app.logs import log_to_stderr
from keygw.app.settings import Settings
from keygw.events.event import Event
from keygw.model.command import Action
from keygw.wire.messages import Cmd
from keygw_sim.garage import Garage
from keygw_sim.radio.virtual import VirtualRadio

GROUP = "command"
GOAL = 1.5
ROUNDS = 200
WARM_UP = 20


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        laps = asyncio.run(_measure(Path(folder)))
    told, asked, trip, flush, begun, both = (statistics.median(lap[column] for lap in laps) for column in range(6))
    detail: dict[str, object] = {
        "ms": round(told * 1e3, 2), "before_the_air_ms": round(begun * 1e3, 2), "command_ms": round(trip * 1e3, 2),
        "command_and_receipt_ms": round(both * 1e3, 2), "fdatasync_ms": round(flush * 1e3, 2), "rounds": ROUNDS,
    }  # fmt: skip
    name = "command on a warm link, p50"
    yield Figure(
        f"{name}: accepted -> confirmed / command and receipt", GROUP, told / both, "x", goal=GOAL, detail=detail
    )
    whole: dict[str, object] = {"ms": round(asked * 1e3, 2)}
    yield Figure(f"{name}: request -> answer / command and receipt", GROUP, asked / both, "x", detail=whole)
    yield Figure(f"{name}: accepted -> confirmed / command alone", GROUP, told / trip, "x")


class _Stream:
    """An ``Ear``: when each state of the last command was told."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def hear(self, event: Event) -> None:
        if event.type == "keygw.command.updated":
            self.at[str(event.data["state"])] = time.perf_counter()

    def end(self) -> None: ...


async def _measure(folder: Path) -> list[tuple[float, ...]]:
    """Seconds of each round: accepted to confirmed, the whole request, the bare command, the flush of a page;
    accepted to sent; the bare command and its receipt."""
    async with AsyncExitStack() as stack:
        radio = await stack.enter_async_context(VirtualRadio())
        trip = await other_link(stack, radio, Garage(folder / "other"))
        settings = Settings(data=folder / "gateway", radio=(await radio.add_controller()).transport)
        log_to_stderr(settings)
        running = await stack.enter_async_context(gateway(settings, "http://bench"))
        bearer = {"Authorization": f"Bearer {running.operator_token_file.read_text().strip()}"}
        transport = httpx.ASGITransport(running.http)  # type: ignore[arg-type]  # an ASGI application
        client = httpx.AsyncClient(transport=transport, base_url="http://bench", headers=bearer)
        app = Operator(await stack.enter_async_context(client))
        car = Car(folder / "car")
        await park(stack, radio, car.brain)
        key = await owner(app, car)
        vehicle, stream = car.memory.vehicle_id, _Stream()
        running.hub.follow(stream, vehicle)
        gc.collect()
        gc.freeze()  # as ``keygw serve`` does
        flushed = stack.enter_context((folder / "flushed").open("wb", buffering=0))
        laps: list[tuple[float, ...]] = []
        for number, action in zip(range(WARM_UP + ROUNDS), cycle((Action.LOCK, Action.UNLOCK)), strict=False):
            began = time.perf_counter()
            order = {"action": str(action.label), "key_id": key}
            done = await app.ask("POST", f"/vehicles/{vehicle}/commands", order)
            ended = time.perf_counter()
            if done["state"] != "confirmed":
                raise RuntimeError(f"the car does not obey: {done}")
            told, begun = (stream.at[state] - stream.at["accepted"] for state in ("confirmed", "sent"))
            bare = time.perf_counter()
            reply = await trip.ask(Cmd(number + 1, action))
            back = time.perf_counter()
            if not reply.outcome.ok:
                raise RuntimeError(f"the other car does not obey: {reply.outcome}")
            if not (await trip.receipts(reply.receipt - 1)).signed:
                raise RuntimeError("the other car has no receipt")
            both = time.perf_counter() - bare
            await trip.receipts_stored(reply.receipt)
            resting = time.perf_counter()
            os.pwrite(flushed.fileno(), bytes(4096), 0)
            os.fdatasync(flushed.fileno())
            laps.append((told, ended - began, back - bare, time.perf_counter() - resting, begun, both))
        return laps[WARM_UP:]
