"""The runner behind `make bench`: its JSON lines, its choice of groups, and its exit codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLANTED = """
from benchmarks.harness import Figure, microseconds

GROUP = {group!r}

def figures():
    yield Figure("light", GROUP, 1.5, "ms", goal=2, detail={{"n": 1}})
    yield Figure("shown", GROUP, 7, "bytes")
    yield Figure("rate", GROUP, {rate}, "1/s", goal=10, more_is_better=True)
    yield Figure("timed", GROUP, microseconds(lambda: None, rounds=1, seconds=0.001), "us", goal=1e6)
"""


@pytest.fixture
def tree(repository: Path, tmp_path: Path) -> Path:
    """A place with the runner and two made-up groups: ``swift`` meets its goals, ``tardy`` misses one."""
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name in ("__main__.py", "harness.py"):
        shutil.copy(repository / "benchmarks" / name, folder)
    (folder / "bench_swift.py").write_text(PLANTED.format(group="swift", rate=11))
    (folder / "bench_tardy.py").write_text(PLANTED.format(group="tardy", rate=9))
    return tmp_path


def bench(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


def test_a_met_goal_is_one_json_object_a_line_and_exit_0(tree: Path) -> None:
    done = bench(tree, "--json", "--only", "swift")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert [row["name"] for row in rows] == ["light", "shown", "rate", "timed"]
    assert rows[0] == {
        "name": "light", "group": "swift", "value": 1.5, "unit": "ms", "goal": 2, "ok": True, "detail": {"n": 1},
    }  # fmt: skip
    assert rows[3]["value"] > 0


def test_a_missed_goal_is_exit_1_and_says_which(tree: Path) -> None:
    done = bench(tree, "--json")
    assert done.returncode == 1
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert [(row["group"], row["name"]) for row in rows if not row["ok"]] == [("tardy", "rate")]
    assert len(rows) == 8


def test_people_get_a_table(tree: Path) -> None:
    done = bench(tree)
    assert done.returncode == 1
    assert sum("MISSED" in row for row in done.stdout.splitlines()) == 1


def test_an_unknown_group_is_a_bad_call(tree: Path) -> None:
    done = bench(tree, "--only", "nothing")
    assert done.returncode == 2
    assert "swift, tardy" in done.stderr
