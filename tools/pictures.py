"""Pictures of the pages for the docs, as the browser tests have taken them: ``make pictures``.

``--take`` puts them from ``build/pictures`` into ``docs/pictures`` and notes what they show; ``--check`` says which of
them are older than their page.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "src/keygw/web"
TAKEN = ROOT / "build/pictures"
KEPT = ROOT / "docs/pictures"
NOTES = KEPT / "pictures.json"

SHOWS = {
    "console-attack": ("console", "shared"),
    "head-unit-code": ("head_unit", "shared"),
    "phone-unlocked": ("phone", "shared"),
    "phone-why-revoked": ("phone", "shared"),
}
"""Picture -> folders of its page. Only what can be seen counts: styles, markup, words."""


def seen(folders: tuple[str, ...]) -> str:
    """A hash of everything in those folders that a browser draws from."""
    whole = hashlib.sha256()
    for folder in folders:
        for path in sorted((WEB / folder).rglob("*")):
            if path.suffix in (".css", ".html", ".js", ".svg"):
                whole.update(path.relative_to(WEB).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return whole.hexdigest()


def old() -> list[str]:
    """Pictures that are missing, or of a page that has changed since."""
    notes = json.loads(NOTES.read_text("utf-8")) if NOTES.is_file() else {}
    there = {name for name in SHOWS if (KEPT / f"{name}.png").is_file()}
    return [name for name, folders in SHOWS.items() if name not in there or notes.get(name) != seen(folders)]


def take() -> None:
    KEPT.mkdir(exist_ok=True)
    for name in SHOWS:
        shutil.copyfile(TAKEN / f"{name}.png", KEPT / f"{name}.png")
    NOTES.write_text(json.dumps({name: seen(folders) for name, folders in SHOWS.items()}, indent=2) + "\n", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument("--check", action="store_true")
    group.add_argument("--take", action="store_true")
    if parser.parse_args().take:
        try:
            take()
        except FileNotFoundError as error:
            sys.stderr.write(f"no picture {error.filename}: run make test-browser first\n")
            return 1
    found = old()
    sys.stdout.write("".join(f"{name}: older than its page; make pictures takes it anew\n" for name in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
