"""From the wish to revoke a key to the car that bars it, on a live link: the whole gateway, the virtual radio, a car.

The gateway is the one that ``keygw serve`` runs, put together in this process with a car and the ether between them.
The clock starts when the app's request comes in and stops when the car has put the list into its flash. The baseline
takes turns with it: what cannot be left out is one flush to the disk, one signature, and one question with its answer
over a live link of the same ether, to another car.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
from benchmarks.harness import Figure

from keygw.app.gateway import gateway
from keygw.app.logs import log_to_stderr
from keygw.app.settings import Settings
from keygw.ble.air import BleAir
from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import HeldKey
from keygw_sim.garage import Garage
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle import provisioning
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Flash
from keygw_sim.vehicle.runner import VehicleOnAir, fresh, identity, uptime

GROUP = "credentials"
GOAL = 5.0
CARS, EACH = 20, 15
"""Every car is met anew, so none has to hear of more than fifteen ended keys."""
PATIENCE = 10.0


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        pairs = asyncio.run(_measure(Path(folder)))
    ours, base = sorted(ours for ours, _ in pairs), sorted(base for _, base in pairs)
    detail: dict[str, object] = {
        "median_ms": round(statistics.median(ours) * 1e3, 2), "p99_ms": round(_p99(ours) * 1e3, 2),
        "base_median_ms": round(statistics.median(base) * 1e3, 2), "base_p99_ms": round(_p99(base) * 1e3, 2),
        "rounds": len(pairs),
    }  # fmt: skip
    name = "revoke -> vehicle has it / (fdatasync + sign + round trip)"
    yield Figure(f"{name}, p99", GROUP, _p99(ours) / _p99(base), "x", goal=GOAL, detail=detail)
    yield Figure(f"{name}, median", GROUP, statistics.median(ours) / statistics.median(base), "x")


def _p99(ordered: list[float]) -> float:
    return ordered[len(ordered) * 99 // 100]


class _Car:
    """The car of the gateway: it tells when it has stored a list."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.memory = fresh("Car", None)
        self.brain = Brain(self.memory, Flash(folder), os.urandom, uptime, self._log)
        self._stored: dict[int, float] = {}
        self._news = asyncio.Event()

    def _log(self, what: str, data: dict[str, object]) -> None:
        if what == "list_accepted":
            self._stored[int(str(data["sequence"]))] = time.perf_counter()
            self._news.set()

    async def has(self, sequence: int) -> float:
        """When it has stored that list, or a later one."""
        async with asyncio.timeout(PATIENCE):
            while not (times := [at for number, at in self._stored.items() if number >= sequence]):
                self._news.clear()
                await self._news.wait()
        return min(times)


class _App:
    """The operator's requests, without a socket."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Idempotency-Key": os.urandom(8).hex(), "Prefer": "wait=5"}
        answer = await self._http.request(method, f"/v1{path}", json=body, headers=headers)
        answer.raise_for_status()
        return dict(answer.json())


async def _measure(folder: Path) -> list[tuple[float, float]]:
    """Seconds, ours and the baseline's, for each round."""
    signer = LocalSigner.generate()
    async with AsyncExitStack() as stack:
        radio = await stack.enter_async_context(VirtualRadio())
        trip = await _other_link(stack, radio, Garage(folder / "other"))
        settings = Settings(data=folder / "gateway", radio=(await radio.add_controller()).transport)
        log_to_stderr(settings)
        running = await stack.enter_async_context(gateway(settings, "http://bench"))
        bearer = {"Authorization": f"Bearer {running.operator_token_file.read_text().strip()}"}
        transport = httpx.ASGITransport(running.http)  # type: ignore[arg-type]  # an ASGI application
        client = httpx.AsyncClient(transport=transport, base_url="http://bench", headers=bearer)
        app = _App(await stack.enter_async_context(client))
        gc.collect()
        gc.freeze()  # as ``keygw serve`` does
        flushed = stack.enter_context((folder / "flushed").open("wb", buffering=0))
        pairs = []
        for number in range(CARS):
            async with AsyncExitStack() as visit:
                car = _Car(folder / f"car{number}")
                await _park(visit, radio, car.brain)
                parent = await _owner(app, car)
                for _ in range(EACH):
                    pairs.append((await _revoke(app, car, parent), await _base(flushed.fileno(), signer, trip)))
        return pairs


async def _park(stack: AsyncExitStack, radio: VirtualRadio, brain: Brain) -> None:
    """Put the car on the air."""
    on_air = VehicleOnAir(brain, (await radio.add_controller()).transport)
    await on_air.start()
    stack.push_async_callback(on_air.stop)


async def _other_link(stack: AsyncExitStack, radio: VirtualRadio, garage: Garage) -> Conversation:
    """An open session with the garage's car."""
    await _park(stack, radio, garage.brain)
    air = BleAir.bumble((await radio.add_controller()).transport)
    stack.push_async_callback(air.close)
    claims = garage.claims("owner")
    held = HeldKey(garage.office.hand(claims, garage.chain(claims)), garage.signers["owner"])
    talk = await Conversation.open(air, garage.vehicle, held, os.urandom, PATIENCE)
    stack.push_async_callback(talk.close)
    await talk.authenticate()
    return talk


async def _owner(app: _App, car: _Car) -> str:
    """Make the car known, and a key of it that the gateway holds; open a session and leave it open. The key's id."""
    name = car.memory.vehicle_id
    await app.ask("POST", "/vehicles", dict(identity(car.memory)))
    key = await app.ask("POST", "/keys", {"vehicle_id": name, "role": "owner"})
    (car.folder / provisioning.FILE).write_text(json.dumps(key["provisioning"]))
    order = {"action": "unlock", "key_id": key["id"]}
    done = await app.ask("POST", f"/vehicles/{name}/commands", order)
    if done["state"] != "confirmed":
        raise RuntimeError(f"the car does not open: {done}")
    return str(key["id"])


async def _revoke(app: _App, car: _Car, parent: str) -> float:
    """Share a key and wait until all is quiet, then revoke it. Seconds until the car had the list."""
    phone = encode_base64url(LocalSigner.generate().public_key)
    friend = {"public_key": phone, "profile": "access", "lifetime_seconds": 3600}
    shared = await app.ask("POST", f"/keys/{parent}:share", friend)
    await _quiet(app, shared["id"])
    began = time.perf_counter()
    revoked = await app.ask("POST", f"/keys/{shared['id']}:revoke")
    took = await car.has(revoked["list"]["current"]) - began
    await _quiet(app, shared["id"])
    return took


async def _quiet(app: _App, key_id: str) -> None:
    """Until the car has acknowledged the newest list."""
    async with asyncio.timeout(PATIENCE):
        while (told := (await app.ask("GET", f"/keys/{key_id}"))["list"])["acknowledged"] < told["current"]:  # noqa: ASYNC110 - a figure that polls in between disturbs nothing
            await asyncio.sleep(0.002)


async def _base(flushed: int, signer: LocalSigner, trip: Conversation) -> float:
    """Seconds for the flush of a page, the signature and the round trip."""
    began = time.perf_counter()
    os.pwrite(flushed, bytes(4096), 0)
    os.fdatasync(flushed)
    signer.sign(bytes(300))
    await trip.receipts(2**32 - 1)
    return time.perf_counter() - began
