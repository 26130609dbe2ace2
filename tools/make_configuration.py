"""Draw the table of settings into the reference page: ``python tools/make_configuration.py [--check]``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from kept import keep
from typer.main import get_command

from keygw.app.reference import table
from keygw.app.settings import Settings
from keygw.cli.main import app

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "configuration.md"
HEADING = "## Settings"


def options() -> dict[str, str]:
    """Setting -> its option of ``keygw serve``."""
    root: Any = get_command(app)
    found = {each.name: each.opts[0] for each in root.commands["serve"].params}
    found["trusted_proxies"] = found.pop("trusted_proxy")
    return {name: option for name, option in found.items() if name in Settings.model_fields}


def drawn(page: str) -> str:
    """The page with the table as the model has it."""
    head, rest = page.split(f"{HEADING}\n", 1)
    before, _, behind = rest.partition("\n| setting |")
    behind = re.split(r"(?m)^(?!\|)", "| setting |" + behind, maxsplit=1)[1]
    return f"{head}{HEADING}\n{before}\n{table(options())}{behind}"


if __name__ == "__main__":
    sys.exit(keep({PAGE: drawn(PAGE.read_text("utf-8"))}, "make_configuration"))
