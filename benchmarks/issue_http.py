"""Issuing over HTTP: ``keygw serve`` on one core, its clients on another, the server's processor time for one key.

Each of 32 clients issues keys for phones of a vehicle of its own, one request after the other: authenticated,
validated, under an Idempotency-Key, signed in both forms, given a place in the status list, committed. The bare POST
takes turns with it on the same core.
"""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.served import Served, away_from, gateway_command, load, request, served

from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import encode_base64url
from keygw.model.ids import new_id

CLIENTS = 32
EACH = 12
ROUNDS = 5
BATCH = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of processor time: a bare POST, an issue, and one key of a batch of 100. The best of the rounds."""

    bare: float
    issue: float
    batched: float


class Customers:
    """Their vehicles and phones at one gateway, and what they ask of it."""

    def __init__(self, gateway: Served, count: int = CLIENTS) -> None:
        self.token = Path(gateway.said["operator_token_file"]).read_text().strip()
        self.phones = [encode_base64url(LocalSigner.generate().public_key) for _ in range(BATCH)]
        self.vehicles = [new_id("veh", os.urandom) for _ in range(count)]
        for vehicle in self.vehicles:
            post(gateway.url, "/v1/vehicles", self.token, {
                "id": vehicle, "name": "Car", "public_key": encode_base64url(LocalSigner.generate().public_key),
                "advertising_key": encode_base64url(os.urandom(16)),
            })  # fmt: skip
        self._next = self._turns()

    def issues(self) -> list[list[bytes]]:
        """``EACH`` issues of one key, for each vehicle."""
        return [[self._ask(vehicle, [next(self._next)]) for _ in range(EACH)] for vehicle in self.vehicles]

    def batch(self) -> list[list[bytes]]:
        """A batch for each of four vehicles, by one client."""
        return [[self._ask(vehicle, self.phones) for vehicle in self.vehicles[:4]]]

    def _ask(self, vehicle: str, phones: list[str]) -> bytes:
        body = {"keys": [{"public_key": phone} for phone in phones]}
        return request(f"/v1/vehicles/{vehicle}/keys:batch", self.token, body, Idempotency_Key=os.urandom(8).hex())

    def _turns(self) -> Iterator[str]:
        while True:
            yield from self.phones


def measure(folder: Path) -> Cost:
    """``RuntimeError`` if a server does not start, or refuses."""
    core = max(os.sched_getaffinity(0))
    with ExitStack() as stack:
        stack.enter_context(away_from({core}))
        gateway = stack.enter_context(served(gateway_command(folder / "gateway"), core, folder))
        bare = stack.enter_context(served(["benchmarks.bare_post"], core, folder))
        customers = Customers(gateway)
        rounds = [
            (
                spent(bare, customers.issues(), CLIENTS * EACH),
                spent(gateway, customers.issues(), CLIENTS * EACH),
                spent(gateway, customers.batch(), 4 * BATCH),
            )
            for _ in range(ROUNDS + 1)
        ]
    return Cost(*map(min, zip(*rounds[1:], strict=True)))  # the first warms up


def spent(server: Served, turns: list[list[bytes]], keys: int) -> float:
    """Microseconds for each key."""
    before = server.cpu()
    asyncio.run(load(server.url, turns))
    return (server.cpu() - before) / keys * 1e6


def post(url: str, path: str, token: str, body: object) -> Any:
    asked = urllib.request.Request(  # noqa: S310 - of our own server
        url + path, json.dumps(body).encode(), {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked) as answer:  # noqa: S310
        return json.load(answer)
