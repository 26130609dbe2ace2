"""Bad input to every command, taken from the tree of commands: what it takes, what it does not, and what cannot be.

A refusal is an exit code of the table, one line with a stable code, and a next step; never a traceback. The gateway is
a real one, and everything but the one bad word is good.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.main import get_command

from keygw.cli.exits import Exit
from keygw.cli.main import app
from keygw.cli.reference import leaves
from keygw.crypto.signer import LocalSigner

if TYPE_CHECKING:
    from tests.unit.conftest import Run, Said

TREE = get_command(app)
COMMANDS = {path.removeprefix("keygw "): command for path, command in leaves(TREE, "keygw")}
OWN = [name for name, command in COMMANDS.items() if not command.context_settings.get("ignore_unknown_options")]
"""Not the simulators: they have parsers of their own."""
RUNS = {"demo", "serve", "events"}
"""They go on until they are stopped, unless their command line is wrong."""

UGLY = ["x" * 5000, "a\nb", "\u202etxt", "../../etc/passwd?%00"]
IDS = ["nonsense", "veh_mfrggzdfmztwq2lk", *UGLY]
FILES = ["absent/file", ".", "x" * 5000]
NUMBERS = ["", "x", "0x10", "9" * 400]
SPANS = ["1", "-1h", "0s", "9" * 400 + "h", *UGLY]
BAD: dict[str, list[str]] = {
    **dict.fromkeys(("VEHICLE", "KEY", "DEVICE", "INVITATION", "TRANSFER", "APP", "PROFILE", "ID", "NAME"), IDS),
    **dict.fromkeys(("TENANT", "OPERATOR", "PERSON"), IDS),
    "ROLE": ["", "nonsense", *UGLY],
    "NAME=NUMBER": ["", "keys_per_vehicle", "keys_per_vehicle=x", "=7", "nonsense=7", "keys_per_vehicle=" + "9" * 400],
    **dict.fromkeys(("FILE", "DIR", "PATH"), FILES),
    **dict.fromkeys(("SECONDS", "N", "PORT"), NUMBERS),
    "SPAN": SPANS,
    "HANDLE": [*NUMBERS, "65536"],
    **{shape: ["", "nonsense", *UGLY[:2]] for shape in ("SIDE", "WORD", "TYPE", "CAPTURE", "ADDRESS:PORT")},
    "METHOD": ["", "GET /", "G\u00cbT", *UGLY],
    "REQUEST": ["", "nonsense", "ftp://x/", "https://u@x.example/", *UGLY],
    "TIME": ["tomorrow", "99999-01-01T00:00Z", *UGLY],
    **{shape: ["", "nonsense", *UGLY] for shape in ("GRANT", "NONCE", "CODE", "ACTION", "FORM", "SCOPE", "PLACE")},
    "TEXT": UGLY[:3],
}
MAY_BE = {
    ("doctor", "DIR"),
    ("config show", "DIR"),
    ("config check", "DIR"),
    ("vehicles provision", "DIR"),
    ("apps add", "NAME"),
    ("admin apps add", "NAME"),
    ("admin operators add", "NAME"),
    ("admin people add", "NAME"),
    ("admin tenants add", "NAME"),
}
"""Where a folder need not be there yet, and where a name is a new one."""
SELECTING = {"audit list"}
"""Asks for what may not be there, which is no mistake."""
RESULTS = {"pair", "command", "doctor"}
"""What was sent and has failed, or was looked at and is not well, is a result: on stdout."""


@pytest.fixture(autouse=True)
def tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Typer makes the tree of commands anew for each line, as a process does; one for all is quicker."""
    monkeypatch.setattr("keygw.cli.main.get_command", lambda _: TREE)


@pytest.fixture
def good(car: dict[str, str], owner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A good word for each shape of a required argument. Whatever writes, writes into a folder of this test."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line.json").write_text("{}")
    (tmp_path / "air.btsnoop").write_bytes(b"btsnoop\0\0\0\0\1\0\0\3\xea")
    return {
        "VEHICLE": car["id"], "KEY": owner, "ACTION": "unlock", "NONCE": "0011223344556677", "CODE": "31415926",
        "DEVICE": "dev_mfrggzdfmztwq2lk", "INVITATION": "inv_mfrggzdfmztwq2lk", "TRANSFER": "trf_mfrggzdfmztwq2lk",
        "METHOD": "GET", "REQUEST": "https://keys.example/",
        "APP": "app_mfrggzdfmztwq2lk", "PROFILE": "access", "FILE": "line.json", "GRANT": "AAAA", "NAME": "An app",
        "ROLE": "support", "OPERATOR": "opr_mfrggzdfmztwq2lk", "PERSON": "per_mfrggzdfmztwq2lk", "TENANT": "default",
        "NAME=NUMBER": "keys_per_vehicle=20", "SCOPE": "key.read", "CAPTURE": "air.btsnoop",
        "TEXT": "AAAA", "public_key": LocalSigner.generate().public_key.hex(),
    }  # fmt: skip


