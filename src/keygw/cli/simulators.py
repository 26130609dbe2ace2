"""``keygw demo`` and ``keygw sim``: programs that come along as entry points; keygw never imports them (law 4)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from keygw.cli.exits import Exit
from keygw.cli.failure import Failure

GROUP = "keygw.simulators"
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Everything after the name, ``--help`` included, is the simulator's to understand."""

app = typer.Typer(no_args_is_help=True, help="Simulated vehicle, radio and phone, and attacks on them.")

HANDS = {
    "state": "How a simulated car in another terminal stands.",
    "set": "Change parts of its body, whatever its rules say.",
    "door": "Open or close a door by hand.",
    "window": "Move a window.",
    "trunk": "Open or close the trunk by hand.",
    "bonnet": "Open or close the bonnet.",
    "port": "Open or close the flap of the charge port.",
    "cable": "Plug the charging cable in, or out.",
    "charge": "Begin or end charging.",
    "drive": "Drive away.",
    "park": "Stop, and switch it off.",
    "battery": "Fill or drain the traction battery.",
    "sleep": "Let its actuators sleep.",
    "wake": "Begin to wake it.",
    "warp": "Let its own time run faster.",
    "reboot": "Take its power for a moment.",
    "lose-flash": "Let it forget all but who it is and whom it trusts.",
    "press-pair": 'Press "pair" in the car.',
    "keys": "The digital keys that it knows.",
    "remove-key": "Remove a digital key in the car.",
    "watch": "Show what happens, one JSON object a line.",
}
"""What hands and weather do to a simulated car; ``keygw_sim`` understands the rest of the line."""

POCKET = {
    "walk": "Walk with a simulated phone in another terminal.",
    "screen": "Take it out, or put it away.",
    "flight": "Switch all its radios off, or on again.",
    "where": "Where it is, and how near the car finds it.",
    "ask": "Let it ask the car for something.",
    "claim": "Let it take in the key of an invitation.",
}
"""The same for its user and a simulated phone."""


def load(name: str) -> Callable[[Sequence[str]], int]:
    """The simulator's ``main(argv) -> exit code``. ``Failure`` no_simulators if it is not installed."""
    from importlib.metadata import entry_points

    found = entry_points(group=GROUP, name=name)
    try:
        for entry in found:
            main: Callable[[Sequence[str]], int] = entry.load()
            return main
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("keygw_sim"):
            raise
    raise Failure(
        Exit.ENVIRONMENT,
        "no_simulators",
        f"the simulator {name!r} is not installed here",
        "install keygw from its wheel or with pip install -e . (both bring the simulators along)",
    )


def run(name: str, arguments: Sequence[str]) -> int:
    """Call it; argparse's SystemExit becomes a plain exit code."""
    main = load(name)
    try:
        return int(main(list(arguments)) or 0)
    except SystemExit as end:
        if isinstance(end.code, str):
            raise
        return int(end.code or 0)


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout and nothing else.")] = False,
    stay: Annotated[
        bool, typer.Option("--stay", help="Leave everything running, and print addresses and a token to play with.")
    ] = False,
    seed: Annotated[str | None, typer.Option("--seed", metavar="TEXT", help="Repeat the same story.")] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text; NO_COLOR does the same.")] = False,
) -> int:
    """Watch the whole product work, from nothing to a dead key.

    The story ends with a key that is provably dead; each step is told with its milliseconds and bytes on the air.

    Exit 0 only if every step held, else 1.
    """
    arguments = ["--json"] if as_json else []
    arguments += ["--stay"] if stay else []
    arguments += ["--seed", seed] if seed is not None else []
    arguments += ["--no-color"] if no_color else []
    return run("demo", arguments)


def conformance(context: typer.Context) -> int:
    """Hold a vehicle or a device to the protocol, requirement by requirement."""
    return run("conformance", context.args)


@app.command(context_settings=PASS_ON)
def vehicle(context: typer.Context) -> int:
    """A simulated vehicle."""
    return run("vehicle", context.args)


@app.command(context_settings=PASS_ON)
def radio(context: typer.Context) -> int:
    """The virtual radio: HCI over TCP."""
    return run("radio", context.args)


@app.command(context_settings=PASS_ON)
def bluez(context: typer.Context) -> int:
    """BlueZ's D-Bus on a private bus, for --radio system without an adapter."""
    return run("bluez", context.args)


@app.command(context_settings=PASS_ON)
def phone(context: typer.Context) -> int:
    """A simulated phone with its own device key."""
    return run("phone", context.args)


@app.command(context_settings=PASS_ON)
def attack(context: typer.Context) -> int:
    """Attack simulated cars, and see what holds."""
    return run("attack", context.args)


@app.command(context_settings=PASS_ON)
def studio(context: typer.Context) -> int:
    """A world to play with, and the console that shows every byte of it."""
    return run("studio", context.args)


@app.command(context_settings=PASS_ON)
def world(context: typer.Context) -> int:
    """Simulated worlds on a clock of their own, each repeatable from its seed."""
    return run("world", context.args)


@app.command("run", context_settings=PASS_ON)
def run_scenario(context: typer.Context) -> int:
    """Play a scenario file: cars, phones, steps and what is expected."""
    return run("scenario", context.args)


def _pass_on(simulator: str, name: str) -> Callable[[typer.Context], int]:
    def command(context: typer.Context) -> int:
        return run(simulator, [name, *context.args])

    return command


for _simulator, _words in (("hands", HANDS), ("pocket", POCKET)):
    for _name, _help in _words.items():
        app.command(_name, help=_help, context_settings=PASS_ON)(_pass_on(_simulator, _name))
