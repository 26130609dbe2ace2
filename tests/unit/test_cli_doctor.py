"""``keygw doctor`` against real trouble: each fault is made, seen, named, and comes with its remedy."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keygw import __version__
from keygw.cli import checks_data, checks_gateway, checks_machine, checks_radio, checks_settings, doctor
from keygw.cli.diagnosis import Check, Verdict
from keygw.cli.exits import Exit
from keygw.cli.main import main
from keygw.store.schema import APPLICATION_ID, SCHEMA_VERSION
from keygw.store.store import open_store

posix = pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")


def is_ok(check: Check) -> None:
    assert (check.status, check.fix) == (Verdict.OK, ""), check


def fails(check: Check) -> Check:
    assert check.status is Verdict.FAIL, check
    assert check.fix, "a fault without a remedy"
    return check


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory as a first start leaves it (but for the issuer's key, made by hand)."""
    path = tmp_path / "data"

    async def start() -> None:
        await (await open_store(path)).close()

    asyncio.run(start())
    for name in ("issuer.pem", "operator.token"):
        (path / name).write_text("secret\n")
        (path / name).chmod(0o600)
    return path


def snapshot(path: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(each.relative_to(path)): (each.stat().st_mode, each.read_bytes() if each.is_file() else b"")
        for each in sorted(path.rglob("*"))
    }


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- the whole


