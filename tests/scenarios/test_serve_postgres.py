"""``keygw serve`` on PostgreSQL: the same gateway, whose data outlive it, and whose password nobody reads."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keygw.cli.main import main
from keygw.crypto.signer import LocalSigner
from keygw.model.ids import new_id
from postgres_server import PORT, PostgresServer

PASSWORD = "hunter2-hunter2"


def words(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@contextmanager
def serving(data: Path, database: str) -> Iterator[dict[str, Any]]:
    line = [sys.executable, "-m", "keygw", "serve", "--radio", "none", "--port", "0", "--json", "--data", str(data)]
    environment = {**os.environ, "KEYGW_DATABASE": database}
    with subprocess.Popen(
        [*line, "--follow-stdin", "--log-level", "debug"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(data.parent / "log").open("ab"),
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        ready = process.stdout.readline()
        assert ready, (data.parent / "log").read_text()
        yield json.loads(ready)
        process.stdin.close()
        assert process.wait(20) == 0


def test_keys_are_kept_across_a_restart_and_the_password_is_told_to_nobody(
    new_database: Callable[[], str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = new_database().replace("keygw@", f"keygw:{PASSWORD}@")
    data = tmp_path / "data"
    car = {
        "id": new_id("veh", os.urandom),
        "name": "Blue van",
        "public_key": words(LocalSigner.generate().public_key),
        "advertising_key": words(bytes(range(16))),
    }
    (tmp_path / "car.json").write_text(json.dumps({"ready": True, "vehicle": car}) + "\n")

    def run(url: str, *arguments: str) -> Any:
        monkeypatch.setenv("KEYGW_URL", url)
        monkeypatch.setenv("KEYGW_DATA", str(data))
        assert main(list(arguments)) == 0
        return json.loads(capsys.readouterr().out)

    with serving(data, database) as ready:
        run(ready["url"], "vehicles", "add", "--from", str(tmp_path / "car.json"), "--json")
        key = run(ready["url"], "keys", "issue", car["id"], "--json")
    assert not (data / "keygw.db").exists()
    with serving(data, database) as ready:
        assert run(ready["url"], "keys", "show", key["id"], "--json")["id"] == key["id"]
    log = (tmp_path / "log").read_text()
    assert PASSWORD not in log


def test_a_password_on_the_command_line_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for url in (f"postgresql://me:{PASSWORD}@db/keys", f"postgresql://db/keys?password={PASSWORD}"):
        assert main(["serve", "--database", url]) == 2
        said = capsys.readouterr()
        assert "secret_on_command_line" in said.err
        assert PASSWORD not in said.err + said.out


def test_a_database_that_cannot_be_reached(tmp_path: Path) -> None:
    url = f"postgresql://me:{PASSWORD}@/keys?host={tmp_path}&port={PORT}"
    line = [sys.executable, "-m", "keygw", "serve", "--radio", "none", "--port", "0", "--data", str(tmp_path / "data")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, "KEYGW_DATABASE": url})
    assert done.returncode == 3
    assert "store_busy" in done.stderr
    assert PASSWORD not in done.stderr + done.stdout


def test_a_lost_data_directory_is_noticed(
    postgres: PostgresServer, new_database: Callable[[], str], tmp_path: Path
) -> None:
    """The database knows keys that an issuer signed whose key is not here: nothing new is made in its place."""
    database = new_database()
    with serving(tmp_path / "data", database):
        pass
    name = database.split("@/")[1].split("?")[0]
    postgres.sql("INSERT INTO hosted_keys VALUES ('dev_a', '', '')", name)
    environment = {**os.environ, "KEYGW_DATABASE": database}
    line = [sys.executable, "-m", "keygw", "serve", "--radio", "none", "--port", "0", "--data", str(tmp_path / "new")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, "key_file_missing" in done.stderr) == (3, True), done.stderr
