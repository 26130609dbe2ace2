"""The contracts in pyproject.toml hold on this tree, and each of them bites: a planted violation breaks it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class Report:
    """What import-linter said: its exit code and the names of the contracts by outcome."""

    code: int
    kept: frozenset[str]
    broken: frozenset[str]
    text: str


def lint(tree: Path) -> Report:
    """Run every contract of ``tree/pyproject.toml`` on the packages in that tree, and on no installed copy of them."""
    path = os.pathsep.join(str(tree / folder) for folder in ("src", "simulators"))
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    text = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout) + done.stderr
    verdicts = dict(re.findall(r"^(Law \d: .+?)\s+(KEPT|BROKEN)\b", text, flags=re.MULTILINE))
    return Report(
        code=done.returncode,
        kept=frozenset(name for name, verdict in verdicts.items() if verdict == "KEPT"),
        broken=frozenset(name for name, verdict in verdicts.items() if verdict == "BROKEN"),
        text=text,
    )


@pytest.fixture
def copy(repository: Path, tmp_path: Path) -> Path:
    """The two packages and the contracts, in a place where violations may be planted."""
    for package in ("src/keygw", "simulators/keygw_sim"):
        shutil.copytree(
            repository / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "vendor")
        )
    shutil.copy(repository / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_tree_keeps_every_law(repository: Path) -> None:
    report = lint(repository)
    assert report.code == 0, report.text
    assert {name.partition(":")[0] for name in report.kept} == {"Law 1", "Law 2", "Law 3", "Law 4"}
    assert not report.broken


LAYERS = "Law 1: layers, and every package has its floor"
SANS_IO = "Law 2: model, crypto, token, wire and session are sans-IO"
CRYPTOGRAPHY = "Law 3: only crypto imports cryptography and cbor2"
JWT = "Law 3: only token imports jwt"
SQL = "Law 3: only store imports aiosqlite, sqlite3, asyncpg, alembic and sqlalchemy"
HTTP = "Law 3: only api imports fastapi, starlette and sse_starlette"
HTTPX = "Law 3: in src, only client, cli and outbound import httpx"
TELEMETRY = "Law 3: only telemetry imports prometheus_client and opentelemetry"
RADIO = "Law 3: in src, only ble imports bleak and bumble"
COMMAND_LINE = "Law 3: only cli imports typer"
SIMULATORS = "Law 4: keygw never imports keygw_sim"


@pytest.mark.parametrize(
    ("where", "line", "law"),
    [
        pytest.param("src/keygw/model/planted.py", "import keygw.crypto", LAYERS, id="upwards"),
        pytest.param("src/keygw/bridge/planted.py", "import keygw.store", LAYERS, id="domain-to-adapter"),
        pytest.param("src/keygw/api/planted.py", "import keygw.store", LAYERS, id="sideways"),
        pytest.param("src/keygw/vehicle/planted.py", "import keygw.credentials", LAYERS, id="sideways-in-the-middle"),
        pytest.param("src/keygw/app/planted.py", "import keygw.cli", LAYERS, id="app-knows-cli"),
        pytest.param("src/keygw/attic/__init__.py", "", LAYERS, id="package-without-a-floor"),
        pytest.param("src/keygw/model/planted.py", "import time", SANS_IO, id="clock-in-model"),
        pytest.param("src/keygw/crypto/planted.py", "import asyncio", SANS_IO, id="loop-in-crypto"),
        pytest.param("src/keygw/token/planted.py", "import socket", SANS_IO, id="socket-in-token"),
        pytest.param("src/keygw/wire/planted.py", "import pydantic", SANS_IO, id="pydantic-in-wire"),
        pytest.param("src/keygw/session/planted.py", "from asyncio import sleep", SANS_IO, id="loop-in-session"),
        pytest.param("src/keygw/session/planted.py", "import sqlite3", SANS_IO, id="sqlite-in-session"),
        pytest.param("src/keygw/session/planted.py", "import bleak", SANS_IO, id="bleak-in-session"),
        pytest.param("src/keygw/session/planted.py", "import fastapi", SANS_IO, id="fastapi-in-session"),
        pytest.param("src/keygw/wire/planted.py", "import cbor2", CRYPTOGRAPHY, id="cbor2-in-wire"),
        pytest.param("src/keygw/store/planted.py", "import cryptography.fernet", CRYPTOGRAPHY, id="fernet-in-store"),
        pytest.param("src/keygw/api/planted.py", "import jwt", JWT, id="jwt-in-api"),
        pytest.param("src/keygw/credentials/planted.py", "import aiosqlite", SQL, id="aiosqlite-in-credentials"),
        pytest.param("src/keygw/app/planted.py", "import alembic.command", SQL, id="alembic-in-app"),
        pytest.param("src/keygw/bridge/planted.py", "import fastapi", HTTP, id="fastapi-in-bridge"),
        pytest.param("src/keygw/app/planted.py", "import starlette.types", HTTP, id="starlette-in-app"),
        pytest.param("src/keygw/app/planted.py", "import prometheus_client", TELEMETRY, id="prometheus-in-app"),
        pytest.param("src/keygw/api/planted.py", "from opentelemetry import trace", TELEMETRY, id="traces-in-api"),
        pytest.param("src/keygw/api/planted.py", "import keygw.telemetry", LAYERS, id="api-knows-telemetry"),
        pytest.param("src/keygw/bridge/planted.py", "import httpx", HTTPX, id="httpx-in-bridge"),
        pytest.param("src/keygw/api/planted.py", "import keygw.outbound.sender", LAYERS, id="api-knows-outbound"),
        pytest.param("src/keygw/vehicle/planted.py", "import bleak", RADIO, id="bleak-in-vehicle"),
        pytest.param("src/keygw/app/planted.py", "import bumble.device", RADIO, id="bumble-in-app"),
        pytest.param("simulators/keygw_sim/planted.py", "import typer", COMMAND_LINE, id="typer-in-simulators"),
        pytest.param("src/keygw/cli/planted.py", "import keygw_sim", SIMULATORS, id="cli-imports-simulators"),
    ],
)
def test_a_planted_violation_breaks_its_law(copy: Path, where: str, line: str, law: str) -> None:
    planted = copy / where
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f"def use() -> None:\n    {line or 'pass'}\n")
    report = lint(copy)
    assert report.code == 1, report.text
    assert law in report.broken, report.text
