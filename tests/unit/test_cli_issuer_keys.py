"""``keygw admin issuer-keys`` against a real gateway in a process of its own; keys in files and in a SoftHSM2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keygw.cli.exits import Exit

if TYPE_CHECKING:
    from tests.conftest import SoftHsm


class Said:
    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err)


class Place:
    """A data directory, and the environment in which everything runs."""

    def __init__(self, data: Path, **env: str) -> None:
        self.data = data
        clean = {name: value for name, value in os.environ.items() if not name.startswith("KEYGW_")}
        self.env = {**clean, "KEYGW_DATA": str(data), **env}

    def run(self, *arguments: str, **env: str) -> Said:
        command = [sys.executable, "-m", "keygw", "admin", "issuer-keys", *arguments]
        return Said(
            subprocess.run(command, env={**self.env, **env}, capture_output=True, text=True, check=False, timeout=60)
        )

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "keygw", "serve", "--radio", "none", "--port", "0", "--json", "--follow-stdin"]
        return subprocess.Popen(
            command, env=self.env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    @contextmanager
    def serving(self) -> Iterator[None]:
        process = self.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            self.env["KEYGW_URL"] = json.loads(line)["url"]
            yield
        finally:
            process.communicate(timeout=30)

    def refused(self) -> str:
        """Why it does not start."""
        out, err = self.start().communicate(timeout=30)
        assert out == ""
        return err


def states(place: Place) -> list[str]:
    return [each["state"] for each in place.run("list", "--json").json["keys"]]


def test_a_rotation_in_files_and_a_new_passphrase(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    with place.serving():
        first = place.run("show", "current", "--json").json
        assert place.run("prepare").code == 0
        again = place.run("prepare", "--json")
        assert (again.code, again.error["code"]) == (Exit.CONFLICT, "issuer_key_prepared")
        assert place.run("activate", "next", "--overlap", "30d", "--json").json["state"] == "current"
        assert states(place) == ["retiring", "current"]
        early = place.run("retire", "current", "--json")
        assert (early.code, early.error["code"]) == (Exit.CONFLICT, "issuer_key_current")
        assert place.run("passphrase", "--json", KEYGW_NEW_ISSUER_PASSPHRASE="a").error["code"] == "store_in_use"
        assert place.run("show", "nobody", "--json").code == Exit.NOT_FOUND
        listed = place.run("list").out.splitlines()
        assert listed[0] == "KID\tSTATE\tSIGNS SINCE\tCOUNTS UNTIL\tKEPT IN"
        assert listed[1].startswith(f"{first['kid']}\tretiring\t")
        current = place.run("show", "current", "--json").json

    assert place.run("passphrase", "--json").error["code"] == "no_passphrase"
    new = {"KEYGW_NEW_ISSUER_PASSPHRASE": "correct horse"}
    assert place.run("passphrase", "--json", **new).json == {"changed": ["issuer-2.pem", "issuer.pem"]}
    assert place.run("passphrase", "--json", **new).json == {"changed": []}
    assert "key_file_damaged" in place.refused()
    place.env["KEYGW_ISSUER_PASSPHRASE"] = "correct horse"
    with place.serving():
        assert place.run("show", "current", "--json").json == current
        assert place.run("retire", "--json", "--", first["kid"][:6]).json["state"] == "retired"
        assert states(place) == ["retired", "current"]
        prepared = place.run("prepare", "--json").json
    assert b"ENCRYPTED" in (place.data / prepared["signer"].removeprefix("file:")).read_bytes()


def test_a_gateway_moves_its_key_into_an_hsm_and_starts_from_there(tmp_path: Path, softhsm: SoftHsm) -> None:
    (pin := tmp_path / "pin").write_text(softhsm.pin + "\n")
    pin.chmod(0o600)
    place = Place(tmp_path / "data")
    with place.serving():
        assert place.run("prepare", "--place", "pkcs11:token=keygw;object=cli", "--json").error["code"] == (
            "hsm_module_missing"
        )
    place.env |= {"KEYGW_HSM_MODULE": str(softhsm.module), "KEYGW_HSM_PIN_FILE": str(pin)}
    with place.serving():
        made = place.run("prepare", "--place", "pkcs11:object=cli;token=keygw", "--json").json
        assert made["signer"] == "pkcs11:token=keygw;object=cli"
        place.run("activate", "next")
    with place.serving():
        assert place.run("show", "current", "--json").json["kid"] == made["kid"]
    pin.chmod(0o644)
    assert "secret_unreadable" in place.refused()
    pin.chmod(0o600)
    pin.write_text("wrong")
    said = place.refused()
    assert "hsm_pin_wrong" in said
    assert "wrong" not in said.replace("hsm_pin_wrong", "")


def test_a_gateway_that_begins_in_an_hsm_has_no_key_file(tmp_path: Path, softhsm: SoftHsm) -> None:
    place = Place(
        tmp_path / "data", KEYGW_HSM_MODULE=str(softhsm.module), KEYGW_HSM_PIN=softhsm.pin,
        KEYGW_ISSUER_KEYS="pkcs11:token=other;object=begun",
    )  # fmt: skip
    with place.serving():
        assert place.run("show", "current", "--json").json["signer"] == "pkcs11:token=other;object=begun"
        assert place.run("prepare", "--json").json["signer"] == "pkcs11:token=other;object=begun-2"
    assert list(place.data.glob("issuer*")) == []
    place.env["KEYGW_ISSUER_KEYS"] = "somewhere"
    assert "bad_signer" in place.refused()


@pytest.mark.parametrize("given", ["retired", "", "x"])
def test_a_name_that_fits_none_or_several_is_refused(tmp_path: Path, given: str) -> None:
    place = Place(tmp_path / "data")
    with place.serving():
        assert place.run("show", given, "--json").error["code"] == "unknown_issuer_key"
        if given == "retired":
            for _ in range(2):
                place.run("prepare")
                place.run("retire", "next")
            assert place.run("show", given, "--json").error["code"] == "ambiguous_issuer_key"
