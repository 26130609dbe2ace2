"""The pictures in the docs show the pages as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pictures


def test_no_picture_is_older_than_its_page(repository: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(repository / "tools/pictures.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_each_is_shown_somewhere(repository: Path) -> None:
    pages = [repository / "README.md", *(repository / "docs").rglob("*.md")]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    for name in pictures.SHOWS:
        assert f"pictures/{name}.png" in text, name
