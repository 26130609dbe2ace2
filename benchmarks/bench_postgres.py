"""Two gateways on one PostgreSQL against one: the processor time of an issue, the database server's included.

Each gateway serves 32 clients, for it is load that asks for a second process; the same requests as in ``issue_http``.
Both gateways share one core and PostgreSQL has another one with the load, so that what one waits for the other is idle
time and not counted: the figure says what sharing the work costs, not how fast two cores are.

It takes the programs of PostgreSQL and, from ``make setup``, asyncpg; else its rows say ``absent``.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.harness import Figure
from benchmarks.issue_http import CLIENTS, EACH, ROUNDS, Customers
from benchmarks.served import Served, away_from, children_of, cpu_of, gateway_command, load, measurable, served

from keygw.app.config import ISSUER_KEY
from keygw.store.store import VAULT_KEY_NAME

if TYPE_CHECKING:
    from postgres_server import PostgresServer

GROUP = "credentials"
GOAL = 1.15
NAME = "issue on PostgreSQL, 2 processes / 1"


@dataclass(frozen=True, slots=True)
class Spent:
    """Microseconds of processor time for one key: of the gateways together, and of PostgreSQL."""

    gateways: float
    database: float

    @property
    def all(self) -> float:
        return self.gateways + self.database


def figures() -> Iterator[Figure]:
    why = measurable() or _missing()
    if why is not None:
        yield Figure(f"{NAME}: CPU", GROUP, 0, "absent", detail={"absent": why})
        return
    with tempfile.TemporaryDirectory() as folder:
        rounds = _measure(Path(folder))
    ratio = statistics.median(two.all / one.all for one, two in rounds)
    detail: dict[str, object] = {"rounds": len(rounds), "clients_each": CLIENTS}
    for name, number in (("one", 0), ("two", 1)):
        detail[f"{name}_gateways_us"] = round(statistics.median(pair[number].gateways for pair in rounds), 1)
        detail[f"{name}_postgres_us"] = round(statistics.median(pair[number].database for pair in rounds), 1)
    yield Figure(f"{NAME}: CPU", GROUP, ratio, "x", goal=GOAL, detail=detail)


def _missing() -> str | None:
    if find_spec("asyncpg") is None:
        return "asyncpg is not installed: make setup"
    _find_support()
    from postgres_server import programs  # noqa: PLC0415 - of the tests, found a line above

    return None if programs() is not None else "PostgreSQL is not installed"


def _find_support() -> None:
    support = str(Path(__file__).parent.parent / "tests" / "support")
    if support not in sys.path:
        sys.path.append(support)


def _measure(folder: Path) -> list[tuple[Spent, Spent]]:
    """By one gateway, and by two: a pair for each round."""
    from postgres_server import PostgresServer, programs  # noqa: PLC0415 - as above

    found = programs()
    assert found is not None
    core = max(os.sched_getaffinity(0))
    with ExitStack() as stack:
        stack.enter_context(away_from({core}))
        server = PostgresServer(found, safe=True)
        stack.callback(server.remove)
        server.start()
        environment = {"KEYGW_DATABASE": server.create("bench")}
        first = stack.enter_context(served(gateway_command(folder / "data"), core, folder, environment))
        beside = _copy_keys(folder / "data", folder / "second")
        second = stack.enter_context(served(gateway_command(beside), core, folder, environment))
        customers = [(each, Customers(each)) for each in (first, second)]
        pairs = [(_spent(server, customers[:1]), _spent(server, customers)) for _ in range(ROUNDS + 1)]
    return pairs[1:]  # the first warms up


def _copy_keys(source: Path, to: Path) -> Path:
    """The directory of another gateway on the same database: it brings the key files, and nothing else."""
    to.mkdir(mode=0o700)
    for name in (ISSUER_KEY, VAULT_KEY_NAME):
        shutil.copy(source / name, to)
    return to


def _spent(server: PostgresServer, gateways: Sequence[tuple[Served, Customers]]) -> Spent:
    """Of one issue, all gateways working at once."""

    async def work() -> None:
        await asyncio.gather(*(load(gateway.url, customers.issues()) for gateway, customers in gateways))

    keys = len(gateways) * CLIENTS * EACH
    database, before = _processes_of(server), sum(gateway.cpu() for gateway, _ in gateways)
    asyncio.run(work())
    ours = sum(gateway.cpu() for gateway, _ in gateways) - before
    theirs = sum(after - database.get(pid, 0.0) for pid, after in _processes_of(server).items())
    return Spent(ours / keys * 1e6, theirs / keys * 1e6)


def _processes_of(server: PostgresServer) -> dict[int, float]:
    """Processor time of each process of the database server, which has one for each connection."""
    return {pid: cpu_of(pid) for pid in (server.pid, *children_of(server.pid))}
