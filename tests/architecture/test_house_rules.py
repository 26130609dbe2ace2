"""Rules of the house that import-linter cannot see: who makes what, where clocks are read, how big a file may grow."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

MAX_LINES = 600
MAX_TEST_SLEEP_S = 0.05
CODE = {".py", ".js", ".mjs", ".css", ".html", ".sh"}
MADE = {".git", ".venv", "__pycache__", "build", "dist", "vendor", "node_modules"}
SANS_IO = ("model", "crypto", "token", "wire", "session")

# Names that read a clock or draw randomness. In the sans-IO rooms both come in as arguments (law 2).
IMPURE_CALLS = frozenset(
    {
        "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
        "os.urandom", "os.getrandom", "secrets.token_bytes", "secrets.token_hex", "secrets.randbits",
        "random.random", "random.randint", "random.randbytes", "random.choice", "random.SystemRandom",
        "uuid.uuid1", "uuid.uuid4",
    }
)  # fmt: skip

# Directories where a build machine, or a person's own, keeps things; and where packages come from.
MACHINE = re.compile(
    r"(?<![\w.$})\]/-])/(?:root|home/\w+|Users/\w+|work(?:space)?|builds|opt/\w+|private/tmp)/[\w.]"
    r"|files\.pythonhosted\b|pypi\.org/simple|(?<!no-emit-)\bindex[-]url\b|registry\.npmjs\b"
)
# Put together here, so that this file does not name what it looks for.
MACHINE_SAMPLES = ["cd /" + "work/main", "/ro" + "ot/.pyenv", "https://py" + "pi.org/simple", "--index" + "-url x"]


def sources(repository: Path, *folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((repository / folder).rglob("*.py"))


def tracked(repository: Path) -> list[Path]:
    """Every file that is, or is about to be, in the repository. Without git: everything that was not made by a tool."""
    git = shutil.which("git")
    if git and (repository / ".git").exists():
        command = [git, "-C", str(repository), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            named = (repository / name for name in done.stdout.split("\0") if name)
            return [path for path in named if path.is_file()]
    hidden = {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache"}
    made = (MADE - {"vendor"}) | hidden
    return [
        path for path in repository.rglob("*") if path.is_file() and not made & set(path.relative_to(repository).parts)
    ]


def dotted(node: ast.expr) -> str:
    """``a.b.c`` for the name or attribute that is called, or what of it has a name."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def calls(source: str) -> Iterator[tuple[int, str, ast.Call]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield node.lineno, dotted(node.func), node


def builders_of_authorized_commands(source: str) -> list[int]:
    return [line for line, name, _ in calls(source) if name.split(".")[-1] == "AuthorizedCommand"]


def impure_calls(source: str) -> list[str]:
    found = []
    for line, name, _ in calls(source):
        tail = ".".join(name.split(".")[-2:])
        if tail in IMPURE_CALLS:
            found.append(f"{line}: {tail}")
    return found


def long_sleeps(source: str) -> list[int]:
    found = []
    for line, name, call in calls(source):
        if name in {"time.sleep", "asyncio.sleep", "sleep"} and call.args:
            duration = call.args[0]
            if isinstance(duration, ast.Constant) and isinstance(duration.value, (int, float)):
                found += [line] if duration.value > MAX_TEST_SLEEP_S else []
    return found


def test_only_the_policy_makes_an_authorized_command(repository: Path) -> None:
    """What reaches a vehicle went through ``credentials.policy``: nobody else makes what the dispatcher takes."""
    builders = [
        str(path.relative_to(repository))
        for path in sources(repository, "src", "simulators")
        if builders_of_authorized_commands(path.read_text("utf-8"))
    ]
    assert builders == ["src/keygw/credentials/policy.py"]


@pytest.mark.parametrize("source", ["x = AuthorizedCommand(1)", "x = command.AuthorizedCommand(key=1)"])
def test_a_forged_authorized_command_is_seen(source: str) -> None:
    assert builders_of_authorized_commands(source) == [1]


def test_sans_io_rooms_read_no_clock_and_draw_no_randomness(repository: Path) -> None:
    found = {
        str(path.relative_to(repository)): impure
        for path in sources(repository, *(f"src/keygw/{room}" for room in SANS_IO))
        if (impure := impure_calls(path.read_text("utf-8")))
    }
    assert not found


@pytest.mark.parametrize("call", ["datetime.now(UTC)", "datetime.datetime.now()", "os.urandom(8)", "uuid.uuid4()"])
def test_an_impure_call_is_seen(call: str) -> None:
    assert impure_calls(f"def f() -> object:\n    return {call}\n")


def test_no_test_sleeps_longer_than_50_ms(repository: Path) -> None:
    found = {
        str(path.relative_to(repository)): lines
        for path in sources(repository, "tests")
        if (lines := long_sleeps(path.read_text("utf-8")))
    }
    assert not found


def test_a_long_sleep_is_seen() -> None:
    assert long_sleeps("await_ = asyncio.sleep(0.05)\ntime.sleep(1)\n") == [2]


def test_no_file_outgrows_its_reader(repository: Path) -> None:
    """Aim for about 150 lines, talk about it at 400, split before 600."""
    sizes = {
        str(path.relative_to(repository)): len(path.read_bytes().splitlines())
        for path in tracked(repository)
        if path.suffix in CODE and "vendor" not in path.parts
    }
    assert len(sizes) > 20, "the search for files found next to nothing"
    assert {name: lines for name, lines in sizes.items() if lines > MAX_LINES} == {}


def test_no_file_names_a_machine_or_a_package_index(repository: Path) -> None:
    """A clone must work anywhere, so no file may tell where it was written or where its packages came from."""
    found = []
    for path in tracked(repository):
        if "vendor" in path.parts:
            continue
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [f"{path.relative_to(repository)}: {match.group()}" for match in MACHINE.finditer(text)]
    assert found == []


@pytest.mark.parametrize("text", MACHINE_SAMPLES)
def test_a_machine_name_is_seen(text: str) -> None:
    assert MACHINE.search(text)
