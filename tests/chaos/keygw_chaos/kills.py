"""SIGKILL at random moments under load, and what is left."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from keygw_chaos.gateway import GatewayProcess
from keygw_chaos.load import SCOPES, Client
from keygw_chaos.report import Report

CLIENTS = 8
MOST_PROMISES = 80
"""Between two kills; how many there are is chance."""
PATIENCE = 30.0
DURING_START = 0.1
"""How many of the kills come while the gateway starts."""

Say = Callable[[str], None]
Fault = Callable[[], Awaitable[None]]


async def kill_gateway(gateway: GatewayProcess, kills: int, rng: random.Random, report: Report, say: Say) -> Report:
    """Kill it ``kills`` times while clients work; compare after each start."""
    await gateway.start()
    token = await gateway.new_app(*SCOPES)
    clients = [Client(token, random.Random(rng.random())) for _ in range(CLIENTS)]
    for number in range(kills):
        await under_load(gateway, clients, rng.randrange(MOST_PROMISES), gateway.kill)
        if rng.random() < DURING_START:
            await gateway.spawn()
            await asyncio.sleep(rng.uniform(0.0, 1.5))
            await gateway.kill()
            report.faults += 1
        await gateway.start()
        report.faults += 1
        report.wrong += await settle(gateway, clients)
        if (number + 1) % 25 == 0:
            say(f"{report.name}: {number + 1} of {kills} kills, {sum(each.acknowledged for each in clients)} promises")
    report.wrong += await final(gateway, clients)
    report.acknowledged += sum(each.acknowledged for each in clients)
    report.unavailable += sum(each.unavailable for each in clients)
    await gateway.stop()
    return report


async def under_load(gateway: GatewayProcess, clients: Sequence[Client], promises: int, fault: Fault) -> None:
    """Let the clients work until they have got so many, do it to them, and wait until each has noticed."""
    stop = asyncio.Event()
    wanted = sum(client.acknowledged for client in clients) + promises
    working = asyncio.gather(*(client.run(gateway, stop) for client in clients))
    try:
        async with asyncio.timeout(PATIENCE):
            while sum(client.acknowledged for client in clients) < wanted and not working.done():  # noqa: ASYNC110 - eight count
                await asyncio.sleep(0.002)
        await fault()
        stop.set()
        await working
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def settle(gateway: GatewayProcess, clients: Sequence[Client]) -> list[str]:
    return [fault for client in clients for fault in await client.settle(gateway)]


async def final(gateway: GatewayProcess, clients: Sequence[Client]) -> list[str]:
    """Everything once more, the vehicles of the beginning too."""
    wrong = await settle(gateway, clients)
    for client in clients:
        current, client.ledger = client.ledger, None
        for ledger in client.retired:
            client.ledger = ledger
            wrong += await client.settle(gateway)
        client.ledger = current
    return wrong


def damaged(database: Path) -> list[str]:
    """What SQLite, and our own rules across tables, say of the file. Nobody may have it open."""
    wrong = []
    with closing(sqlite3.connect(database)) as connection:
        integrity = connection.execute("PRAGMA integrity_check").fetchall()
        if integrity != [("ok",)]:
            wrong.append(f"integrity: {integrity[:3]}")
        if broken := connection.execute("PRAGMA foreign_key_check").fetchall():
            wrong.append(f"foreign keys: {broken[:3]}")
        gaps = connection.execute(
            "SELECT v.id FROM vehicles v WHERE v.list_sequence <> "
            "(SELECT count(*) FROM revocation_lists l WHERE l.vehicle_id = v.id)"
        ).fetchall()
        if gaps:
            wrong.append(f"lists with gaps: {gaps[:3]}")
    return wrong
