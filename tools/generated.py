"""What the tools have in common that write a file from what the program says: write it, or ``--check`` it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def keep(target: Path, document: Callable[[], str], description: str | None, tool: str) -> int:
    """The exit code. ``tool``: the name of the file that calls."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--check", action="store_true", help="fail if the file is not what the program says")
    check = parser.parse_args().check
    text = document()
    if check:
        current = target.is_file() and target.read_text("utf-8") == text
        sys.stdout.write("current\n" if current else f"{target.name} is not current: run python tools/{tool}\n")
        return 0 if current else 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")
    return 0
