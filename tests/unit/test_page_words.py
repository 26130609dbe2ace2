"""The tables of words of the pages: both languages have every key, with the same places in it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest

TABLES = sorted((Path(__file__).resolve().parents[2] / "src/keygw/web").glob("*/words*.js"))
PLACE = re.compile(r"\{(\w+)\}")


@pytest.mark.parametrize("file", TABLES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_each_language_says_everything(file: Path, require: Callable[[str, bool, str], None]) -> None:
    require("node", which("node") is not None, "no node here: apt-get install nodejs")
    told = subprocess.run(
        ["node", "--input-type=module", "-e", f"import {{ TABLES }} from {json.dumps(file.as_uri())};"
         "process.stdout.write(JSON.stringify(TABLES))"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    tables: dict[str, dict[str, str]] = json.loads(told.stdout)
    assert set(tables) == {"en", "zh-CN"}
    english, chinese = tables["en"], tables["zh-CN"]
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        assert text.strip(), key
        assert chinese[key].strip(), key
        assert set(PLACE.findall(text)) == set(PLACE.findall(chinese[key])), key
