"""A real gateway in a process of its own, which has no radio, and the command line against it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from keygw.cli.main import main
from keygw.crypto.signer import LocalSigner
from keygw.model.ids import new_id
from served import serving


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        assert self.out == "", "an error leaves stdout empty"
        return json.loads(self.err)


Run = Callable[..., Said]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """``keygw serve`` on a free port; what it said when it was ready."""
    with serving(tmp_path_factory.mktemp("gateway") / "data") as ready:
        yield ready


@pytest.fixture
def run(gateway: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """One command line against the gateway, as its operator."""
    for name in [name for name in os.environ if name.startswith("KEYGW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KEYGW_URL", gateway["url"])
    monkeypatch.setenv("KEYGW_DATA", gateway["data"])

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = main(list(arguments))
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


@pytest.fixture(scope="module")
def car(gateway: dict[str, str]) -> dict[str, str]:
    """The identity of a car that nobody can reach."""
    return {
        "id": new_id("veh", os.urandom),
        "name": "Blue van",
        "public_key": base64url(LocalSigner.generate().public_key),
        "advertising_key": base64url(bytes(range(16))),
    }


@pytest.fixture
def owner(run: Run, car: dict[str, str], tmp_path: Path) -> str:
    """The id of a fresh owner key of that car."""
    (tmp_path / "car.json").write_text(json.dumps({"ready": True, "vehicle": car}) + "\n")
    assert run("vehicles", "add", "--from", str(tmp_path / "car.json")).code == 0
    said = run("keys", "issue", car["id"], "--json")
    assert said.code == 0, said.err
    return str(said.json["id"])


@pytest.fixture
def friend(run: Run, owner: str) -> str:
    point = LocalSigner.generate().public_key.hex()
    line = ["keys", "share", owner, "--public-key", point, "--profile", "access", "--for", "2h", "--json"]
    said = run(*line)
    assert said.code == 0, said.err
    return str(said.json["id"])


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
