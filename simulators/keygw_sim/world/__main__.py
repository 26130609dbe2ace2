"""``keygw sim world``: live through simulated worlds, and say what held.

Each world follows from its seed alone. One that breaks an invariant is told with its seed, made as short as it gets and
kept as a file, which ``--case`` plays again. ``--json`` prints one object at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from keygw.model.errors import BadInput
from keygw_sim.world.corpus import Case
from keygw_sim.world.runs import MOST_STEPS, UNLOCKS, Total, Wish, keep, live_all
from keygw_sim.world.simulation import Verdict, run
from keygw_sim.world.steps import Cast

EXIT_BROKEN, EXIT_USAGE = 1, 2
MOST_SHOWN = 20
"""Worlds told one by one in JSON."""
SOAKED_AT_ONCE = 500
"""Commands in one world of a soak."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 if every invariant held, 1 if not, 2 for a wrong command line or an unreadable case."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        if args.case is not None:
            return _play(Case.read(args.case), args.json)
    except BadInput as error:
        print(f"keygw sim world: {error}", file=sys.stderr)
        return EXIT_USAGE
    cast = Cast(args.cars, args.friends)
    seeds = [str(seed) for seed in range(args.first, args.first + args.seeds)] if args.seed is None else [args.seed]
    unlocks = UNLOCKS if args.steps is None else None  # whoever counts steps wants them all
    wish = Wish(args.steps or MOST_STEPS, args.unlocks or unlocks, cast=cast)
    if args.soak:
        worlds = -(-args.soak // SOAKED_AT_ONCE)
        seeds = [f"soak {args.first + world}" for world in range(worlds)]
        wish = Wish(soaked=-(-args.soak // worlds), cast=cast)
    failed: list[Verdict] = []
    shown: list[Verdict] = []

    def tell(verdict: Verdict) -> None:
        if not args.json:
            print(_line(verdict), flush=True)
        if len(shown) < MOST_SHOWN:
            shown.append(verdict)
        if verdict.violations:
            failed.append(verdict)
            for violation in verdict.violations:
                print(f"  seed {verdict.seed}: {violation}", file=sys.stderr, flush=True)

    total = live_all(seeds, wish, min(args.jobs, len(seeds)), tell)
    kept = [str(_keep(wish.failed(verdict), args.keep)) for verdict in failed[: args.most_kept]]
    if args.json:
        print(json.dumps(_result(total, shown, failed, kept)))
    else:
        print(_sum(total, soaked=bool(args.soak)))
    return EXIT_BROKEN if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keygw sim world",
        description="Live through simulated worlds: gateway, cars, phones, couriers and an adversary who owns every "
        "link, on a clock of their own. Each follows from its seed.",
    )
    parser.add_argument("--seeds", type=_count, default=50, metavar="N", help="how many worlds (default: 50)")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="the seed of the first (default: 1)")
    parser.add_argument("--seed", metavar="SEED", help="this one world alone")
    parser.add_argument("--steps", type=_count, metavar="N", help="so many steps in each world")
    parser.add_argument("--unlocks", type=_count, metavar="N", help="so many unlocks end a world (default: 500)")
    parser.add_argument("--soak", type=_count, metavar="N", help="instead: N commands over links full of faults")
    parser.add_argument("--case", type=Path, metavar="FILE", help="instead: play a case that was kept")
    parser.add_argument("--cars", type=_few, default=2, metavar="N", help="in each world (default: 2)")
    parser.add_argument("--friends", type=_few, default=5, metavar="N", help="in each world (default: 5)")
    parser.add_argument("--keep", type=Path, default=Path("world-cases"), metavar="FOLDER", help="for cases")
    parser.add_argument("--most-kept", type=int, default=3, metavar="N", help="cases kept at most (default: 3)")
    parser.add_argument(
        "--jobs", type=_few, default=os.cpu_count() or 1, metavar="N", help="processes (default: cores)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout and nothing else")
    return parser


def _play(case: Case, as_json: bool) -> int:
    verdict = run(case.seed, case.steps, case.cast)
    if as_json:
        print(json.dumps({"ok": not verdict.violations, "was": case.why, "world": _world(verdict)}))
    else:
        print(f"it once broke this: {case.why}\n{_line(verdict)}")
        for violation in verdict.violations:
            print(f"  {violation}")
    return EXIT_BROKEN if verdict.violations else 0


def _keep(case: Case, folder: Path) -> Path:
    print(f"making seed {case.seed} shorter: {len(case.steps)} steps ...", file=sys.stderr, flush=True)
    case, path = keep(case, folder)
    print(f"  {len(case.steps)} steps are left, kept in {path}; again: keygw sim world --case {path}", file=sys.stderr)
    return path


def _line(verdict: Verdict) -> str:
    unlocks = verdict.unlocks
    return (
        f"seed {verdict.seed:<6} {'ok' if not verdict.violations else 'BROKEN':<6} {verdict.steps:>5} steps "
        f"{unlocks.total():>5} unlocks ({_mix(unlocks)}), {verdict.lives} lives of the gateway, "
        f"{verdict.seconds / 86_400:.1f} days  {verdict.digest[:12]}"
    )


def _mix(unlocks: Counter[str]) -> str:
    return f"cold {unlocks['cold']}, fast {unlocks['fast']}, open session {unlocks['session']}"


def _sum(total: Total, *, soaked: bool) -> str:
    lines = [
        f"{total.seeds} seeds, {total.unlocks.total()} unlocks ({_mix(total.unlocks)}), {total.rate:.0f} a second "
        f"({total.unlocks.total() / max(total.cpu_seconds, 1e-9):.0f} for each second of a processor); "
        f"{total.frames} frames, {total.lives} lives of the gateway, {total.boots} starts of cars, "
        f"{total.days:.0f} days",
    ]
    ended = ", ".join(f"{count} {how}" for how, count in sorted(total.commands.items()))
    lines.append(f"{total.commands.total()} commands of apps ended: {ended}")
    if soaked:
        lines.append("none was executed twice, none is without an end" if not total.violations else "see above")
    lines.append(f"{total.violations} violations; digest {total.digest[:16]}")
    return "\n" + "\n".join(lines)


def _world(verdict: Verdict) -> dict[str, object]:
    return {**_fields(verdict), "violations": [str(violation) for violation in verdict.violations]}


def _result(
    total: Total, shown: Sequence[Verdict], failed: Sequence[Verdict], kept: Sequence[str]
) -> dict[str, object]:
    return {
        "ok": not failed,
        **_fields(total),
        "unlocks_total": total.unlocks.total(),
        "unlocks_a_second": round(total.rate, 1),
        "worlds": [_world(verdict) for verdict in shown],
        "failed": [_world(verdict) for verdict in failed],
        "kept": kept,
    }


def _fields(values: Verdict | Total) -> dict[str, object]:
    return {field.name: getattr(values, field.name) for field in fields(values)}


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 10_000_000:
        raise argparse.ArgumentTypeError("a number from 1 to 10000000")
    return value


def _few(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 50:
        raise argparse.ArgumentTypeError("a number from 1 to 50")
    return value


if __name__ == "__main__":
    sys.exit(main())
