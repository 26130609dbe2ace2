"""``keygw sim attack``: run the attacks of the book against cars in this process, and say what held.

One line for each: ``held``, ``as stated`` (it is known to succeed, within stated limits) or ``BROKEN``; its name; what
was stated, and what came if that was something else. ``--json`` prints one object with all of it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from keygw_sim.attacker.attack import Attack, Verdict, book, carry_out

EXIT_BROKEN, EXIT_USAGE = 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 if all came as stated, 1 if not, 2 for an attack that is not in the book."""
    parser = argparse.ArgumentParser(prog="keygw sim attack", description="Attack simulated cars, and see what holds.")
    parser.add_argument("name", nargs="*", help="an attack or a group (default: all of them)")
    parser.add_argument("--list", action="store_true", help="say what each attack does, and run none")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout and nothing else")
    parser.add_argument("--trace", type=Path, metavar="DIR", help="keep what each car heard and said, as btsnoop")
    args = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.CRITICAL)  # what a link loses is part of the story
    chosen = [one for one in book().values() if not args.name or {one.name, one.group} & set(args.name)]
    unknown = set(args.name) - {word for one in chosen for word in (one.name, one.group)}
    if unknown:
        print(
            f"no attack or group is called {', '.join(sorted(unknown))}; see: keygw sim attack --list", file=sys.stderr
        )
        return EXIT_USAGE
    if args.list:
        _say_list(chosen, args.json)
        return 0
    try:
        if args.trace is not None:
            args.trace.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"nothing can be kept in {args.trace}: {error.strerror}", file=sys.stderr)
        return EXIT_USAGE
    return asyncio.run(_run(chosen, args.json, args.trace))


async def _run(chosen: Sequence[Attack], as_json: bool, trace: Path | None) -> int:
    verdicts = []
    with tempfile.TemporaryDirectory(prefix="keygw-attack-") as folder:
        for one in chosen:
            verdict = await carry_out(one, Path(folder) / one.name, trace)
            verdicts.append(verdict)
            if not as_json:
                print(_line(verdict), flush=True)
    broken = [verdict for verdict in verdicts if not verdict.held]
    if as_json:
        print(json.dumps({"ok": not broken, "attacks": [_result(verdict) for verdict in verdicts]}))
    else:
        known = sum(verdict.held and verdict.word != "held" for verdict in verdicts)
        told = f"{len(broken)} BROKEN" if broken else f"all as stated: {len(verdicts) - known} held"
        if known and not broken:
            told += f", {known} are known to succeed (docs/explanation/attacks.md says within which limits)"
        print(f"\n{len(verdicts)} attacks, {told}")
    return EXIT_BROKEN if broken else 0


def _line(verdict: Verdict) -> str:
    one = verdict.attack
    line = f"{verdict.word:<9}  {one.name:<32}  {one.expected}"
    if verdict.got != one.expected:
        line += f", but came: {verdict.got}"
    if verdict.recorded != one.recorded:
        line += f"; recorded: {', '.join(verdict.recorded) or 'nothing'}, not: {', '.join(one.recorded) or 'nothing'}"
    return line + (f"  ({verdict.detail})" if verdict.detail else "")


def _result(verdict: Verdict) -> dict[str, object]:
    return {
        **_entry(verdict.attack),
        "got": verdict.got,
        "got_recorded": verdict.recorded,
        "verdict": verdict.word,
        "detail": verdict.detail,
    }


def _entry(one: Attack) -> dict[str, object]:
    return {
        "name": one.name,
        "group": one.group,
        "what": one.what,
        "protects": one.protects,
        "expected": one.expected,
        "recorded": one.recorded,
        "remains": one.remains,
        "stopped": one.stopped,
    }


def _say_list(chosen: Sequence[Attack], as_json: bool) -> None:
    if as_json:
        print(json.dumps({"attacks": [_entry(one) for one in chosen]}))
        return
    for one in chosen:
        print(f"{one.name:<32}  {one.what}")


if __name__ == "__main__":
    sys.exit(main())
