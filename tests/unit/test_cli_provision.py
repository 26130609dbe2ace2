"""``keygw vehicles provision`` and ``import`` against a real gateway, with the simulated vehicle's own program."""

from __future__ import annotations

import io
import json
import os
import random
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.cli import files
from keygw.cli.client import Gateway
from keygw.cli.exits import Exit
from keygw.cli.failure import Failure
from keygw.cli.vehicle_csv import COLUMNS
from keygw.crypto.signer import LocalSigner
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.ids import new_id
from keygw.store.instance import InstanceLock
from keygw_sim.vehicle import provisioning
from keygw_sim.vehicle.flash import Flash

if TYPE_CHECKING:
    from tests.unit.conftest import Run


def vehicles(run: Run) -> dict[str, str]:
    return {each["id"]: each["name"] for each in run("vehicles", "list", "--json").json["vehicles"]}


def made(count: int) -> list[dict[str, str]]:
    return [
        {
            "id": new_id("veh", os.urandom),
            "name": f"Van {number}",
            "public_key": encode_base64url(LocalSigner.generate().public_key),
            "advertising_key": encode_base64url(random.randbytes(16)),
        }
        for number in range(count)
    ]


def write(path: Path, rows: list[dict[str, str]]) -> str:
    path.write_text("\n".join([",".join(COLUMNS), *(",".join(row.values()) for row in rows)]) + "\n")
    return str(path)


# --- provision


def test_a_simulated_vehicle_is_made_recorded_and_told_whom_to_trust(run: Run, tmp_path: Path) -> None:
    car = tmp_path / "car"
    said = run("vehicles", "provision", "--state", str(car), "--name", "Aurora", "--json")
    assert said.code == 0, said.err
    assert (said.json["made"], said.json["written"]) == (True, True)
    assert vehicles(run)[said.json["vehicle"]["id"]] == "Aurora"
    record = car / "provisioning.json"
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    root = said.json["issuer"]
    assert root.keys() == {"issuer", "kid", "public_key", "sequence"}
    memory = Flash(car).load()
    assert memory is not None
    assert provisioning.take(car, memory), "and the vehicle takes it"
    (issuer,) = memory.issuers
    assert (issuer.issuer, issuer.kid, issuer.sequence) == (root["issuer"], decode_base64url(root["kid"]), 0)
    assert "PRIVATE KEY" not in said.out + record.read_text()


def test_again_is_a_success_that_changes_nothing(run: Run, tmp_path: Path) -> None:
    line = ["vehicles", "provision", "--state", str(tmp_path / "car"), "--json"]
    first = run(*line).json
    before = (tmp_path / "car/provisioning.json").stat()
    with InstanceLock(tmp_path / "car"):  # the car is running
        again = run(*line)
    assert again.code == 0, again.err
    assert again.json == {**first, "made": False, "written": False}
    assert (tmp_path / "car/provisioning.json").stat().st_ino == before.st_ino
    assert "keygw pair CODE" in run(*line[:-1]).err


@pytest.mark.parametrize("dies_in", ["post", "write"])
def test_a_crash_between_the_steps_is_healed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_in: str
) -> None:
    line = ["vehicles", "provision", "--state", str(tmp_path / "car"), "--json"]

    def die(*_: object) -> None:
        raise Failure(Exit.NO_GATEWAY, "died", "here", "run it again")

    with monkeypatch.context() as patch:
        if dies_in == "post":
            patch.setattr(Gateway, "post", die)
        else:
            patch.setattr(files, "write_json", die)
        assert run(*line).error["code"] == "died"
    memory = Flash(tmp_path / "car").load()
    assert memory is not None
    assert (memory.vehicle_id in vehicles(run)) == (dies_in == "write")
    assert not (tmp_path / "car/provisioning.json").exists()
    healed = run(*line).json
    assert (healed["vehicle"]["id"], healed["made"], healed["written"]) == (memory.vehicle_id, False, True)
    assert memory.vehicle_id in vehicles(run)


def test_a_conflict_leaves_nothing_behind(run: Run, tmp_path: Path, car: dict[str, str], owner: str) -> None:
    other = {**car, "name": "Another"}
    (tmp_path / "other.json").write_text(json.dumps(other))
    record = tmp_path / "record.json"
    said = run("vehicles", "provision", "--from", str(tmp_path / "other.json"), "--out", str(record), "--json")
    assert (said.code, said.error["code"]) == (Exit.CONFLICT, "vehicle_exists")
    assert not record.exists()
    assert vehicles(run)[car["id"]] == car["name"]


def test_a_record_for_a_flasher(run: Run, tmp_path: Path) -> None:
    (board,) = made(1)
    record = tmp_path / "record.json"
    line = ["vehicles", "provision", "--out", str(record), "--json"]
    line += [part for field, value in board.items() for part in (f"--{field.replace('_', '-')}", value)]
    said = run(*line)
    assert said.code == 0, said.err
    assert json.loads(record.read_text()) == {"v": 1, "vehicle_id": board["id"], "issuer": said.json["issuer"]}
    assert run(*line).json["written"] is False


