"""Law 10: importing keygw touches no network, no clock and no randomness.

A fresh interpreter imports every module of the package under a profiler and an audit hook, which see calls that no
patch could reach (C functions included). A call counts against the keygw module whose top-level code led to it. What a
foreign library does while it is being imported itself is that library's affair: between it and us there is a frame of
the import system.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCHER = r'''
import importlib, json, os, pkgutil, sys

root = os.path.realpath(sys.argv[1]) + os.sep
package = sys.argv[2]
found = []

CLOCKS = {"time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep",
          "localtime", "gmtime"}
NAMES = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "urandom", "getrandom",
         "Random.random", "Random.getrandbits"}

def blame(frame):
    """The module of ours whose import-time code led to this call, or None."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return None
        if os.path.realpath(name).startswith(root):
            return f"{frame.f_globals.get('__name__')}:{frame.f_lineno}"
        frame = frame.f_back
    return None

def note(what, frame):
    culprit = blame(frame)
    if culprit:
        found.append(f"{culprit} {what}")

def profile(frame, event, argument):
    if event == "c_call":
        name = getattr(argument, "__qualname__", "")
        if name in NAMES or (getattr(argument, "__module__", None) == "time" and name in CLOCKS):
            note(name, frame)

def audit(event, arguments):
    if event.partition(".")[0] in {"socket", "subprocess", "sqlite3"}:
        note(event, sys._getframe(1))

sys.addaudithook(audit)
sys.setprofile(profile)
count = 0
top = importlib.import_module(package)
below = [module.name for module in pkgutil.walk_packages(top.__path__, package + ".")]
names = [package] + [name for name in below if not name.endswith("__main__")]
for name in names:
    importlib.import_module(name)
    count += 1
sys.setprofile(None)
print(json.dumps({"modules": count, "found": found}))
'''


def watch(root: Path, package: str) -> tuple[int, list[str]]:
    """Import every module of ``package`` below ``root``: how many there are, and what they did that they must not."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHER, str(root), package],
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return int(answer["modules"]), list(answer["found"])


def test_importing_keygw_touches_nothing(repository: Path) -> None:
    modules, found = watch(repository / "src", "keygw")
    assert modules > 30
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "import time; STARTED = time.time()",
        "from time import monotonic; STARTED = monotonic()",
        "from datetime import datetime, timezone; STARTED = datetime.now(timezone.utc)",
        "import os; SALT = os.urandom(8)",
        "import secrets; SALT = secrets.token_bytes(8)",
        "import uuid; ME = uuid.uuid4()",
        "import random; PICK = random.randint(1, 6)",
        "import socket; S = socket.socket(); S.close()",
        "import socket; HOST = socket.gethostname()",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', ''])",
        "import sqlite3; DB = sqlite3.connect(':memory:')",
        "import time\nclass Defaults:\n    started = time.time()",
        "import time\ndef build(now=time.time()): ...",
    ],
)
def test_a_planted_call_at_import_is_seen(tmp_path: Path, line: str) -> None:
    package = tmp_path / "planted_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "module.py").write_text(line + "\n")
    modules, found = watch(tmp_path, "planted_package")
    assert modules == 2
    assert found
    assert all(entry.startswith("planted_package.module:") for entry in found)


def test_a_call_inside_a_function_is_fine(tmp_path: Path) -> None:
    package = tmp_path / "planted_package"
    package.mkdir()
    (package / "__init__.py").write_text("import time\n\n\ndef now() -> float:\n    return time.time()\n")
    assert watch(tmp_path, "planted_package") == (1, [])
