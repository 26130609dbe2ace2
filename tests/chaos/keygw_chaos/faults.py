"""The other faults: no space, a locked database. Refused clearly while they last, and over when they are."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

from keygw_chaos.gateway import GatewayProcess
from keygw_chaos.kills import CLIENTS, final, settle, under_load
from keygw_chaos.load import SCOPES, Client
from keygw_chaos.report import Report
from postgres_server import PostgresServer

DISK_BYTES = 8 << 20
LOCK_SECONDS = 3.0
FULL_SECONDS = 1.0
PROMISES = 60
"""Kept before and after each fault."""


async def disk_full(folder: Path, rounds: int, rng: random.Random) -> Report:
    """The gateway's data on a disk of a few MiB that something else fills up, again and again."""
    report = Report("disk full")
    disk = folder / "disk"
    disk.mkdir()
    if await _run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(disk)):
        report.skipped = "a small disk cannot be mounted here"
        return report
    try:
        gateway = GatewayProcess(disk / "data")
        clients = await _begin(gateway, rng)
        for _ in range(rounds):
            await under_load(gateway, clients, PROMISES, lambda: _fill(disk / "filler", FULL_SECONDS))
            (disk / "filler").unlink()
            await _go_on(gateway, clients, report)
        await gateway.stop()
    finally:
        await _run("umount", "-l", str(disk))
    return report


async def locked(folder: Path, rounds: int, rng: random.Random) -> Report:
    """Another process holds the database for longer than the gateway waits."""
    report = Report("database locked")
    gateway = GatewayProcess(folder / "data")
    clients = await _begin(gateway, rng)

    async def hold() -> None:
        with closing(sqlite3.connect(folder / "data" / "keygw.db", isolation_level=None, timeout=10)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(LOCK_SECONDS)

    for _ in range(rounds):
        await under_load(gateway, clients, PROMISES, hold)
        await _go_on(gateway, clients, report)
    await gateway.stop()
    return report


async def _run(*words: str) -> int:
    try:
        process = await asyncio.create_subprocess_exec(*words, stderr=asyncio.subprocess.DEVNULL)
    except OSError:
        return 1
    return await process.wait()


async def postgres_crashes(folder: Path, server: PostgresServer, url: str, rounds: int, rng: random.Random) -> Report:
    """PostgreSQL itself is brought down in the middle (SIGQUIT: no goodbye to anybody) and started again."""
    report = Report("PostgreSQL crashed")
    gateway = GatewayProcess(folder / "data", env={"KEYGW_DATABASE": url})
    clients = await _begin(gateway, rng)

    async def crash() -> None:
        server.stop(signal.SIGQUIT)
        await asyncio.sleep(FULL_SECONDS)
        server.start()

    for _ in range(rounds):
        await under_load(gateway, clients, PROMISES, crash)
        await _go_on(gateway, clients, report, hidden=True)
    await gateway.stop()
    return report


async def _begin(gateway: GatewayProcess, rng: random.Random) -> list[Client]:
    await gateway.start()
    token = await gateway.new_app(*SCOPES)
    return [Client(token, random.Random(rng.random())) for _ in range(CLIENTS)]


async def _fill(path: Path, seconds: float) -> None:
    """Take all space that is left, and keep it for a while."""
    with path.open("wb", buffering=0) as filler:
        size = 1 << 16
        while size:
            try:
                filler.write(os.urandom(size))
            except OSError:
                size //= 2
    await asyncio.sleep(seconds)


async def _go_on(gateway: GatewayProcess, clients: list[Client], report: Report, *, hidden: bool = False) -> None:
    """The fault is over: nothing is lost, the same process works, and it has said no meanwhile.

    ``hidden``: the gateway may have waited it out, so that nobody noticed.
    """
    report.faults += 1
    before = sum(client.acknowledged for client in clients)
    report.wrong += await settle(gateway, clients)
    if not hidden and not report.unavailable and not any(client.unavailable for client in clients):
        report.wrong.append("the fault was not noticed by anybody")
    await under_load(gateway, clients, PROMISES, _nothing)
    report.wrong += await final(gateway, clients)
    report.acknowledged = sum(client.acknowledged for client in clients)
    report.unavailable = sum(client.unavailable for client in clients)
    if report.acknowledged == before:
        report.wrong.append("nothing was done after the fault was over")


async def _nothing() -> None:
    """The fault that is none."""
