"""Faults under load against real gateways: ``make chaos``. See CONTRIBUTING.md, "Chaos".

Clients issue, share, suspend, resume and revoke keys over HTTP while the fault is done to the gateway. Whatever was
answered with success must be there afterwards; the one request of each client that was on its way may have happened or
not. Exit code 0: nothing was lost; 1: something was; each loss is named.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keygw_chaos.report import Report

HERE = Path(__file__).resolve().parent
ON_POSTGRES = {
    "kill-postgres": "gateway killed, PostgreSQL",
    "crash-postgres": "PostgreSQL crashed",
    "clock-jumps-postgres": "clock jumps both ways, PostgreSQL",
}
STORIES = ("kill-sqlite", "disk-full", "locked", "clock-jumps", *ON_POSTGRES)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description="Faults under load; counts what was lost.")
    parser.add_argument("--kills", type=int, default=300, help="of a gateway on SQLite (default 300)")
    parser.add_argument("--postgres-kills", type=int, default=50, help="of a gateway on PostgreSQL (default 50)")
    parser.add_argument("--jumps", type=int, default=100, help="of the wall clock (default 100)")
    parser.add_argument("--rounds", type=int, default=5, help="of each other fault (default 5)")
    parser.add_argument("--only", action="append", default=[], choices=STORIES, help="this story; may be repeated")
    parser.add_argument("--seed", type=int, default=20260, help="of the clients' choices and of the moments")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    given = parser.parse_args(arguments)
    sys.path[:0] = [str(HERE), str(HERE.parent / "support")]
    reports = asyncio.run(stories(given))
    lost = sum(report.lost for report in reports)
    if given.json:
        print(
            json.dumps({"seed": given.seed, "lost": lost, "stories": [report.json() for report in reports]}, indent=2)
        )
    else:
        for report in reports:
            print(report.line())
            for fault in report.wrong[:20]:
                print(f"    {fault}")
        print(f"faults {sum(report.faults for report in reports)}, lost {lost} (seed {given.seed})")
    return 1 if lost else 0


async def stories(given: argparse.Namespace) -> list[Report]:
    from keygw_chaos import clocks, faults, kills
    from keygw_chaos.gateway import GatewayProcess
    from keygw_chaos.report import Report

    reports: list[Report] = []
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {text}", file=sys.stderr)

    for story in given.only or STORIES:
        rng = random.Random(f"{given.seed}:{story}")
        say(story)
        with tempfile.TemporaryDirectory(prefix="keygw-chaos-") as name:
            folder = Path(name)
            if story == "kill-sqlite":
                gateway = GatewayProcess(folder / "data")
                report = await kills.kill_gateway(gateway, given.kills, rng, Report("gateway killed, SQLite"), say)
                report.wrong += kills.damaged(folder / "data" / "keygw.db")
            elif story == "disk-full":
                report = await faults.disk_full(folder, given.rounds, rng)
            elif story == "locked":
                report = await faults.locked(folder, given.rounds, rng)
            elif story == "clock-jumps":
                report = await clocks.clock_jumps(folder, given.jumps, rng, say)
            else:
                report = await on_postgres(story, folder, given, rng, say)
        reports.append(report)
    return reports


async def on_postgres(
    story: str, folder: Path, given: argparse.Namespace, rng: random.Random, say: Callable[[str], None]
) -> Report:
    from keygw_chaos import clocks, faults, kills
    from keygw_chaos.gateway import GatewayProcess
    from keygw_chaos.report import Report
    from postgres_server import PostgresServer, programs

    report = Report(ON_POSTGRES[story])
    binaries = programs()
    if binaries is None:
        report.skipped = "no initdb and postgres here"
        return report
    server = PostgresServer(binaries, safe=True)
    try:
        server.start()
        if story == "clock-jumps-postgres":
            return await clocks.clock_jumps(folder, given.jumps, rng, say, server)
        url = server.create("chaos")
        if story == "kill-postgres":
            gateway = GatewayProcess(folder / "data", env={"KEYGW_DATABASE": url})
            return await kills.kill_gateway(gateway, given.postgres_kills, rng, report, say)
        return await faults.postgres_crashes(folder, server, url, given.rounds, rng)
    finally:
        server.remove()


if __name__ == "__main__":
    sys.exit(main())
