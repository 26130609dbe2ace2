"""``keygw sim walk``, ``screen``, ``flight``...: a simulated phone in another terminal, in its user's hand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage
from keygw.model.command import Action
from keygw_sim.remote import Remote
from keygw_sim.vehicle.commands import failing

Build = Callable[[argparse.Namespace], dict[str, Any]]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise usage("usage", message, f"see: {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 when it was done; 1 when the car did not do it; 2 wrong words; 3 no phone runs there."""
    parser = _Parser(prog="keygw sim", description="A simulated phone in another terminal, in its user's hand.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    builders: dict[str, Build] = {}

    def add(name: str, words: str, build: Build, *arguments: tuple[str, dict[str, Any]]) -> None:
        command = commands.add_parser(name, help=words, description=words)
        for argument, options in arguments:
            command.add_argument(argument, **options)
        command.add_argument(
            "--state", type=Path, default=Path("keygw-phone"), metavar="DIR", help="the phone's folder"
        )
        command.add_argument("--json", action="store_true", help="One JSON object on stdout and nothing else.")
        builders[name] = build

    add("walk", "Walk with it to a place, seen from the middle of the car.",
        lambda a: {"do": "walk", "to": [a.x, a.y], "pace": a.pace},
        ("x", {"type": float, "metavar": "X", "help": "metres ahead of the car"}),
        ("y", {"type": float, "metavar": "Y", "help": "metres to its left; the driver's door is at 0.5 1"}),
        ("--pace", {"type": float, "default": 1.4, "metavar": "M/S", "help": "metres a second (1.4)"}))  # fmt: skip
    add("screen", "Take it out, or put it away.", lambda a: {"do": "screen", "to": a.to},
        ("to", {"choices": ("foreground", "background")}))  # fmt: skip
    add("flight", "Switch all its radios off, or on again.", lambda a: {"do": "flight", "on": a.how == "on"},
        ("how", {"choices": ("on", "off")}))  # fmt: skip
    add("where", "Where it is, and how near the car finds it.", lambda a: {"do": "where"})
    add("ask", "Let it ask the car for something.", lambda a: {"do": "ask", "action": a.action, "wait": a.wait},
        ("action", {"choices": [action.label for action in Action if action is not Action.PASSIVE_UNLOCK]}),
        ("--wait", {"type": float, "default": 0.0, "metavar": "SECONDS", "help": "how long it may wait"}))  # fmt: skip
    add("claim", "Take in the key of an invitation.", _claim, ("link", {"metavar": "LINK"}),
        ("--code", {"metavar": "CODE", "help": "the activation code, if it has one"}))  # fmt: skip

    args = parser.parse_args(argv)
    nobody = Failure(
        Exit.ENVIRONMENT,
        "no_phone",
        f"no simulated phone runs in {args.state}",
        f"start one: keygw sim phone --transport ... --state {args.state}; or name its folder: --state DIR",
    )
    answer = Remote(args.state, nobody).ask("POST", "/phone", builders[args.command](args))
    if args.json:
        output.document(answer)
    else:
        output.facts((name, _text(value)) for name, value in answer.items() if name != "did")
    return Exit.OK if answer.get("ok", True) or answer.get("outcome") == "waiting" else Exit.NOT_DONE


def _claim(args: argparse.Namespace) -> dict[str, Any]:
    return {"do": "claim", "link": args.link, **({} if args.code is None else {"activation_code": args.code})}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(str(each) for each in value) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    sys.exit(failing(main, as_json="--json" in sys.argv))
