"""What the command line says about itself: complete, quick to load, and the same in the reference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from keygw import __version__
from keygw.cli.exits import MEANINGS, Exit
from keygw.cli.main import main
from keygw.cli.reference import paths, render

HEAVY = [
    "fastapi", "starlette", "uvicorn", "pydantic", "bleak", "bumble", "cryptography", "cbor2", "aiosqlite", "sqlite3",
    "httpx", "rich", "asyncio", "keygw.app", "keygw.store", "keygw_sim",
]  # fmt: skip

# Every help in one interpreter: what is not loaded after the last one was loaded by none.
RUN_ALL = """
import contextlib, io, json, sys
from keygw.cli.main import main
said = {}
for line in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main([*line.split()[1:], "--help"])
    said[line] = [code, out.getvalue()]
print(json.dumps({"said": said, "modules": sorted(sys.modules)}))
"""


def test_no_help_loads_anything_heavy() -> None:
    # A simulator answers its own --help, so it is loaded: not part of this.
    asked = ["keygw", "keygw keys", "keygw apps", "keygw vehicles", "keygw sim"]
    asked += [path for path in paths() if not path.startswith(("keygw sim ", "keygw conformance"))]
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(asked)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert [name for name in HEAVY if name in answer["modules"]] == []
    for line in asked:
        code, text = answer["said"][line]
        assert code == 0, line
        assert f"Usage: {line}" in text


def test_what_the_laziness_test_looks_for_can_be_seen() -> None:
    lines = json.dumps(["keygw keys list"])
    loaded = RUN_ALL.replace("print(", "import keygw.cli.client\nprint(", 1)
    done = subprocess.run([sys.executable, "-c", loaded, lines], capture_output=True, text=True, check=True)
    assert "httpx" in json.loads(done.stdout)["modules"]


def test_the_commands_that_scripts_rely_on_are_there() -> None:
    assert {
        "keygw demo", "keygw serve", "keygw doctor", "keygw command", "keygw status", "keygw events",
        "keygw vehicles list", "keygw vehicles show", "keygw vehicles add",
        "keygw vehicles time-proof",
        "keygw keys list", "keygw keys show", "keygw keys issue", "keygw keys share", "keygw keys suspend",
        "keygw keys resume", "keygw keys revoke", "keygw keys token",
        "keygw pair", "keygw apps add", "keygw sim vehicle", "keygw sim radio", "keygw sim phone", "keygw sim attack",
        "keygw sim world",
    } <= set(paths())  # fmt: skip


def test_the_reference_is_what_the_commands_say(repository: Path) -> None:
    page = (repository / "docs" / "reference" / "cli.md").read_text("utf-8")
    assert page == render(), "write it again: python -m keygw.cli.reference > docs/reference/cli.md"
    for path in paths():
        assert f"### `{path}" in page
    for code, meaning in MEANINGS.items():
        assert f"| {code.value} | {meaning} |" in page


def test_exit_codes_never_change() -> None:
    assert {code.name: code.value for code in Exit} == {
        "OK": 0, "NOT_DONE": 1, "USAGE": 2, "ENVIRONMENT": 3, "NO_GATEWAY": 4, "NOT_AUTHORISED": 5, "NOT_FOUND": 6,
        "CONFLICT": 7, "INTERRUPTED": 130,
    }  # fmt: skip


def test_the_help_ends_with_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for code, meaning in MEANINGS.items():
        assert f"{code.value:<4}{meaning}" in said


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"keygw {__version__}\n"


def test_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "keygw", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"keygw {__version__}\n")


def test_without_arguments_it_helps_and_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert "Commands:" in said.err


@pytest.mark.parametrize(
    "line", [["fly"], ["keys", "show"], ["keys", "list", "--token", "kgw_x"], ["serve", "--port", "70000"]]
)
def test_a_wrong_command_line(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """``--token`` among them: a token on a command line would show in the list of processes."""
    assert main(line) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert "[usage]" in said.err
    assert "next: see: keygw" in said.err
    assert main([*line, "--json"]) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    error = json.loads(said.err)
    assert (error["ok"], error["code"], error["exit_code"]) == (False, "usage", 2)
    assert error["next"].endswith("--help")