def test_an_owner_that_waits_in_the_folder_is_kept(run: Run, tmp_path: Path) -> None:
    folder = str(tmp_path / "car")
    vehicle = run("vehicles", "provision", "--state", folder, "--json").json["vehicle"]
    record = tmp_path / "car/provisioning.json"
    owned = run("keys", "issue", vehicle["id"], "--json").json["provisioning"]
    record.write_text(json.dumps(owned))
    assert run("vehicles", "provision", "--state", folder).code == 0
    assert json.loads(record.read_text())["owner_thumbprint"] == owned["owner_thumbprint"]


@pytest.mark.parametrize(
    "there", ["{}", "nothing of ours", '{"v": 1, "vehicle_id": "?", "issuer": {"issuer": "urn:x"}}']
)
def test_what_is_of_somebody_else_stays(run: Run, tmp_path: Path, there: str) -> None:
    car = tmp_path / "car"
    car.mkdir()
    (car / "provisioning.json").write_text(there)
    before = vehicles(run)
    said = run("vehicles", "provision", "--state", str(car), "--json")
    assert (said.code, said.error["code"]) == (Exit.CONFLICT, "file_exists")
    assert (car / "provisioning.json").read_text() == there
    assert vehicles(run) == before, "it is not registered either"


def test_a_command_line_that_says_not_enough_or_too_much(run: Run, tmp_path: Path) -> None:
    assert run("vehicles", "provision", "--json").error["code"] == "no_vehicle"
    both = run("vehicles", "provision", "--state", str(tmp_path), "--out", str(tmp_path / "x"), "--json")
    assert (both.code, both.error["code"]) == (Exit.USAGE, "no_vehicle")
    assert run("vehicles", "provision", "--out", str(tmp_path / "x"), "--json").error["code"] == "incomplete_vehicle"


def test_a_vehicle_that_is_damaged(run: Run, tmp_path: Path) -> None:
    (tmp_path / "vehicle.json").write_text("{}")
    said = run("vehicles", "provision", "--state", str(tmp_path), "--json")
    assert (said.code, said.error["code"]) == (Exit.ENVIRONMENT, "vehicle_unusable")
    assert "vehicle.json" in said.error["detail"]


# --- import


def test_an_import_and_again(run: Run, tmp_path: Path) -> None:
    rows = made(250)
    file = write(tmp_path / "cars.csv", rows)
    assert run("vehicles", "import", file, "--check", "--json").json["created"] == 0
    said = run("vehicles", "import", file)
    assert (said.code, said.out) == (0, "rows\t250\ncreated\t250\nknown\t0\nconflict\t0\n")
    assert said.err == "250 of 250\n"
    assert vehicles(run).items() >= {row["id"]: row["name"] for row in rows}.items()
    again = run("vehicles", "import", file, "--json")
    assert again.err == ""
    assert again.json == {
        "rows": 250, "checked_only": False, "created": 0, "known": 250, "conflict": 0, "conflicts": [],
    }  # fmt: skip


def test_an_import_goes_on_where_it_broke_off(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = made(250)
    file = write(tmp_path / "cars.csv", rows)
    real, calls = Gateway.call, []

    def fails_third(self: Gateway, *arguments: object, **more: object) -> object:
        calls.append(arguments)
        if len(calls) == 3:
            raise Failure(Exit.NO_GATEWAY, "gateway_lost", "the connection broke off", "look")
        return real(self, *arguments, **more)  # type: ignore[arg-type]  # handed on as they came

    with monkeypatch.context() as patch:
        patch.setattr(Gateway, "call", fails_third)
        broken = run("vehicles", "import", file, "--json")
    assert (broken.code, broken.error["code"]) == (Exit.NO_GATEWAY, "gateway_lost")
    assert "200 of 250 rows are done" in broken.error["detail"]
    assert "goes on" in broken.error["next"]
    said = run("vehicles", "import", file, "--json").json
    assert (said["created"], said["known"]) == (50, 200)


def test_a_conflict_hinders_no_other(run: Run, tmp_path: Path, car: dict[str, str], owner: str) -> None:
    rows = [*made(2), {**car, "name": "Another"}]
    said = run("vehicles", "import", write(tmp_path / "cars.csv", rows), "--json")
    assert (said.code, said.json["created"]) == (Exit.CONFLICT, 2)
    assert said.json["conflicts"] == [{"line": 4, "id": car["id"]}]
    text = run("vehicles", "import", write(tmp_path / "cars.csv", rows))
    assert text.code == Exit.CONFLICT
    assert f"line 4: {car['id']}" in text.err


def test_a_faulty_file_sends_nothing(run: Run, tmp_path: Path) -> None:
    rows = made(2)
    bad = [*rows, *({**row, "id": "x"} for row in made(30))]
    said = run("vehicles", "import", write(tmp_path / "cars.csv", bad), "--json")
    assert (said.code, said.error["code"]) == (Exit.USAGE, "bad_csv")
    assert "line 4, id: " in said.error["detail"]
    assert said.error["detail"].endswith("; and 10 more")
    assert rows[0]["id"] not in vehicles(run)
    assert run("vehicles", "import", str(tmp_path / "none.csv"), "--json").error["code"] == "unreadable"


def test_stdin_and_a_terminal(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Path(write(tmp_path / "cars.csv", made(150))).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    monkeypatch.setattr("keygw.cli.output.fancy", lambda stream: stream is sys.stderr)
    said = run("vehicles", "import", "-")
    assert said.code == 0, said.err
    assert said.err == f"\r[{'#' * 20}{'.' * 10}] 100 of 150\r[{'#' * 30}] 150 of 150\n"