def told(said: Said, line: list[str], *, refused: bool = True) -> None:
    """What a refusal looks like; ``refused``: it must be one."""
    what = f"{' '.join(line)[:300]!r}: {said.code} {said.err[-400:]}"
    assert said.code in set(Exit), what
    assert "Traceback" not in said.err, what
    if said.code == Exit.OK:
        assert not refused, what
        return
    if "--json" in line:
        error = json.loads(said.err.splitlines()[-1])
        assert (error["ok"], error["exit_code"]) == (False, said.code), what
        assert error["code"].replace("_", "").isalnum(), what
        assert error["detail"], what
        assert error["next"], what
        assert said.out == "", what
        return
    lines = said.err.splitlines()
    first = next(number for number, each in enumerate(lines) if each.startswith("keygw: "))
    assert lines[first].endswith("]"), what
    assert lines[first + 1].startswith("  next: "), what
    assert len(lines) == first + 2, what


def words(command: Any, good: dict[str, str], but: Any = None, bad: str = "") -> list[str]:
    """Its required arguments and options, all good but one; and that one, if it is not required."""
    line: list[str] = []
    for each in command.params:
        if not (each.required or each is but):
            continue
        word = bad if each is but else good.get(each.name) or good[each.metavar]
        line += [word] if each.param_type_name == "argument" else [f"{each.opts[0]}={word}"]
    return line


def taking(command: Any) -> Iterator[Any]:
    """Its parameters that take a word."""
    return (each for each in command.params if not getattr(each, "is_flag", False))


@pytest.mark.parametrize("name", OWN)
def test_a_line_that_is_not_the_commands_own(run: Run, good: dict[str, str], name: str) -> None:
    command = COMMANDS[name]
    path, line = name.split(), words(COMMANDS[name], good)
    refusals = [[*path, *line, "--no-such-option"], [*path, *line, *["more"] * 3], [*path, *line, "not\udcfftext"]]
    if any(each.required for each in command.params):
        refusals.append([*path, "--json"])
    refusals += [[*path, *line, each.opts[0]] for each in taking(command) if each.param_type_name == "option"]
    for number, wrong in enumerate(refusals):
        if number % 2:
            wrong.insert(len(path), "--json")
        said = run(*wrong)
        assert said.code == Exit.USAGE, wrong
        told(said, wrong)


@pytest.mark.parametrize("name", [name for name in OWN if name not in RUNS])
def test_one_bad_word_is_refused(run: Run, good: dict[str, str], name: str) -> None:
    command = COMMANDS[name]
    for each in taking(command):
        # What a name is given to must not be there, under that name, for the commands that follow.
        more = " new" if (name, each.metavar) in MAY_BE and each.metavar == "NAME" else ""
        for number, word in enumerate(BAD.get(each.metavar or "", ())):
            bad = word + more
            line = [*name.split(), *words(command, good, each, bad), *(["--json"] if number % 2 else [])]
            said = run(*line)
            if name in RESULTS and said.code in (Exit.NOT_DONE, Exit.ENVIRONMENT):
                continue
            told(said, line, refused=(name, each.metavar) not in MAY_BE and name not in SELECTING)


@pytest.mark.parametrize(
    "name", [name for name in OWN if "--url" in {opt for each in COMMANDS[name].params for opt in each.opts}]
)
def test_a_gateway_or_a_token_that_is_not_there(run: Run, good: dict[str, str], name: str) -> None:
    line = [*name.split(), *words(COMMANDS[name], good)]
    for more, codes in {
        ("--url=nonsense",): {Exit.USAGE},
        ("--url=http://127.0.0.1:99999",): {Exit.USAGE},
        ("--token-file=absent",): {Exit.ENVIRONMENT, Exit.NOT_AUTHORISED, Exit.USAGE},
        ("--token-file=line.json",): {Exit.ENVIRONMENT, Exit.NOT_AUTHORISED, Exit.USAGE},
    }.items():
        said = run(*line, *more)
        told(said, [*line, *more])
        assert said.code in codes, (name, more, said.err)
