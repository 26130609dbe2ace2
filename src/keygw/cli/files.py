"""Files that a command writes because it was asked to: whole, for their owner alone, and never over another one."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keygw.cli.exits import Exit
from keygw.cli.failure import Failure, usage

INPUT_LIMIT = 64 * 1024
NAME_BYTES = 220
"""Of a file's name, at most: file systems take 255, and a draft's is longer."""


def must_have_a_name(path: Path) -> None:
    """One that a file can have: ``.`` and ``/`` are folders."""
    if not 0 < len(os.fsencode(path.name)) <= NAME_BYTES:
        raise Failure(Exit.ENVIRONMENT, "not_writable", "no file can have that name", "name another, or a shorter one")


def must_be_new(path: Path) -> None:
    """Asked before the gateway does anything, so that nothing is issued that cannot be kept."""
    if os.path.lexists(path):
        raise Failure(Exit.CONFLICT, "file_exists", f"{path} exists already", "choose another name, or move it away")
    must_have_a_name(path)
    parent = path.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        raise Failure(
            Exit.ENVIRONMENT, "not_writable", f"nothing can be written in {parent}", "make the folder, or name another"
        )


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_text(path: Path, text: str) -> None:
    """0600, under another name first: who watches the folder never sees half a file."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise Failure(
            Exit.ENVIRONMENT,
            "not_writable",
            f"{path} could not be written: {error.strerror}",
            "free space or mend the rights; what the gateway did stands: keygw keys list shows it",
        ) from error


def read_bytes(path: Path) -> bytes:
    """What a file holds, up to the limit."""
    try:
        with path.open("rb") as file:
            return file.read(INPUT_LIMIT)
    except OSError as error:
        raise usage("unreadable", f"{path} cannot be read: {error.strerror}", "look at the name") from error


def read_json(source: str) -> dict[str, Any]:
    """The first JSON object of a file, or of stdin for ``-``; a program's ready line will do."""
    try:
        if source == "-":
            text = sys.stdin.read(INPUT_LIMIT)
        else:
            with Path(source).open(encoding="utf-8") as file:
                text = file.read(INPUT_LIMIT)
        value, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except OSError as error:
        raise usage("unreadable", f"{source} cannot be read: {error.strerror}", "look at the name") from error
    except ValueError as error:
        raise usage("not_json", f"{source} does not begin with a JSON object", "look at its first line") from error
    if not isinstance(value, dict):
        raise usage("not_json", f"{source} does not begin with a JSON object", "look at its first line")
    return value
