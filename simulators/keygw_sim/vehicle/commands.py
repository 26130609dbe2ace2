"""``keygw sim door``, ``drive``, ``battery``...: a simulated car in another terminal, from the outside.

One line for each command: its words, the order that they make, and how the answer reads.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage
from keygw_sim.vehicle.remote import Cars

Order = dict[str, Any]
Build = Callable[[argparse.Namespace], Order]
_WHICH = ("driver", "passenger", "rear_driver", "rear_passenger")
_OPEN = {"open": True, "close": False}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise usage("usage", message, f"see: {self.prog} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 0 when it was done; 2 wrong words; 3 no car runs there; 6 no such car; 7 the car's body does not let it."""
    parser = _Parser(prog="keygw sim", description="A simulated car in another terminal, from the outside.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    builders: dict[str, Build] = {}

    def add(name: str, words: str, build: Build, *arguments: tuple[str, dict[str, Any]]) -> None:
        command = commands.add_parser(name, help=words, description=words)
        for argument, options in arguments:
            command.add_argument(argument, **options)
        command.add_argument(
            "--state", type=Path, default=Path("keygw-vehicle"), metavar="DIR", help="the car's folder"
        )
        command.add_argument("--car", metavar="CAR", help="which, by number, name or id, where there are several")
        command.add_argument("--json", action="store_true", help="One JSON object on stdout and nothing else.")
        builders[name] = build

    how = ("how", {"choices": tuple(_OPEN)})
    which = ("which", {"choices": _WHICH, "nargs": "?", "default": "driver"})
    add("state", "Show how a car stands, or which cars there are.", lambda a: {"do": "status"})
    add("set", "Change parts of it, whatever its rules say.", lambda a: {"do": "set", "body": _parts(a.parts)},
        ("parts", {"nargs": "+", "metavar": "NAME=VALUE"}))  # fmt: skip
    add(
        "door",
        "Open or close a door by hand.",
        lambda a: {"do": "door", "open": _OPEN[a.how], "door": a.which},
        how,
        which,
    )
    add("window", "Move a window: 0 closed, 100 open.",
        lambda a: {"do": "window", "percent": a.percent, "window": a.which},
        ("percent", {"type": int, "metavar": "PERCENT"}), which)  # fmt: skip
    for name, what in (("trunk", "trunk"), ("bonnet", "bonnet"), ("port", "flap of the charge port")):
        add(name, f"Open or close the {what} by hand.", lambda a: {"do": a.command, "open": _OPEN[a.how]}, how)
    add("cable", "Plug the charging cable in, or out.", lambda a: {"do": "cable", "plugged": a.how == "in"},
        ("how", {"choices": ("in", "out")}))  # fmt: skip
    add("charge", "Begin or end charging.", lambda a: {"do": "charge", "on": a.how == "on"},
        ("how", {"choices": ("on", "off")}))  # fmt: skip
    add("drive", "Drive away.", _drive, ("kmh", {"type": float, "nargs": "?", "default": 30.0, "metavar": "KMH"}),
        ("--heading", {"type": float, "metavar": "DEGREES", "help": "clockwise from north"}))  # fmt: skip
    add("park", "Stop, and switch it off.", lambda a: {"do": "park"})
    add("battery", "Fill or drain the traction battery.", lambda a: {"do": "battery", "percent": a.percent},
        ("percent", {"type": float, "metavar": "PERCENT"}))  # fmt: skip
    add("sleep", "Let its actuators sleep.", lambda a: {"do": "sleep"})
    add("wake", "Begin to wake it.", lambda a: {"do": "wake"})
    add("warp", "Let its own time run that many times as fast.", lambda a: {"do": "warp", "factor": a.factor},
        ("factor", {"type": float, "metavar": "FACTOR"}))  # fmt: skip
    add("reboot", "Take its power for a moment.", lambda a: {"do": "reboot"})
    add("lose-flash", "Let it forget all but who it is and whom it trusts.", lambda a: {"do": "lose_flash"})
    add("press-pair", 'Press "pair" in the car; its code is an event.', lambda a: {"do": "pair"})
    add("keys", "The digital keys that it knows.", lambda a: {"do": "keys"})
    add("remove-key", "Remove a digital key in the car.", lambda a: {"do": "remove_key", "key": a.key},
        ("key", {"metavar": "KEY"}))  # fmt: skip
    add("watch", "Show what happens, one JSON object a line.", lambda a: {})

    args = parser.parse_args(argv)
    order = builders[args.command](args)
    remote = Cars(args.state)
    if args.command == "watch":
        for event in remote.events():
            output.line(event)
        return Exit.OK
    if args.command == "state" and args.car is None and len(cars := remote.all()) > 1:
        _show_cars(cars, as_json=args.json)
        return Exit.OK
    answer = remote.ask(args.car, order)
    if args.json:
        output.document(answer)
    else:
        _show(answer)
    return Exit.OK


def _drive(args: argparse.Namespace) -> Order:
    heading = {} if args.heading is None else {"heading": args.heading}
    return {"do": "drive", "kmh": args.kmh, **heading}


def _parts(words: Sequence[str]) -> dict[str, bool | float]:
    """``NAME=VALUE``, the value a number, or yes or no."""
    found: dict[str, bool | float] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise usage("usage", f"{word[:40]!r} is not NAME=VALUE", "for example: keygw sim set engine_running=yes")
        found[name] = _value(value)
    return found


def _value(text: str) -> bool | float:
    spoken = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}.get(text.lower())
    if spoken is not None:
        return spoken
    try:
        return float(text)
    except ValueError:
        raise usage("usage", f"{text[:40]!r} is neither a number nor yes or no", "see: keygw sim set --help") from None


def _show(answer: dict[str, Any]) -> None:
    flat = {**answer, **answer.pop("body", {})}
    known = flat.pop("keys", None)
    output.facts((name, _text(value)) for name, value in flat.items())
    if known is not None:
        rows = ((each["key"], each["index"], each["depth"], _text(each["removed"])) for each in known)
        output.table(("key", "index", "depth", "removed"), rows, "It knows no digital key.")


def _show_cars(cars: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        output.document({"cars": cars})
    else:
        output.table(("number", "name", "id"), ((c["number"], c["name"], c["id"]) for c in cars), "There is none.")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def failing(run: Callable[[], int], *, as_json: bool) -> int:
    """For ``python -m``: a ``Failure`` as the ``keygw`` command tells it."""
    try:
        return run()
    except Failure as failure:
        output.error(failure, as_json=as_json)
        return failure.exit_code


if __name__ == "__main__":
    sys.exit(failing(main, as_json="--json" in sys.argv))
