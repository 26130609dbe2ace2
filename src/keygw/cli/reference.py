"""The reference of the command line, drawn from the commands themselves.

``python -m keygw.cli.reference > docs/reference/cli.md`` writes it; a test compares the two.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from keygw.cli.exits import MEANINGS
from keygw.cli.main import app

_INTRODUCTION = """\
# The `keygw` command

Drawn from the commands themselves by `python -m keygw.cli.reference`; do not edit it by hand.

## What holds for every command

- **Results** go to stdout, remarks and errors to stderr. `--json` prints exactly one JSON document on stdout and
  nothing else (`events` one a line, `serve` one when it is ready). Without it, tables are drawn on a terminal and are
  separated by tabs everywhere else. `NO_COLOR` is honoured.
- **Errors** say what is wrong, a stable code, and the next step. With `--json` an error is one JSON object on stderr,
  and stdout stays empty: `{"ok": false, "code", "detail", "next", "exit_code", "problem"}`; `problem` is the gateway's
  RFC 9457 document, or null if the request never got that far. A command that was sent and failed is a result: its
  resource is on stdout, and the exit code is 1.
- **Vehicles and keys** are named by their id, by the unique beginning of one (`veh_ab`), or by their name or label.
  What fits more than one is refused with exit code 2, and the candidates are listed.
- **The gateway** is `--url`, else `KEYGW_URL`, else this machine on port `KEYGW_PORT` or 8765.
- **The token** is `--token-file`, else `KEYGW_TOKEN`, else, for a gateway on this machine, `operator.token` in the data
  directory. There is no `--token`: every user of the machine could read it in the list of processes. Over plain
  HTTP a token goes to this machine only; `KEYGW_UNSAFE_CLEARTEXT=1` lifts that.
- **The data directory** is `--data`, else `KEYGW_DATA`, else `$XDG_DATA_HOME/keygw` (`~/.local/share/keygw`), on
  Windows `%APPDATA%\\keygw`.
- **Settings of the gateway** come from the options of `keygw serve`, else from variables such as `KEYGW_HOST`, else
  from a file: [configuration](configuration.md).
- Nobody is ever asked a question, so every command can run in a script.

## Exit codes

| code | meaning |
| --- | --- |
"""
_SHARED = """\
Several options mean the same wherever they appear and are not repeated below: `--json`, `--url`, `--token-file`,
`--data`, `--config`, `--help`.

## Commands

"""
_NOT_REPEATED = frozenset({"--json", "--url", "--token-file", "--data", "--config", "--help"})


def render() -> str:
    """The whole page, Markdown."""
    codes = "".join(f"| {code.value} | {meaning} |\n" for code, meaning in MEANINGS.items())
    return f"{_INTRODUCTION}{codes}\n{_SHARED}{''.join(_commands(get_command(app), 'keygw'))}".rstrip() + "\n"


def paths() -> list[str]:
    """Every command that can be run: ``keygw demo``, ``keygw keys list``, ..."""
    return [path for path, _ in leaves(get_command(app), "keygw")]


def leaves(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """The commands below one, each with its whole name."""
    below = getattr(command, "commands", None)
    if not below:
        yield path, command
        return
    for name, child in below.items():
        yield from leaves(child, f"{path} {name}")


def _commands(root: Any, path: str) -> Iterator[str]:
    for name, command in leaves(root, path):
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        options = [each for each in command.params if each.param_type_name == "option"]
        shape = " ".join([name, *(each.metavar for each in arguments)])
        passes_on = bool(command.context_settings.get("ignore_unknown_options"))
        yield f"### `{shape}{' [ARGS]...' if passes_on else ''}`\n\n{inspect.cleandoc(command.help or '')}\n\n"
        if passes_on:
            yield f"Everything after the name is the simulator's own; `{name} --help` lists it.\n\n"
        rows = [_row(each.metavar, each) for each in arguments]
        rows += [_row(_option(each), each) for each in options if not _NOT_REPEATED.intersection(each.opts)]
        shared = [each.opts[0] for each in options if _NOT_REPEATED.intersection(each.opts)]
        if rows:
            yield "| what | meaning |\n| --- | --- |\n" + "".join(rows) + "\n"
        if shared:
            yield "Also: " + ", ".join(f"`{name}`" for name in shared) + ".\n\n"


def _option(option: Any) -> str:
    return option.opts[0] if option.is_flag else f"{option.opts[0]} {option.metavar or option.name.upper()}"


def _row(shape: str, parameter: Any) -> str:
    notes = []
    if parameter.required:
        notes.append("required")
    elif parameter.default not in (None, "", False) and parameter.show_default:
        notes.append(f"default {getattr(parameter.default, 'value', parameter.default)}")
    if parameter.envvar:
        notes.append(f"`${parameter.envvar}`")
    tail = f" ({', '.join(notes)})" if notes else ""
    return f"| `{shape}` | {(parameter.help or '').replace('|', chr(92) + '|')}{tail} |\n"


if __name__ == "__main__":
    print(render(), end="")
