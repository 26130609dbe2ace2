"""``keygw trace``: what it tells of a recorded morning, in text and JSON, and what it refuses."""

from __future__ import annotations

import asyncio
import io
import json
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keygw.ble.air import BleAir
from keygw.ble.trace.btsnoop import Writer
from keygw.ble.trace.capture import packets
from keygw.ble.trace.live import Between
from keygw.ble.trace.packet import Packet
from keygw.ble.trace.rig import KeyLogFile, KeyLogNotWritable, KeyLogReader
from keygw.ble.trace.tap import TraceFile, TraceFileError, tapped
from keygw.ble.trace.watcher import Watcher
from keygw.model.errors import LinkError
from keygw_fuzz.of_trace import TRAFFIC, air, btsnoop_of, pcapng_of
from keygw_sim.garage import Garage
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.runner import VehicleOnAir
from recorded import Recorded, record

if TYPE_CHECKING:
    from tests.unit.conftest import Run


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return asyncio.run(record(tmp_path_factory.mktemp("recorded"), visits=1))


@pytest.fixture
def keys(recorded: Recorded, tmp_path: Path) -> Path:
    path = tmp_path / "keys.log"
    log = KeyLogFile(path)
    for line in recorded.keys:
        log(line)
    log.close()
    return path


def lines(said: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.out.splitlines()]


def test_it_tells_a_capture_in_text(run: Run, recorded: Recorded) -> None:
    said = run("trace", str(recorded.phone))
    assert said.code == 0
    assert re.search(r"V>D  HELLO 54 bytes in 1  greeted  ok  \[key_session#messages\]", said.out)
    assert "no key log opens this session  [key_session#keys-of-the-channel]" in said.out
    assert re.search(r"\n +2  n_v +[0-9a-f]{32}\n", said.out)
    assert "\x1b" not in said.out
    brief = run("trace", str(recorded.phone), "--brief").out.splitlines()
    assert len(brief) == len(lines(run("trace", str(recorded.phone), "--json")))


def test_json_has_one_record_a_line_and_filters_choose(run: Run, recorded: Recorded) -> None:
    every = lines(run("trace", str(recorded.phone), "--json"))
    assert set(every[0]) == {"n", "at", "link", "kind", "by", "raw", "frame", "message", "fields", "state", "verdict"}
    by_device = lines(run("trace", str(recorded.phone), "--json", "--by", "device"))
    assert by_device == [each for each in every if each["by"] == "device"]
    sealed = lines(run("trace", str(recorded.phone), "--json", "--verdict", "sealed", "--message", "RESULT"))
    assert [each["message"]["name"] for each in sealed] == ["RESULT"]
    assert lines(run("trace", str(recorded.phone), "--json", "--link", "nonsense")) == []
    assert lines(run("trace", str(recorded.phone), "--json", "--count", "3")) == every[:3]


def test_a_key_log_opens_and_redacts(run: Run, recorded: Recorded, keys: Path) -> None:
    said = run("trace", str(recorded.phone), "--json", "--key-log", str(keys))
    assert "keep this output to yourself" in said.err
    (shown,) = [each for each in lines(said) if each["message"] and each["message"]["name"] == "MESSAGE_3"]
    values = {each["name"]: each["value"] for each in shown["message"]["fields"]}
    assert values["id_cred_i"].startswith("redacted, 2")
    assert values["action"] == "unlock"
    all_of_it = run("trace", str(recorded.phone), "--json", "--key-log", str(keys), "--show-secrets")
    assert "redacted" not in all_of_it.out


def test_a_key_log_that_others_can_read_is_refused(run: Run, recorded: Recorded, keys: Path) -> None:
    keys.chmod(0o644)
    said = run("trace", str(recorded.phone), "--key-log", str(keys))
    assert (said.code, "key_log_unreadable" in said.err) == (2, True)
    with pytest.raises(KeyLogNotWritable):
        KeyLogFile(keys)
    keys.chmod(0o600)
    keys.write_text("HANDSHAKE 00 11 22\n")
    said = run("trace", str(recorded.phone), "--key-log", str(keys))
    assert (said.code, "line 1 of the key log" in said.err) == (2, True)


def test_a_key_log_is_for_its_owner_alone_and_no_link_is_followed(tmp_path: Path) -> None:
    log = KeyLogFile(tmp_path / "new")
    log.close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600
    (tmp_path / "link").symlink_to(tmp_path / "new")
    with pytest.raises(KeyLogNotWritable):
        KeyLogFile(tmp_path / "link")


def test_a_key_log_is_read_on_as_it_grows(tmp_path: Path) -> None:
    log = KeyLogFile(tmp_path / "keys")
    reader = KeyLogReader(tmp_path / "keys")
    assert len(reader.keys) == 0
    log(f"HANDSHAKE {'00' * 32} {'11' * 32} {'22' * 32}")
    reader.refresh()
    assert len(reader.keys) == 1
    assert "11" * 32 not in repr(reader.keys) + repr(reader.keys.handshake(bytes(32)))


