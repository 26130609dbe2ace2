"""``keygw sim run FILE``: plays a scenario file, or one that comes along, by name.

Exit 0: every step came as expected; 1: one did not; 2: the file is broken (line and field are named); 3: it cannot be
played here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import secrets
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage
from keygw.model.errors import BadInput, KeygwError
from keygw_sim.scenario.model import Scenario
from keygw_sim.scenario.player import Played, Player
from keygw_sim.scenario.reader import read

EXAMPLES = Path(__file__).parent / "examples"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise usage("usage", message, f"see: {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    parser = _Parser(prog="keygw sim run", description="Play a scenario file with real parts over the virtual radio.")
    parser.add_argument("file", nargs="?", metavar="FILE", help="a YAML file, or the name of an example")
    parser.add_argument("--list", action="store_true", help="the examples that come along")
    parser.add_argument("--schema", action="store_true", help="the JSON schema of such a file")
    parser.add_argument("--seed", metavar="TEXT", help="repeat the same keys and ids")
    parser.add_argument("--json", action="store_true", help="One JSON object on stdout and nothing else.")
    args = parser.parse_args(argv)
    if args.schema:
        output.say(schema())
        return Exit.OK
    if args.list:
        for file in sorted(EXAMPLES.glob("*.yaml")):
            output.say(f"{file.stem}\t{read(file).title}")
        return Exit.OK
    if args.file is None:
        raise usage("usage", "which scenario?", "name a file, or see: keygw sim run --list")
    example = EXAMPLES / f"{args.file}.yaml"
    try:
        scenario = read(example if args.file.isidentifier() and example.is_file() else Path(args.file))
    except BadInput as error:
        raise usage(error.code, str(error), "see: keygw sim run --schema") from error
    logging.getLogger("bumble").setLevel(logging.CRITICAL)
    seed = args.seed if args.seed is not None else secrets.token_hex(4)
    try:
        return asyncio.run(_play(scenario, seed, as_json=args.json))
    except (KeygwError, OSError) as error:
        raise Failure(Exit.ENVIRONMENT, "cannot_play", str(error), "see: keygw doctor") from error


def schema() -> str:
    return json.dumps(Scenario.model_json_schema(), indent=2)


async def _play(scenario: Scenario, seed: str, *, as_json: bool) -> int:
    steps: list[Played] = []

    def told(step: Played) -> None:
        steps.append(step)
        if not as_json:
            verdict = " ok " if step.holds else "FAIL"
            came = step.came if step.holds else f"expected {step.expected}, came {step.came}"
            output.say(f"{verdict} {step.number:>3}  {output.clean(step.what)}: {output.clean(came)}")

    if not as_json:
        output.say(f"{output.clean(scenario.title)} (seed {output.clean(seed)})")
    with tempfile.TemporaryDirectory(prefix="keygw-scenario-") as folder:
        async with Player(scenario, Path(folder), seed) as player:
            holds = await player.play(told)
    if as_json:
        document = {"title": scenario.title, "seed": seed, "ok": holds, "steps": [step.to_json() for step in steps]}
        output.document(document)
    return Exit.OK if holds else Exit.NOT_DONE


if __name__ == "__main__":
    sys.exit(main())
