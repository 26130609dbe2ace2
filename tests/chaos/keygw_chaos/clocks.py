"""A wall clock that jumps both ways, under load or while nobody runs: nothing is lost, and no signed time undercut."""

from __future__ import annotations

import os
import random
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from keygw_chaos.gateway import GatewayProcess
from keygw_chaos.kills import CLIENTS, Say, damaged, final, settle, under_load
from keygw_chaos.load import SCOPES, Client
from keygw_chaos.report import Report
from keygw_chaos.wrong_clock import set_offset
from postgres_server import PostgresServer

DAY = 86_400
FARTHEST = 20 * DAY
"""Either way from the right time. Keys and tokens of this story live longer than both together, so none ends."""
LIFETIME = 60 * DAY
PROMISES = 40
"""Kept between two jumps."""
_HERE = str(Path(__file__).resolve().parent.parent)
RESTARTS = 0.2
"""How many of the jumps come while the gateway is down: it was killed, and starts with another time."""


async def clock_jumps(
    folder: Path, jumps: int, rng: random.Random, say: Say, server: PostgresServer | None = None
) -> Report:
    """``server``: where the database is; by default it is a file."""
    report = Report(f"clock jumps both ways, {'SQLite' if server is None else 'PostgreSQL'}")
    clock, data = folder / "clock", folder / "data"
    set_offset(clock, 0.0)
    path = os.pathsep.join(filter(None, (_HERE, os.environ.get("PYTHONPATH"))))
    launcher = (sys.executable, "-m", "keygw_chaos.wrong_clock", str(clock))
    where = {} if server is None else {"KEYGW_DATABASE": server.create("clocks")}
    gateway = GatewayProcess(data, env={"PYTHONPATH": path, **where}, launcher=launcher)
    await gateway.start()
    token = await gateway.new_app(*SCOPES, lifetime_seconds=3 * LIFETIME)
    clients = [Client(token, random.Random(rng.random()), lifetime=LIFETIME) for _ in range(CLIENTS)]
    for number in range(jumps):
        offset = _anywhere(rng)

        async def jump(offset: float = offset) -> None:
            set_offset(clock, offset)

        if rng.random() < RESTARTS:
            await under_load(gateway, clients, PROMISES, gateway.kill)
            await jump()
            await gateway.start()
        else:
            await under_load(gateway, clients, PROMISES, jump)
        report.faults += 1
        report.wrong += [f"{offset:+.0f} s: {fault}" for fault in await settle(gateway, clients)]
        if (number + 1) % 10 == 0:
            say(f"{report.name}: {number + 1} of {jumps}")
    set_offset(clock, 0.0)
    await under_load(gateway, clients, PROMISES, _nothing)
    report.wrong += await final(gateway, clients)
    report.wrong += await _trail(gateway)
    report.acknowledged = sum(client.acknowledged for client in clients)
    report.unavailable = sum(client.unavailable for client in clients)
    await gateway.stop()
    if server is None:
        report.wrong += damaged(data / "keygw.db") + undercut(partial(_in_file, data / "keygw.db"))
    else:
        report.wrong += undercut(lambda sql: server.sql(sql, "clocks").splitlines())
    return report


def _in_file(database: Path, sql: str) -> Sequence[object]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def undercut(ask: Callable[[str], Sequence[object]]) -> list[str]:
    """Signed times that went back: of lists, or below what the database says was signed last."""
    questions: dict[str, str] = {
        "a list is older than the one before": "SELECT b.vehicle_id, b.sequence FROM revocation_lists a "
        "JOIN revocation_lists b ON b.vehicle_id = a.vehicle_id AND b.sequence = a.sequence + 1 "
        "WHERE b.issued_at < a.issued_at",
        "a key token is newer than the last that was signed": "SELECT id, issued_at FROM digital_keys "
        "WHERE issued_at > (SELECT value FROM facts WHERE name = 'last_issued_at')",
        "a key ended": "SELECT id, state FROM digital_keys WHERE state = 'expired'",
    }
    found = {what: ask(sql) for what, sql in questions.items()}
    return [f"{what}: {rows[:3]}" for what, rows in found.items() if rows]


def _anywhere(rng: random.Random) -> float:
    """Seconds off; a second as often as an hour or weeks, forward as often as back."""
    size: Callable[[], float] = rng.choice(
        [lambda: 1.0, lambda: rng.uniform(60, 7200), lambda: rng.uniform(0, FARTHEST)]
    )
    return rng.choice((-1, 1)) * size()


async def _trail(gateway: GatewayProcess) -> list[str]:
    async with gateway.client(gateway.operator_token()) as http:
        answer = await http.post("/v1/audit:verify")
    answer.raise_for_status()
    told = answer.json()
    return [] if told["intact"] else [f"the audit trail: {told['findings'][:3]}"]


async def _nothing() -> None:
    """The clock is right again."""
