"""``keygw config``: which settings hold, where each was said, and whether they can be used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from keygw.cli import output
from keygw.cli.exits import Exit
from keygw.cli.options import Data, Json
from keygw.cli.settings import Config, settings

if TYPE_CHECKING:
    from keygw.app.load import Loaded

app = typer.Typer(no_args_is_help=True, help="Settings of the gateway: what holds, and where it was said.")


@app.command()
def show(config: Config = None, data: Data = None, as_json: Json = False) -> None:
    """Show every setting, its value, and where the value comes from.

    As keygw serve would find them without options of its own. A secret is shown as set or not set, never as it is.
    """
    loaded = settings(config, {"data": data})
    values = shown(loaded)
    if as_json:
        rows = {name: {"value": value, "source": loaded.sources[name]} for name, value in values.items()}
        file = None if loaded.file is None else str(loaded.file)
        output.document({"file": file, "settings": rows, "doubts": list(loaded.doubts)})
        return
    rows_of_text = [(name, _text(value), loaded.sources[name]) for name, value in values.items()]
    output.table(("setting", "value", "source"), rows_of_text, empty="")
    _doubts(loaded)


@app.command()
def check(config: Config = None, data: Data = None, as_json: Json = False) -> int:
    """Look whether the gateway could be started with these settings, as far as files and values tell.

    Exit 0 if so. Nothing is opened for writing, and no address is taken.
    """
    from keygw.app.tls import tls_context

    loaded = settings(config, {"data": data})
    tls_context(loaded.settings)
    if as_json:
        output.document({"ok": True, "file": None if loaded.file is None else str(loaded.file)})
    else:
        output.say(f"{loaded.file or 'no file, and the defaults'}: these settings can be used")
        _doubts(loaded)
    return Exit.OK


def shown(loaded: Loaded) -> dict[str, Any]:
    """Plain values to show; a secret is ``"set"`` or ``None``."""
    from pydantic import SecretStr

    found: dict[str, Any] = {}
    for name in type(loaded.settings).model_fields:
        value = getattr(loaded.settings, name)
        if isinstance(value, SecretStr):
            value = "set"
        found[name] = value if isinstance(value, bool | int | None) else _plain(value)
    return found


def _plain(value: object) -> str | list[str]:
    return [str(each) for each in value] if isinstance(value, tuple) else str(value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)


def _doubts(loaded: Loaded) -> None:
    for doubt in loaded.doubts:
        output.remark(f"keygw: {output.clean(doubt)}")
