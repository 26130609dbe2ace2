"""From a command line to settings: what could not be used becomes one line and an exit code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage
from keygw.cli.places import default_data_dir

if TYPE_CHECKING:
    from keygw.app.load import Loaded

Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings in TOML. Default: $KEYGW_CONFIG, else keygw.toml in the data directory, else "
        "/etc/keygw/keygw.toml, if there is one.",
        show_default=False,
    ),
]

_NEXT = "see what is set, and where: keygw config show; what can be set: docs/reference/configuration.md"


def settings(config: Path | None, given: Mapping[str, object]) -> Loaded:
    """``Failure``: 2 for what was typed, 3 for what a file or the environment says."""
    from keygw.app.load import COMMAND_LINE, BadSetting, Sources, load

    bare = {name: value for name, value in os.environ.items() if name != "KEYGW_DATA"}
    try:
        return load(Sources(given, os.environ, default_data_dir(bare), config))
    except BadSetting as error:
        typed = f"({COMMAND_LINE})" in str(error) or error.code in ("clear_text", "bad_radio", "bad_url")
        if typed:
            raise usage(error.code, str(error), _NEXT) from error
        raise Failure(Exit.ENVIRONMENT, error.code, str(error), _NEXT) from error