def test_healthy(data: Path, free_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(data)
    line = ["doctor", "--data", str(data), "--radio", "none", "--url", f"http://127.0.0.1:{free_port}"]
    assert main([*line, "--json"]) == Exit.OK
    said = capsys.readouterr()
    assert said.err == ""
    report = json.loads(said.out)
    assert report["ok"] is True
    assert [check["name"] for check in report["checks"]] == [
        "python", "libraries", "simulators", "clock", "settings", "data directory", "key files", "database", "port",
        "radio", "radio: system", "radio: usb", "radio: serial", "radio: tcp-client", "radio: sim bluez",
        "radio: test-bluez", "gateway",
    ]  # fmt: skip
    verdicts = {check["name"]: check["status"] for check in report["checks"]}
    assert (verdicts["database"], verdicts["radio"], verdicts["gateway"]) == ("ok", "skipped", "warn")
    assert all(set(check) == {"name", "status", "seen", "fix"} for check in report["checks"])
    assert all(check["fix"] for check in report["checks"] if check["status"] in ("warn", "fail"))
    assert snapshot(data) == before, "a doctor changes nothing"
    assert main(line) == Exit.OK
    text = capsys.readouterr().out
    assert "Nothing is in the way." in text
    assert "fix: start one with: keygw serve" in text
    assert "\x1b" not in text
    assert main([*line, "--strict"]) == Exit.ENVIRONMENT


def test_a_fault_is_exit_3(tmp_path: Path, free_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").write_text("a file")
    line = ["doctor", "--data", str(tmp_path / "data"), "--radio", "none", "--url", f"http://127.0.0.1:{free_port}"]
    assert main([*line, "--json"]) == Exit.ENVIRONMENT
    assert json.loads(capsys.readouterr().out)["ok"] is False
    assert main(line) == Exit.ENVIRONMENT
    assert "Something is in the way" in capsys.readouterr().out


def test_before_the_first_start_nothing_is_made(
    tmp_path: Path, free_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "not" / "there"
    line = ["doctor", "--data", str(path), "--radio", "none", "--url", f"http://127.0.0.1:{free_port}", "--json"]
    assert main(line) == Exit.OK
    verdicts = {check["name"]: check["status"] for check in json.loads(capsys.readouterr().out)["checks"]}
    assert (verdicts["data directory"], verdicts["key files"], verdicts["database"]) == ("ok", "skipped", "skipped")
    assert list(tmp_path.iterdir()) == []


# --- the machine


def test_python() -> None:
    is_ok(checks_machine.python())
    assert "3.11" in fails(checks_machine.python((3, 10, 9))).fix


def test_libraries() -> None:
    is_ok(checks_machine.libraries(["typer>=0.1", "nothing-like-it; sys_platform == 'plan9'", "pytest; extra == 'x'"]))
    found = fails(checks_machine.libraries(["typer>=0.1", "no-such-library-anywhere>=2", "another.one-missing==1"]))
    assert found.seen == "missing: no-such-library-anywhere, another.one-missing"


def test_clock() -> None:
    is_ok(checks_machine.clock())
    fails(checks_machine.clock(datetime(1970, 1, 1, tzinfo=UTC)))


def test_port(free_port: int) -> None:
    is_ok(checks_machine.port("127.0.0.1", free_port, ours=False))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        number = taken.getsockname()[1]
        assert "--port" in fails(checks_machine.port("127.0.0.1", number, ours=False)).fix
        is_ok(checks_machine.port("127.0.0.1", number, ours=True))


# --- the data directory


def test_the_data_directory(data: Path, tmp_path: Path) -> None:
    is_ok(checks_data.directory(data))
    (tmp_path / "file").write_text("")
    fails(checks_data.directory(tmp_path / "file"))
    fails(checks_data.directory(tmp_path / "file" / "below"))
    is_ok(checks_data.directory(tmp_path / "new" / "one"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_data_directory_that_is_not_ours(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert "KEYGW_DATA" in fails(checks_data.directory(tmp_path)).fix
        fails(checks_data.directory(tmp_path / "new"))
    finally:
        tmp_path.chmod(0o700)


@posix
def test_a_data_directory_that_others_share(data: Path) -> None:
    data.chmod(0o755)
    assert checks_data.directory(data).status is Verdict.WARN
    data.chmod(0o777)
    assert fails(checks_data.directory(data)).fix == f"chmod 700 {data}"


@posix
@pytest.mark.parametrize("name", ["issuer.pem", "vault.key", "operator.token", "keygw.db"])
def test_a_secret_that_others_can_read(data: Path, name: str) -> None:
    is_ok(checks_data.secrets(data))
    (data / name).chmod(0o640)
    check = fails(checks_data.secrets(data))
    assert check.seen == f"others can read: {name}"
    assert f"chmod 600 {data / name}" in check.fix


@pytest.mark.parametrize("name", ["issuer.pem", "vault.key"])
def test_a_key_file_that_is_lost(data: Path, name: str) -> None:
    (data / name).unlink()
    assert name in fails(checks_data.secrets(data)).seen


# --- the database


def test_the_database(data: Path) -> None:
    check = checks_data.database(data, running=False)
    is_ok(check)
    assert check.seen.endswith(f"schema {SCHEMA_VERSION}")


def test_a_database_that_another_process_holds(data: Path) -> None:
    hold = (
        "import sqlite3, sys\n"
        "held = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "held.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.read()\n"
    )
    line = [sys.executable, "-c", hold, str(data / "keygw.db")]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        check = fails(checks_data.database(data, running=False))
        assert "locked by another process" in check.seen
        is_ok(checks_data.database(data, running=True))
        other.communicate("")
    is_ok(checks_data.database(data, running=False))


@pytest.mark.parametrize(
    ("pragmas", "said"),
    [
        ([f"user_version = {SCHEMA_VERSION + 1}"], "newer release"),
        (["application_id = 1", "user_version = 3"], "another program"),
    ],
)
def test_a_database_that_is_not_for_us(data: Path, pragmas: list[str], said: str) -> None:
    file = data / "keygw.db"
    with closing(sqlite3.connect(file)) as connection:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
    before = file.read_bytes()
    assert said in fails(checks_data.database(data, running=False)).seen
    assert file.read_bytes() == before


def test_a_file_that_is_no_database(data: Path) -> None:
    (data / "keygw.db").write_bytes(b"hello" * 100)
    assert "not a database" in fails(checks_data.database(data, running=False)).seen


def test_a_damaged_database(data: Path) -> None:
    file = data / "keygw.db"
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    fails(checks_data.database(data, running=False))


def test_an_older_database_is_left_as_it_is(data: Path) -> None:
    file = data / "keygw.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 0")
    before = file.read_bytes()
    is_ok(checks_data.database(data, running=False))
    assert file.read_bytes() == before
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


# --- the radio


@pytest.fixture(scope="module")
def virtual_radio() -> Iterator[list[str]]:
    line = [sys.executable, "-m", "keygw_sim.radio", "--follow-stdin", "--controllers", "1"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["transports"]
        process.communicate("")


def test_a_radio_that_works(virtual_radio: list[str]) -> None:
    check = checks_radio.radio(virtual_radio[0], running=False)
    is_ok(check)
    assert "heard 0 vehicles" in check.seen


def test_a_radio_that_is_not_there(free_port: int) -> None:
    check = fails(checks_radio.radio(f"tcp-client:127.0.0.1:{free_port}", running=False))
    assert "keygw sim radio" in check.fix


@pytest.mark.parametrize("spec", ["", "nonsense", "nonsense:1", "tcp-client:", "serial:/dev/there-is-none"])
def test_a_radio_that_makes_no_sense(spec: str) -> None:
    fails(checks_radio.radio(spec, running=False))


def test_a_radio_that_is_left_alone(virtual_radio: list[str]) -> None:
    assert checks_radio.radio("none", running=False).status is Verdict.SKIPPED
    assert checks_radio.radio(virtual_radio[0], running=True).status is Verdict.SKIPPED


# --- the gateway

GOOD = {"status": "ok", "version": "0.1.0", "time": "2026-11-22T12:00:00.000Z"}


def agrees(**changes: Any) -> Check:
    now = datetime.now(UTC).isoformat()
    return checks_gateway._agrees("http://gw", {"version": __version__, "time": now, **changes})


def test_what_the_gateway_says_of_itself() -> None:
    is_ok(agrees())
    assert agrees(version="9.9").status is Verdict.WARN
    off = agrees(time=GOOD["time"].replace("2026", "2020"))
    assert off.status is Verdict.WARN
    assert "clock" in off.seen


def test_no_gateway_is_no_fault(free_port: int) -> None:
    check, running = checks_gateway.gateway(f"http://127.0.0.1:{free_port}", local=True)
    assert (check.status, running) == (Verdict.WARN, False)
    assert check.fix == "start one with: keygw serve"


@pytest.mark.parametrize("emptied", [False, True])
def test_a_database_that_is_lost_is_not_one_that_is_yet_to_come(data: Path, emptied: bool) -> None:
    for path in data.glob("keygw.db*"):
        path.unlink()
    if emptied:
        (data / "keygw.db").touch(0o600)
    check = fails(checks_data.database(data, running=False))
    assert "database_missing" in check.seen
    assert "restore it" in check.fix


def test_settings_that_cannot_be_used_are_a_fault(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks_settings.found(data)[0].status is Verdict.OK
    monkeypatch.setenv("KEYGW_PROT", "1")
    assert checks_settings.found(data)[0].status is Verdict.WARN
    (data / "keygw.toml").write_text("prot = 1")
    assert "unknown_setting" in fails(checks_settings.found(data)[0]).seen


def test_no_file_is_missed_where_the_database_is_a_server(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "keygw.db").unlink()
    monkeypatch.setenv("KEYGW_DATABASE", "postgresql://127.0.0.1/keygw")
    checks = {check.name: check for check in doctor.examine(data, "none", "http://127.0.0.1:1")}
    assert checks["database"].status is Verdict.SKIPPED
    assert "PostgreSQL" in checks["database"].seen


def test_the_file_of_a_retired_issuer_key_may_be_gone_and_every_other_is_looked_at(tmp_path: Path) -> None:
    for name in ("issuer-2.pem", "vault.key", "keygw.db"):
        (tmp_path / name).touch(0o600)
    assert checks_data.secrets(tmp_path).status is Verdict.OK
    (tmp_path / "issuer-2.pem").chmod(0o644)
    assert "issuer-2.pem" in checks_data.secrets(tmp_path).seen
    assert checks_data.secrets(tmp_path).status is Verdict.FAIL
    (tmp_path / "issuer-2.pem").unlink()
    assert "issuer.pem" in checks_data.secrets(tmp_path).seen
