"""What issuing a key costs: its rows in the database, and the whole way over HTTP.

Storage: everything of an issue but the token itself (the signing is done beforehand), 32 writers at once, against
sqlite3 alone that writes the very same rows into a copy of the same database, 32 keys a transaction. CPU time of the
process with all its threads: a disk's patience is no property of ours. Both run turn by turn.

Over HTTP it is ``benchmarks.issue_http``.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import issue_http
from benchmarks.harness import Figure, microseconds
from benchmarks.served import measurable

from keygw.credentials.batches import KeyWish
from keygw.credentials.once import Once
from keygw.credentials.service import CredentialService
from keygw.credentials.values import Issuer, KeyToken, Limits
from keygw.crypto.signer import LocalSigner
from keygw.model.ids import new_id
from keygw.model.vehicle import Vehicle
from keygw.store.store import DATABASE_NAME, Store, open_store
from keygw.token.trust import kid_of

GROUP = "credentials"
WRITERS = 32
EACH = 12
ROUNDS = 15
TABLES = ("digital_keys", "audit", "outbox", "idempotency")


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        signer = LocalSigner.generate()
        sign = microseconds(lambda: signer.sign(bytes(300)))
        pairs, groups, batch = asyncio.run(_measure(Path(folder), signer))
        storage = min(mine for mine, _ in pairs)  # the best: what else the machine does can only add time
        yield from _storage_figures(pairs, storage, groups, batch, sign)
        yield from _http_figures(Path(folder), storage, sign)


def _storage_figures(
    pairs: Sequence[tuple[float, float]], storage: float, groups: Sequence[int], batch: float, sign: float
) -> Iterator[Figure]:
    ratio, raw = statistics.median(mine / base for mine, base in pairs), min(base for _, base in pairs)
    detail: dict[str, object] = {"us": round(storage, 1), "raw_us": round(raw, 1), "sign_us": round(sign, 1)}
    yield Figure("durable issue: storage CPU / raw sqlite3", GROUP, ratio, "x", goal=1.3, detail=detail)
    yield Figure("durable issue: storage CPU / ES256 signature", GROUP, storage / sign, "x", goal=2.0, detail=detail)
    yield Figure(
        "rows per fsync, 32 concurrent", GROUP, statistics.mean(groups) * _ROWS, "rows", goal=16,
        more_is_better=True, detail={"keys": round(statistics.mean(groups), 1), "rows_per_key": _ROWS},
    )  # fmt: skip
    yield Figure(
        "issue in a batch of 100, without HTTP: CPU / ES256 signature", GROUP, batch / sign, "x",
        detail={"us": round(batch, 1), "signatures_per_key": 2, "sign_us": round(sign, 1)},
    )  # fmt: skip


def _http_figures(folder: Path, storage: float, sign: float) -> Iterator[Figure]:
    one, many = (
        "issue over HTTP: CPU / (bare POST + signature + storage)",
        "issue over HTTP in a batch of 100: CPU / ES256 signature",
    )
    why = measurable()
    if why is not None:
        yield from (Figure(name, GROUP, 0, "absent", detail={"absent": why}) for name in (one, many))
        return
    cost = issue_http.measure(folder)
    detail: dict[str, object] = {
        "us": round(cost.issue, 1), "bare_post_us": round(cost.bare, 1), "storage_us": round(storage, 1),
        "sign_us": round(sign, 1), "signatures_per_key": 2,
    }  # fmt: skip
    yield Figure(one, GROUP, cost.issue / (cost.bare + sign + storage), "x", goal=1.5, detail=detail)
    more: dict[str, object] = {"us": round(cost.batched, 1), "sign_us": round(sign, 1), "signatures_per_key": 2}
    yield Figure(many, GROUP, cost.batched / sign, "x", goal=4.0, detail=more)


async def _measure(folder: Path, signer: LocalSigner) -> tuple[list[tuple[float, float]], list[int], float]:
    """What ``_storage`` tells, and microseconds of CPU for a key of a batch."""
    async with await open_store(folder / "data") as store:
        pairs, groups = await _storage(store, signer, folder)
    return pairs, groups, await _batch(folder / "batch", signer)


_ROWS = 4
"""Key, audit, outbox, idempotency; the phones are known."""


async def _storage(store: Store, signer: LocalSigner, folder: Path) -> tuple[list[tuple[float, float]], list[int]]:
    """Microseconds of CPU for the rows of one key, ours and raw, a pair for each round; keys in each group."""
    service, vehicles = await _service(store, signer)
    # Each has a key of one vehicle alone, one more in every round: as many as people's phones hold.
    phones = {each.id: [LocalSigner.generate().public_key for _ in range(EACH)] for each in vehicles}
    token = await service.key_token((await service.issue_owner_key(vehicles[0].id, phones[vehicles[0].id][0])).id)
    canned = KeyToken(token.jwt, token.cwt, None, token.expires_at, token.renew_from)
    groups: list[int] = []

    def signed(*_: object) -> KeyToken:
        return canned

    store.database.watch(lambda works, _seconds: groups.append(works))

    async def writer(vehicle: Vehicle) -> None:
        for phone in phones[vehicle.id]:
            once = Once("app_bench", os.urandom(8).hex(), sha256(vehicle.name.encode()).digest(), 201)
            await service.under(once).issue_owner_key(vehicle.id, phone, actor="app:bench")

    pairs = []
    with mock.patch("keygw.credentials.issuing.sign_token", signed):  # a mock of its own takes as long as two rows
        await asyncio.gather(*map(writer, vehicles))
        groups.clear()
        for number in range(ROUNDS):
            before = await _last(store)
            copy = folder / f"raw{number}.db"
            _copy(store.directory / DATABASE_NAME, copy)
            start = time.process_time()
            await asyncio.gather(*map(writer, vehicles))
            ours = (time.process_time() - start) / (WRITERS * EACH) * 1e6
            rows = {table: await _since(store, table, before) for table in TABLES}
            pairs.append((ours, _raw(copy, rows)))
            copy.unlink()
    return pairs, groups


async def _batch(folder: Path, signer: LocalSigner) -> float:
    """Microseconds of CPU for one key of a batch: all of it but HTTP."""
    async with await open_store(folder) as store:
        service, vehicles = await _service(store, signer)
        wishes = [KeyWish(LocalSigner.generate().public_key) for _ in range(100)]
        await service.issue_batch(vehicles[0].id, wishes)
        costs = []
        for vehicle in vehicles[:ROUNDS]:
            start = time.process_time()
            await service.issue_batch(vehicle.id, wishes)
            costs.append((time.process_time() - start) / len(wishes) * 1e6)
    return min(costs)


async def _service(store: Store, signer: LocalSigner) -> tuple[CredentialService, list[Vehicle]]:
    issuer = Issuer("urn:keygw:bench", kid_of(signer.public_key), signer)
    service = CredentialService(
        store.credentials, store.vault, issuer, time.time, os.urandom, limits=Limits(keys_per_device=65_536)
    )
    vehicles = []
    for number in range(WRITERS):
        public_key = LocalSigner.generate().public_key
        vehicles.append(Vehicle(new_id("veh", os.urandom), f"Car {number}", public_key, os.urandom(16)))
        await service.register_vehicle(vehicles[-1])
    return service, vehicles


async def _last(store: Store) -> dict[str, int]:
    found = await store.database.fetch(
        "SELECT (SELECT max(rowid) FROM digital_keys), (SELECT max(sequence) FROM audit), (SELECT max(id) FROM outbox)"
    )
    return dict(zip(("digital_keys", "audit", "outbox"), found[0], strict=True))


async def _since(store: Store, table: str, before: dict[str, int]) -> Sequence[Any]:
    if table == "idempotency":  # it has no order of its own: as many as there are keys
        rows = await store.database.fetch(f"SELECT * FROM idempotency LIMIT {WRITERS * EACH}")  # noqa: S608
        return [(row[0], os.urandom(8).hex(), *row[2:]) for row in rows]
    return await store.database.fetch(f"SELECT * FROM {table} WHERE rowid > ?", (before[table],))  # noqa: S608


def _copy(path: Path, to: Path) -> None:
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)


def _raw(path: Path, rows: dict[str, Sequence[Any]]) -> float:
    """Microseconds of CPU for the rows of one key."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        inserts = {
            table: f"INSERT INTO {table} VALUES ({', '.join('?' * len(found[0]))})"  # noqa: S608
            for table, found in rows.items()
        }
        keys = len(rows["digital_keys"])
        start = time.process_time()
        for at in range(0, keys, WRITERS):
            connection.execute("BEGIN IMMEDIATE")
            for key in range(at, min(at + WRITERS, keys)):
                for table, found in rows.items():
                    connection.execute(inserts[table], found[key])
            connection.execute("COMMIT")
        return (time.process_time() - start) / keys * 1e6
