"""What every tool does that makes files of the repository: write them, or with ``--check`` only compare.

A file is given as path and text, so that making it stays apart from where it goes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def keep(documents: Mapping[Path, str], tool: str, arguments: Sequence[str] | None = None) -> int:
    """Write the documents. With ``--check`` write nothing, and answer 1 if one is not what it should be."""
    parser = argparse.ArgumentParser(prog=f"python tools/{tool}.py")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    if not parser.parse_args(arguments).check:
        for path, text in documents.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path.name for path, text in documents.items() if not path.exists() or path.read_text("utf-8") != text]
    if stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run: python tools/{tool}.py\n")
    return 1 if stale else 0


def between(path: Path, begin: str, end: str, content: str) -> str:
    """The text of ``path`` with ``content`` between its two marks. ``ValueError`` if they are not there."""
    before, mark, rest = path.read_text("utf-8").partition(begin)
    _, closing, after = rest.partition(end)
    if not mark or not closing:
        raise ValueError(f"{path.name} has no place for what is drawn into it")
    return f"{before}{begin}{content}{end}{after}"


def write_vectors(home: Path, documents: Callable[[], Mapping[str, str]], about: str | None) -> None:
    """Write vectors into ``home``, or into the folder that the command line names. ``about``: told for ``--help``."""
    if sys.argv[1:] and sys.argv[1].startswith("-"):
        sys.exit(about)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else home
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


def write_vector(home: Path, build: Callable[[], object], about: str | None) -> None:
    """Write one file of vectors to ``home``, or to the path that the command line names."""
    if sys.argv[1:] and sys.argv[1].startswith("-"):
        sys.exit(about)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else home
    path.write_text(f"{json.dumps(build(), indent=2)}\n", encoding="utf-8")
