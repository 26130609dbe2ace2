"""`keygw --help` is quick because it loads no web framework, no radio and no cryptography."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ["fastapi", "starlette", "uvicorn", "pydantic", "bleak", "bumble", "cryptography", "aiosqlite", "keygw.app"]

RUN_HELP = """
import contextlib, io, json, sys
from keygw.cli.main import main
sys.argv = ["keygw", *sys.argv[1:]]
code = 0
said = io.StringIO()
with contextlib.redirect_stdout(said):
    try:
        code = main() or 0
    except SystemExit as end:
        code = end.code or 0
print(json.dumps({"code": code, "said": said.getvalue(), "modules": sorted(sys.modules)}))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["demo", "--help"], ["serve", "--help"], ["keys", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", RUN_HELP, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["code"] == 0
    assert "Usage" in answer["said"]
    assert "keygw.cli.main" in answer["modules"]
    assert [name for name in HEAVY if name in answer["modules"]] == []
