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

Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="PostgreSQL in place of the file in the data directory: postgresql://USER@HOST/NAME. A password belongs "
        "in $KEYGW_DATABASE, the file of $KEYGW_DATABASE_FILE, or ~/.pgpass: everybody here sees command lines.",
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


def without_password(url: str | None) -> str | None:
    """``Failure`` (usage) secret_on_command_line."""
    # What comes before the last @ may hold one, however badly it is spelled.
    user = "" if url is None else url.partition("://")[2].rpartition("@")[0]
    if url is not None and (":" in user or "password=" in url):
        raise usage(
            "secret_on_command_line",
            "a password on a command line is seen by everybody on this machine",
            "set KEYGW_DATABASE, or name a file that holds the address with KEYGW_DATABASE_FILE, or use ~/.pgpass",
        )
    return url