def test_an_export_is_what_was_read_and_never_over_another_file(run: Run, recorded: Recorded, tmp_path: Path) -> None:
    out = tmp_path / "out.btsnoop"
    pcapng = tmp_path / "in.pcapng"
    pcapng.write_bytes(pcapng_of(187, TRAFFIC))
    assert run("trace", str(pcapng), "--export", str(out), "--rx", "3", "--tx", "5").code == 0
    with out.open("rb") as file:
        assert [packet.data for packet in packets(file)] == TRAFFIC
    assert out.stat().st_mode & 0o777 == 0o600
    assert run("trace", str(pcapng), "--export", str(out)).code == 7
    of_the_air = tmp_path / "air.pcapng"
    of_the_air.write_bytes(pcapng_of(251, [air(b"\x02\x05\x02")]))
    said = run("trace", str(of_the_air), "--export", str(tmp_path / "no.btsnoop"))
    assert (said.code, "not_exportable" in said.err) == (2, True)


def test_a_broken_capture_is_told_up_to_its_break(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "cut.btsnoop"
    whole = btsnoop_of(TRAFFIC)
    path.write_bytes(whole[:-3])
    said = run("trace", str(path), "--rx", "3", "--tx", "5", "--json")
    assert said.code == 2
    assert len(lines(said)) == 8
    error = json.loads(said.err.splitlines()[-1])
    assert (error["code"], error["exit_code"]) == ("capture_cut_short", 2)
    assert f"byte {len(whole) - 7 - 24}" in error["detail"]


def test_it_follows_a_file_that_grows(run: Run, tmp_path: Path) -> None:
    """The second half is written while it waits; --count ends it."""
    path = tmp_path / "grows.btsnoop"
    whole = btsnoop_of(TRAFFIC)
    path.write_bytes(whole[:100])

    def go_on() -> None:
        time.sleep(0.03)
        with path.open("ab") as file:
            file.write(whole[100:])

    writer = threading.Thread(target=go_on)
    writer.start()
    said = run("trace", str(path), "--follow", "--rx", "3", "--tx", "5", "--json", "--count", "9")
    writer.join()
    assert (said.code, len(lines(said))) == (0, 9)


@pytest.mark.parametrize(
    "line",
    [
        ["live"],
        ["x.btsnoop", "--radio", "usb:0"],
        ["x.btsnoop", "--rx", "3"],
        ["x.btsnoop", "--message", "nonsense"],
        ["live", "--radio", "tcp-client:127.0.0.1:1", "--listen", "nonsense"],
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, line: list[str]) -> None:
    assert run("trace", *line).code == 2


def test_a_controller_that_is_not_there(run: Run) -> None:
    said = run("trace", "live", "--radio", "tcp-client:127.0.0.1:1")
    assert (said.code, "radio_unavailable" in said.err) == (3, True)


async def test_live_stands_between_a_host_and_its_controller(tmp_path: Path) -> None:
    """A gateway's adapter attaches to us instead of its controller; we see the whole conversation, and it works."""
    seen: list[Packet] = []
    transports: asyncio.Queue[str] = asyncio.Queue()
    async with VirtualRadio() as radio:
        car = VehicleOnAir(Garage(tmp_path).brain, (await radio.add_controller(tcp=False)).open)
        await car.start()
        port = await radio.add_controller()
        between = asyncio.ensure_future(Between(port.transport, "127.0.0.1", 0, seen.append).run(transports.put_nowait))
        attached = BleAir.bumble(await asyncio.wait_for(transports.get(), 5))
        link = await attached.open(lambda rotating: True, 5.0)
        hello = await asyncio.wait_for(link.receive(), 5)
        second = BleAir.bumble(f"tcp-client:127.0.0.1:{port.port}")
        with pytest.raises(LinkError):  # the controller has its one host: us
            await second.open(lambda rotating: True, 0.5)
        await attached.close()
        await second.close()
        between.cancel()
        await asyncio.gather(between, return_exceptions=True)
        await car.stop()
    watcher = Watcher()
    records = [each for packet in seen for each in watcher.take(packet)]
    assert [each.raw for each in records if each.kind == "frame"] == [hello]


async def test_live_says_when_the_controller_goes() -> None:
    transports: asyncio.Queue[str] = asyncio.Queue()
    radio = VirtualRadio()
    port = await radio.add_controller()
    between = asyncio.ensure_future(
        Between(port.transport, "127.0.0.1", 0, lambda packet: None).run(transports.put_nowait)
    )
    await asyncio.wait_for(transports.get(), 5)
    await radio.close()
    with pytest.raises(LinkError):
        await asyncio.wait_for(between, 5)


async def test_a_trace_is_a_new_file_and_goes_on_when_the_transport_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "trace.btsnoop"
    file = TraceFile(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TraceFileError):
        TraceFile(path)
    for _ in range(2):
        async with VirtualRadio() as radio:
            heard = BleAir.bumble(tapped((await radio.add_controller(tcp=False)).open, file))
            await heard.scan(0.01)
            await heard.close()
    file.close()
    data = path.read_bytes()
    resets = [each for each in packets(io.BytesIO(data)) if each.data == b"\x01\x03\x0c\x00"]
    assert len(resets) == 2
    assert {each.sent for each in packets(io.BytesIO(data))} == {True, False}
    again = io.BytesIO()
    writer = Writer(again)
    for each in packets(io.BytesIO(data)):
        writer.write(each)
    assert again.getvalue() == data
