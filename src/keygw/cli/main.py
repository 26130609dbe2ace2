"""The ``keygw`` command: what there is, and how every failure becomes one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.main import get_command

from keygw import __version__
from keygw.cli import (
    admin,
    apps,
    audit,
    config,
    devices,
    invitations,
    keys,
    losses,
    output,
    profiles,
    simulators,
    vehicles,
)
from keygw.cli.command import command
from keygw.cli.doctor import doctor
from keygw.cli.dpop import dpop
from keygw.cli.events import events
from keygw.cli.exits import Exit, epilogue
from keygw.cli.failure import Failure, usage
from keygw.cli.keeping import backup, restore, verify
from keygw.cli.pair import pair
from keygw.cli.serve import serve
from keygw.cli.status import status
from keygw.cli.trace import trace
from keygw.model.errors import KeygwError

app = typer.Typer(
    name="keygw",
    no_args_is_help=True,
    # Plain help: quick to load, easy to grep, the same in a terminal and in a file.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=epilogue(),
)


def _version(wanted: bool) -> None:
    if wanted:
        output.say(f"keygw {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """keygw: the open digital-key gateway.

    Begin with: keygw demo. If something is wrong: keygw doctor.
    """


app.command()(simulators.demo)
app.command()(serve)
app.command(context_settings=simulators.PASS_ON)(simulators.conformance)
app.command()(doctor)
app.command()(dpop)
app.command()(backup)
app.command()(restore)
app.command()(verify)
app.add_typer(config.app, name="config")
app.add_typer(vehicles.app, name="vehicles")
app.add_typer(keys.app, name="keys")
app.add_typer(invitations.app, name="invitations")
losses.register(devices.app)
app.add_typer(devices.app, name="devices")
app.add_typer(profiles.app, name="profiles")
app.command()(pair)
app.command()(command)
app.command()(status)
app.command()(events)
app.command()(trace)
app.add_typer(apps.app, name="apps")
app.add_typer(audit.app, name="audit")
app.add_typer(admin.app, name="admin")
app.add_typer(audit.app, name="audit")
app.add_typer(simulators.app, name="sim")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own). Returns the exit code; see ``exits``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    try:
        _check_text(arguments)
        command, name, rest = _shortcut(arguments)
        return int(command.main(args=rest, prog_name=name, standalone_mode=False) or 0)
    except typer.Abort:
        return Exit.INTERRUPTED
    except typer.TyperException as error:
        return _usage(error, as_json)
    except Failure as failure:
        output.error(failure, as_json=as_json)
        return failure.exit_code
    except KeygwError as error:
        output.error(
            Failure(Exit.ENVIRONMENT, error.code, str(error), "see what is wrong here with: keygw doctor"),
            as_json=as_json,
        )
        return Exit.ENVIRONMENT
    except BrokenPipeError:
        # Whoever read our output has enough. Python would complain once more while flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.NOT_DONE


def _check_text(arguments: Sequence[str]) -> None:
    """What is not UTF-8 on the command line becomes lone surrogates, which nothing can be written or sent with."""
    if any("\ud800" <= letter <= "\udfff" for word in arguments for letter in word):
        raise usage("usage", "a word of the command line is no text in UTF-8", "see: keygw --help")


def _shortcut(arguments: list[str]) -> tuple[Any, str, list[str]]:
    """What to call, under which name, with which arguments.

    ``keygw keys list --help`` goes straight to that command: on the way there typer would read the options of every
    group with pydantic, which takes longer than the help.
    """
    command: Any = get_command(app)
    found, name, rest = command, "keygw", arguments
    while rest and rest[0] in getattr(found, "commands", {}):
        found, name, rest = found.commands[rest[0]], f"{name} {rest[0]}", rest[1:]
    return (found, name, rest) if rest == ["--help"] else (command, "keygw", arguments)


def _usage(error: typer.TyperException, as_json: bool) -> int:
    """What the parser did not understand. Without any argument that is the help itself."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "keygw"
    if type(error).__name__ == "NoArgsIsHelpError":
        output.remark(error.format_message())
    else:
        detail = error.format_message().replace("\n", " ")
        failure = Failure(Exit.USAGE, "usage", detail, f"see: {path} --help")
        output.error(failure, as_json=as_json)
    return Exit.USAGE
