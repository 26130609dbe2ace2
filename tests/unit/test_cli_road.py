"""The whole road by hand: a simulated car on a virtual radio, a gateway, and nothing but ``keygw`` commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from keygw.cli.exits import Exit
from keygw.cli.main import main
from keygw.crypto.signer import LocalSigner


def start(stack: ExitStack, *arguments: str) -> tuple[dict[str, Any], subprocess.Popen[str]]:
    """A process that says when it is ready and ends with its stdin; what it said, and itself."""
    line = [sys.executable, "-m", *arguments, "--follow-stdin"]
    process = stack.enter_context(subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    assert process.stdin is not None
    assert process.stdout is not None
    stack.callback(process.wait, 20)
    stack.callback(process.stdin.close)
    ready: dict[str, Any] = json.loads(process.stdout.readline())
    return ready, process


class Car(NamedTuple):
    """A car in reach of a gateway that the commands will find."""

    folder: Path
    process: subprocess.Popen[str]

    def shows(self) -> str:
        """Somebody in the car opens pairing mode and reads the code out."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write('{"do": "pair"}\n')
        self.process.stdin.flush()
        for line in self.process.stdout:
            said = json.loads(line)
            if said.get("event") == "pairing_code":
                return str(said["code"])
        raise AssertionError("the car shows no code")


@pytest.fixture
def car(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Car]:
    with ExitStack() as stack:
        folder, data = tmp_path / "car", tmp_path / "data"
        ready, process = start(stack, "keygw_sim.vehicle", "--state", str(folder), "--name", "Blue van", "--port", "0")
        (tmp_path / "ready.json").write_text(json.dumps(ready))
        radio = ready["free_transports"][0]
        serve = ["serve", "--data", str(data), "--port", "0", "--radio", radio, "--json"]
        monkeypatch.setenv("KEYGW_URL", start(stack, "keygw", *serve)[0]["url"])
        monkeypatch.setenv("KEYGW_DATA", str(data))
        monkeypatch.delenv("KEYGW_TOKEN", raising=False)
        yield Car(folder, process)


def test_from_nothing_to_a_dead_key(car: Car, capsys: pytest.CaptureFixture[str]) -> None:
    def keygw(*arguments: str) -> Any:
        capsys.readouterr()
        assert main([*arguments, "--json"]) == Exit.OK, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    factory = str(car.folder / "provisioning.json")
    keygw("vehicles", "add", "--from", str(car.folder.parent / "ready.json"), "--provisioning", factory)
    assert keygw("pair", car.shows())["state"] == "done"

    unlocked = keygw("command", "blue van", "unlock")
    assert (unlocked["state"], unlocked["receipt"]["outcome"]) == ("confirmed", "done")
    assert keygw("vehicles", "show", "blue van")["link"]["state"] == "authenticated"
    lock = "Vehicle.Private.KeyGW.CentralLock.IsLocked"
    signals = keygw("status", "blue van", "--path", lock)["signals"]
    assert [(each["value"], each["quality"]) for each in signals] == [(False, "live")]

    (owner,) = keygw("keys", "list")["keys"]
    friend = LocalSigner.generate().public_key.hex()
    share = ["keys", "share", owner["id"], "--public-key", friend, "--profile", "access", "--for", "2h"]
    shared = keygw(*share, "--label", "Friend")
    assert keygw("keys", "suspend", "friend", "--wait", "10")["state"] == "suspended"
    assert keygw("keys", "resume", "friend", "--wait", "10")["state"] == "active"
    revoked = keygw("keys", "revoke", "friend", "--wait", "10")
    assert (revoked["id"], revoked["state"]) == (shared["id"], "revoked")
    assert revoked["list"] == {"current": 4, "acknowledged": 4}, "the first came with the key"

    capsys.readouterr()
    assert main(["command", "blue van", "lock"]) == Exit.OK
    said = capsys.readouterr().out
    assert said.startswith("lock: confirmed in ")
    assert "bytes on the air" in said
