"""``keygw serve`` where its surroundings are not as they should be: one clear line on stderr, exit code 3."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest


def command(data: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "keygw", "serve", "--data", str(data), "--radio", "none", "--port", "0", *more]


def refused(data: Path, *more: str) -> str:
    """What it says on stderr when it does not start."""
    ran = subprocess.run(command(data, *more), capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode == 3, ran.stderr
    assert ran.stdout == ""
    assert "Traceback" not in ran.stderr
    assert ran.stderr.count("\n") == 1
    return ran.stderr


@contextmanager
def serving(data: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A gateway that is up, and its URL."""
    with subprocess.Popen(
        command(data, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that a gateway has used and left."""
    folder = tmp_path_factory.mktemp("serve") / "data"
    with serving(folder) as (process, url):
        assert httpx.get(f"{url}/health").status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    return folder


def test_nothing_secret_is_readable_by_others(data: Path) -> None:
    for path in (data, *data.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path.name


def test_a_taken_port(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "port_taken" in refused(data, "--port", str(taken.getsockname()[1]))


def test_a_data_directory_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "store_unavailable" in refused(tmp_path / "file" / "data")


def test_a_database_that_another_process_holds(data: Path) -> None:
    holder = sqlite3.connect(data / "keygw.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        assert "store_busy" in refused(data)
    finally:
        holder.close()


def test_a_database_of_a_newer_release(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, _):
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    with sqlite3.connect(tmp_path / "keygw.db") as database:
        database.execute("PRAGMA user_version = 999")
    assert "store_too_new" in refused(tmp_path)


def test_a_second_gateway_on_the_same_data(data: Path) -> None:
    with serving(data):
        assert "store_in_use" in refused(data)


def test_an_issuer_key_that_others_may_read(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, _):
        process.send_signal(signal.SIGTERM)
        process.wait(10)
    (tmp_path / "issuer.pem").chmod(0o644)
    assert "key_file_exposed" in refused(tmp_path)


@pytest.mark.parametrize("emptied", [False, True])
def test_a_lost_database_is_not_replaced_in_silence(data: Path, tmp_path: Path, emptied: bool) -> None:
    lost = tmp_path / "data"
    shutil.copytree(data, lost)
    for path in lost.glob("keygw.db*"):
        path.unlink()
    if emptied:
        (lost / "keygw.db").touch(0o600)
    for _ in range(2):
        told = refused(lost)
        assert "database_missing" in told
        assert "restore the database" in told
    assert [path.stat().st_size for path in lost.glob("keygw.db*")] == ([0] if emptied else [])
    for name in ("issuer.pem", "vault.key"):
        (lost / name).rename(tmp_path / name)
    with serving(lost) as (_, url):
        assert httpx.get(f"{url}/health").status_code == 200


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", "kgw_\u00e9".encode()])
def test_a_damaged_operator_token(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "operator.token"
    path.touch(0o600)
    path.write_bytes(content)
    told = refused(tmp_path)
    assert "key_file_damaged" in told
    assert "delete it" in told
    assert path.read_bytes() == content


@pytest.mark.skipif(os.name != "posix", reason="closed and full files are made with a POSIX shell")
@pytest.mark.parametrize("how", [">&-", ">/dev/full", ">&- <&-"])
def test_a_stdout_that_takes_nothing(tmp_path: Path, how: str) -> None:
    if "full" in how and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    ran = subprocess.run(
        ["sh", "-c", f'exec "$@" {how}', "sh", *command(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ran.returncode == 3, ran.stderr
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert "stdout_unwritable" in ran.stderr


def test_the_issuer_key_is_never_printed(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, url):
        httpx.get(f"{url}/openapi.json")
        secret = (tmp_path / "issuer.pem").read_text().splitlines()[1]
        operator = (tmp_path / "operator.token").read_text().strip()
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert process.stderr is not None
        told = process.stdout.read() + process.stderr.read()
    assert secret not in told
    assert operator not in told
