"""A real conversation over the virtual radio, written by both hosts: our reader and tshark see the same in it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import Require

from keygw.ble.trace.btsnoop import Writer
from keygw.ble.trace.capture import packets
from keygw.ble.trace.watcher import Watcher
from keygw.session.trace import KeyLog, Record
from recorded import Recorded, record


@pytest.fixture(params=[23, 517])
async def recorded(request: pytest.FixtureRequest, tmp_path: Path) -> Recorded:
    return await record(tmp_path, mtu=request.param)


def told(path: Path, keys: KeyLog | None = None) -> list[Record]:
    watcher = Watcher(keys)
    with path.open("rb") as file:
        return [each for packet in packets(file) for each in watcher.take(packet)]


def messages(records: list[Record]) -> list[str]:
    return [each.message.name for each in records if each.message is not None]


async def test_both_hosts_tell_the_same_story(recorded: Recorded) -> None:
    by_phone, by_car = told(recorded.phone), told(recorded.car)
    assert messages(by_phone) == messages(by_car)
    assert messages(by_phone)[:5] == ["HELLO", "MESSAGE_1", "MESSAGE_2", "MESSAGE_3", "RESULT"]
    assert messages(by_phone).count("HELLO") == 2
    for records in (by_phone, by_car):
        assert [each.verdict for each in records if each.verdict.word == "breach"] == []
        kinds = [each.kind for each in records if each.kind not in ("frame", "mtu", "mapped")]
        assert kinds == ["connected", "subscribed", "info", "disconnected"] * 2
        assert [each.state for each in records if each.message and each.message.name == "RESULT"] == ["open", "open"]


async def test_the_cars_key_log_opens_all_of_it(recorded: Recorded) -> None:
    records = told(recorded.phone, KeyLog("\n".join(recorded.keys)))
    sealed = [each for each in records if each.message is not None and not each.message.opened]
    assert sealed == []
    assert {each.verdict.word for each in records} <= {"ok", "part", "refused"}
    actions = [
        each.shown(False)
        for record in records
        if record.message is not None
        for each in record.message.fields
        if each.name == "action"
    ]
    assert actions == ["unlock", "lock", "unlock", "lock"]
    assert "redacted" in json.dumps([each.to_json() for each in records])


def tshark(require: Require, path: Path, filter_: str) -> list[list[str]]:
    program = shutil.which("tshark")
    require("tshark", program is not None, "apt-get install tshark")
    assert program is not None
    line = [program, "-r", str(path), "-Y", filter_, "-T", "fields", "-e", "btatt.handle", "-e", "btatt.value"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    return [row.split("\t") for row in done.stdout.splitlines()]


@pytest.mark.parametrize("mtu", [23, 517])
async def test_tshark_sees_our_writes_and_notifications(tmp_path: Path, require: Require, mtu: int) -> None:
    made = await record(tmp_path, mtu=mtu)
    again = tmp_path / "again.btsnoop"
    with made.phone.open("rb") as file, again.open("wb") as output:
        writer = Writer(output)
        for packet in packets(file):
            writer.write(packet)
    frames = [each for each in told(again) if each.kind == "frame"]
    for by, filter_ in (("device", "btatt.opcode in {0x12, 0x52}"), ("vehicle", "btatt.opcode == 0x1b")):
        ours = [each for each in frames if each.by == by]
        assert ours
        seen = [row for row in tshark(require, again, filter_) if int(row[0], 16) == (ours[0].frame or {})["handle"]]
        assert [row[1].replace(":", "") for row in seen] == [each.raw.hex() for each in ours]
