"""Reading the signals of a car, with a token that is bound to a key and with a bearer, beside a bare GET of FastAPI.

The gateway is the one of ``keygw serve``, with a car on the virtual radio that has been heard and let go again; the app
was let in by the code that the car shows. Each server has the same core, the client another. Each DPoP request has a
proof of its own, made beforehand. The bare GETs answer the same bytes.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from benchmarks.harness import Figure
from benchmarks.served import away_from, cpu_of, load, measurable, served

from keygw.client.bound import BoundAuth
from keygw_sim.scenarios.world import World

GROUP = "read"
GOAL = 3.0
CLIENTS, EACH = 8, 50
ROUNDS = 7
NAME = "GET signals, CPU"


def figures() -> Iterator[Figure]:
    why = measurable()
    if why is not None:
        yield Figure(NAME, GROUP, 0, "absent", detail={"absent": why})
        return
    with tempfile.TemporaryDirectory() as folder:
        size, laps = asyncio.run(_measure(Path(folder)))
    cost = {name: statistics.median(lap[name] for lap in laps) for name in laps[0]}
    detail: dict[str, object] = {
        **{f"{name}_us": round(each, 1) for name, each in cost.items()}, "bytes": size, "rounds": ROUNDS,
    }  # fmt: skip
    for name in ("bearer", "dpop"):
        for floor, goal in (("model", GOAL), ("bytes", None)):
            ratio = statistics.median(lap[name] / lap[floor] for lap in laps)
            what = f"{NAME}: {name} / bare GET of {'the same model' if floor == 'model' else 'the same bytes'}"
            yield Figure(what, GROUP, ratio, "x", goal=goal, detail=detail)
            detail = {}


async def _measure(folder: Path) -> tuple[int, list[dict[str, float]]]:
    """The bytes of an answer; microseconds of a request, by what was asked, in each round."""
    core = max(os.sched_getaffinity(0))
    async with AsyncExitStack() as stack:
        stack.enter_context(away_from({core}))
        world = await stack.enter_async_context(World(folder / "world"))
        await world.start_radio()
        await world.start_gateway()
        await world.start_car()
        auth = await world.register_client()
        await world.enter(auth)
        await world.app.post(f"/v1/vehicles/{world.vehicle_id}/link:connect", {})
        path = f"/v1/vehicles/{world.vehicle_id}/signals"
        await world.app.delete(f"/v1/vehicles/{world.vehicle_id}/link")
        operator = await asyncio.to_thread(Path(world.gateway.ready["operator_token_file"]).read_text)
        bearer = {"Authorization": f"Bearer {operator.strip()}"}
        os.sched_setaffinity(world.gateway.pid, {core})
        async with httpx.AsyncClient(base_url=world.url, trust_env=False) as http:
            answers = [await http.get(path, headers=each) for each in (bearer, _bound(auth, path))]
        for each in answers:
            each.raise_for_status()
        content = folder / "content"
        content.write_bytes(answers[1].content)
        bare = stack.enter_context(served(["benchmarks.bare_get", str(content)], core, folder))
        laps = []
        for _ in range(ROUNDS + 1):
            turns = {
                "bearer": (world.gateway.pid, world.url, [[_get(path, bearer)] * EACH for _ in range(CLIENTS)]),
                "dpop": (
                    world.gateway.pid,
                    world.url,
                    [[_get(path, _bound(auth, path)) for _ in range(EACH)] for _ in range(CLIENTS)],
                ),
                "model": (bare.process.pid, bare.url, [[_get("/model", bearer)] * EACH for _ in range(CLIENTS)]),
                "bytes": (bare.process.pid, bare.url, [[_get("/bytes", bearer)] * EACH for _ in range(CLIENTS)]),
            }
            lap = {}
            for name, (pid, url, requests) in turns.items():
                before = cpu_of(pid)
                await load(url, requests)
                lap[name] = (cpu_of(pid) - before) / (CLIENTS * EACH) * 1e6
            laps.append(lap)
        return len(answers[1].content), laps[1:]  # the first warms up


def _bound(auth: BoundAuth, path: str) -> dict[str, str]:
    token = auth.held.access_token
    return {"Authorization": f"DPoP {token}", "DPoP": auth.proof("GET", auth.url + path, token)}


def _get(path: str, headers: dict[str, str]) -> bytes:
    """A GET as it travels, keeping the connection."""
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n{more}\r\n".encode()
