"""Durable issuing through the service against a raw sqlite3 insert with its own commit, turn by turn in the same run.

Both commit one key a transaction with WAL and synchronous=FULL to files in one directory, so both wait for the same
disk. The raw side writes one row of the same size; the service also takes an index, signs the token in both forms,
stores the device and keeps the high-water mark of its clock.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.harness import Figure

from keygw.credentials.service import CredentialService
from keygw.credentials.values import Issuer, Limits
from keygw.crypto.signer import LocalSigner
from keygw.model.ids import new_id
from keygw.model.vehicle import Vehicle
from keygw.store.store import Store, open_store
from keygw.token.trust import kid_of

GROUP = "store"
ROUNDS = 15
BATCH = 20
_ROW_BYTES = 1100


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        yield from asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[Figure]:
    with closing(_raw_database(folder / "raw.db")) as connection:
        async with await open_store(folder / "data") as store:
            return await _compare(store, connection)


async def _compare(store: Store, connection: sqlite3.Connection) -> list[Figure]:
    body = os.urandom(_ROW_BYTES)
    issue, read = await _issue(store)

    def raw() -> object:
        return connection.execute("INSERT INTO rows (body) VALUES (?)", (body,))

    await _timed(issue), _timed_raw(raw)
    pairs = [(await _timed(issue), _timed_raw(raw)) for _ in range(ROUNDS)]
    reads = statistics.median([await _timed(read) for _ in range(ROUNDS)])
    ours, base = statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)
    detail: dict[str, object] = {"us": round(ours * 1e6), "raw_us": round(base * 1e6), "rounds": ROUNDS, "batch": BATCH}
    ratio = statistics.median(mine / bare for mine, bare in pairs)
    return [
        Figure("durable issue / raw sqlite3 insert and commit", GROUP, ratio, "x", detail=detail),
        Figure("durable issues, one after the other", GROUP, 1 / ours, "1/s", more_is_better=True),
        Figure("reading one key", GROUP, reads * 1e6, "us"),
    ]


async def _issue(store: Store) -> tuple[Callable[[], Awaitable[object]], Callable[[], Awaitable[object]]]:
    signer = LocalSigner.generate()
    issuer = Issuer("urn:keygw:bench", kid_of(signer.public_key), signer)
    limits = Limits(unexpired_keys=10_000)
    service = CredentialService(store.credentials, store.vault, issuer, time.time, os.urandom, limits=limits)
    vehicle = Vehicle(new_id("veh", os.urandom), "Car", LocalSigner.generate().public_key, os.urandom(16))
    await service.register_vehicle(vehicle)
    # A device holds 100 keys at most.
    phones = itertools.cycle([LocalSigner.generate().public_key for _ in range(200)])
    owner = await service.issue_owner_key(vehicle.id, next(phones))

    async def issue() -> object:
        return await service.issue_owner_key(vehicle.id, next(phones), lifetime=3600)

    async def read() -> object:
        return await service.key(owner.id)

    return issue, read


def _raw_database(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    return connection


async def _timed(call: Callable[[], Awaitable[object]]) -> float:
    """Seconds a call."""
    start = time.perf_counter()
    for _ in range(BATCH):
        await call()
    return (time.perf_counter() - start) / BATCH


def _timed_raw(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(BATCH):
        call()
    return (time.perf_counter() - start) / BATCH
