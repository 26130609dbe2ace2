"""What an idle app session costs the gateway in memory, with its stream open: five thousand of them, of 250 apps.

Each session is opened over HTTP and has a real WebSocket of its own, which has been sent the snapshot of its vehicle
and hears nothing more. Apps and vehicles are there before memory is first looked at. A process may not have enough open
files for all: then there are as many as it may have, and the figure says how many.
"""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.bench_streams import _memory as memory_of
from benchmarks.bench_streams import _stream as open_stream
from benchmarks.harness import Figure
from benchmarks.issue_http import post
from benchmarks.served import away_from, gateway_command, load, measurable, request, served

from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.model.ids import new_id

GROUP = "sessions"
GOAL = 60.0
SESSIONS, OF_ONE_APP = 5000, 20
SPARE_FILES = 300
CLIENTS = 8
NAME = "memory of an idle app session with its stream"


def figures() -> Iterator[Figure]:
    why = measurable()
    if why is not None:
        yield Figure(NAME, GROUP, 0, "absent", detail={"absent": why})
        return
    with tempfile.TemporaryDirectory() as folder, _files(SESSIONS + SPARE_FILES) as files:
        yield _measure(Path(folder), min(SESSIONS, files - SPARE_FILES))


@contextmanager
def _files(wanted: int) -> Iterator[int]:
    """As many open files as the system allows, up to so many; for what is started meanwhile, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    try:
        yield max(soft, most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _measure(folder: Path, sessions: int) -> Figure:
    core = max(os.sched_getaffinity(0))
    with ExitStack() as stack:
        stack.enter_context(away_from({core}))
        gateway = stack.enter_context(served(gateway_command(folder / "data"), core, folder))
        operator = Path(gateway.said["operator_token_file"]).read_text().strip()
        apps = [_app(gateway.url, operator) for _ in range(sessions // OF_ONE_APP)]
        before, began = memory_of(gateway), time.monotonic()
        opening = [
            request("/v1/sessions", token, {"vehicle_id": vehicle}, Idempotency_Key=os.urandom(8).hex())
            for token, vehicle in apps
            for _ in range(OF_ONE_APP)
        ]
        asyncio.run(load(gateway.url, [opening[number::CLIENTS] for number in range(CLIENTS)]))
        kept = memory_of(gateway)
        port = urlsplit(gateway.url).port or 0
        for token, vehicle in apps:
            for _ in range(OF_ONE_APP):
                stack.enter_context(closing(open_stream(port, token, vehicle)))
        after, count = memory_of(gateway), len(opening)
        detail: dict[str, object] = {
            "sessions": count, "apps": len(apps), "streams": count,
            "without_stream_kib": round((kept - before) / count / 1024, 2), "gateway_mib": round(after / 2**20, 1),
            "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip
    return Figure(NAME, GROUP, (after - before) / count / 1024, "KiB", goal=GOAL, detail=detail)


def _app(url: str, operator: str) -> tuple[str, str]:
    """The token of a new app, and the vehicle that it has registered."""
    scopes = ["vehicle.read", "vehicle.manage", "status.security.read", "session.connect"]
    token = str(post(url, "/v1/apps", operator, {"name": "Bench", "scopes": scopes})["token"])
    vehicle = new_id("veh", os.urandom)
    post(url, "/v1/vehicles", token, {
        "id": vehicle, "name": "Car", "public_key": encode_base64url(LocalSigner.generate().public_key),
        "advertising_key": encode_base64url(os.urandom(16)),
    })  # fmt: skip
    return token, vehicle
