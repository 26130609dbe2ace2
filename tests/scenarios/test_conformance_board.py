"""The kit at a board that another host plays, over TCP: the radio that goes away, the second kit, the wrong board."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keygw.model.errors import BadInput
from keygw.model.vehicle import Vehicle
from keygw.token.trust import kid_of
from keygw_sim.conformance import kit, rig, targets
from keygw_sim.conformance import radio as conformance_radio
from keygw_sim.conformance.__main__ import main
from keygw_sim.conformance.reports import plain
from keygw_sim.conformance.verdict import Word
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.vehicle.flash import Issuer
from keygw_sim.vehicle.runner import VehicleOnAir, load_vehicle


@contextlib.asynccontextmanager
async def board(folder: Path) -> AsyncIterator[tuple[VirtualRadio, str, VehicleOnAir]]:
    """A vehicle on one controller, with its rig in ``folder / rig``; the transport of the other."""
    brain = load_vehicle(folder / "board", "Board")
    memory = brain.memory
    vehicle = Vehicle(memory.vehicle_id, "Board", memory.signer.public_key, memory.advertising_key)
    made = rig.prepare(folder / "rig", vehicle)
    key = made.office.key
    assert kid_of(key.public_key) == key.kid
    memory.issuers.append(Issuer(key.issuer, key.kid, key.public_key))
    memory.owners.append(made.owner_thumbprint)
    async with VirtualRadio() as radio:
        theirs, ours = [await radio.add_controller() for _ in range(2)]
        car = VehicleOnAir(brain, theirs.transport)
        await car.start()
        try:
            yield radio, ours.transport, car
        finally:
            await car.stop()


async def test_a_board_is_tested_over_tcp(tmp_path: Path) -> None:
    async with board(tmp_path) as (_, target, _), targets.stand(target, tmp_path / "rig") as stand:
        report = await kit.run(stand, target, ["KS-203", "KS-402", "KS-112", "KS-312"])
    words = {each.requirement.id: each.word for each in report.verdicts}
    assert words == {
        "KS-112": Word.SKIPPED, "KS-203": Word.PASS, "KS-312": Word.SKIPPED, "KS-402": Word.PASS,
    }  # fmt: skip
    why = {each.requirement.id: each.why for each in report.verdicts}
    assert "switch it off and on" in why["KS-112"]
    assert "--patience 602" in why["KS-312"]


async def test_a_board_that_does_not_trust_the_rig_is_suspected_of_it(tmp_path: Path) -> None:
    async with board(tmp_path) as (_, target, car), targets.stand(target, tmp_path / "rig") as stand:
        fine = await kit.run(stand, target, ["KS-203"])
        car.brain.memory.issuers.clear()
        report = await kit.run(stand, target, ["KS-203"])
    assert (fine.ok, fine.doubt) == (True, "")
    assert "provisioning.json" in report.doubt
    assert "note: the board refuses the owner" in plain.summary(report)


async def test_what_is_no_target_is_not_taken_for_a_boards_name(tmp_path: Path) -> None:
    async with board(tmp_path):
        for target in ("tcpclient:127.0.0.1:1", "usb0:", "AA:BB", "a/b"):
            with pytest.raises(BadInput) as refused:
                async with targets.stand(target, tmp_path / "rig"):
                    pass
            assert refused.value.code == "unknown_target", target


async def test_a_radio_that_goes_away_ends_the_run_and_the_report_says_so(tmp_path: Path) -> None:
    async with board(tmp_path) as (radio, target, _), targets.stand(target, tmp_path / "rig") as stand:
        told: list[kit.Verdict] = []

        def unplug(verdict: kit.Verdict) -> None:
            told.append(verdict)
            for port in radio.ports[1:]:
                if port.controller is not None:
                    port.detach(port.controller)
            radio.off = True
            if radio.ports[1]._evict is not None:
                radio.ports[1]._evict()

        report = await kit.run(stand, target, ["KS-201", "KS-202", "KS-203"], unplug)
    assert [each.word for each in report.verdicts] == [Word.PASS, Word.SKIPPED, Word.SKIPPED]
    assert "radio" in report.broken_off
    assert not report.ok
    assert len(told) == 3


async def test_a_board_that_loses_its_power_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conformance_radio, "FIND_S", 0.3)
    monkeypatch.setattr(kit, "HEAR_S", 0.3)
    async with board(tmp_path) as (_, target, car), targets.stand(target, tmp_path / "rig") as stand:
        unplugged: list[asyncio.Task[None]] = []

        def unplug(verdict: kit.Verdict) -> None:
            if not unplugged:
                unplugged.append(asyncio.ensure_future(car.stop()))

        report = await kit.run(stand, target, ["KS-201", "KS-202", "KS-203"], unplug)
        assert [each.word for each in report.verdicts] == [Word.PASS, Word.SKIPPED, Word.SKIPPED]
        assert "nothing advertises" in report.broken_off
        assert "is the board on" in report.cure
        again = await kit.run(stand, target, ["KS-203"])
        assert again.broken_off == report.broken_off


async def test_two_kits_at_one_board_are_refused(tmp_path: Path) -> None:
    made = rig.prepare(tmp_path / "rig", rig.in_memory(targets.memory_stand().rig.vehicle, time.time).vehicle)
    with targets.only_kit(made.vehicle.id), pytest.raises(BadInput, match="another kit is testing") as refused:
        async with targets.stand("usb:0", tmp_path / "rig"):
            pass
    assert refused.value.code == "board_in_use"


async def test_no_radio_is_an_error_of_the_link(tmp_path: Path) -> None:
    rig.prepare(tmp_path / "rig", targets.memory_stand().rig.vehicle)
    async with targets.stand("tcp-client:127.0.0.1:1", tmp_path / "rig") as stand:
        report = await kit.run(stand, "x", ["KS-203"])
    assert "radio" in report.broken_off


@pytest.mark.parametrize("target", ["bluez", "dbus", "AA:BB:CC:DD:EE:FF", "Board"])
def test_no_bluez_is_said_before_anything_is_tried(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.prepare(tmp_path / "rig", targets.memory_stand().rig.vehicle)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    assert main(["--target", target, "--rig", str(tmp_path / "rig"), "--only", "KS-203"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert f"keygw: {target}: no D-Bus system bus" in err
    assert f"next: {'start one: keygw sim bluez' if target == 'dbus' else 'install dbus and bluez'}" in err


def test_a_controller_that_does_not_answer_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rig.prepare(tmp_path / "rig", targets.memory_stand().rig.vehicle)
    words = ["--target", "tcp-client:127.0.0.1:1", "--rig", str(tmp_path / "rig"), "--only", "KS-203"]
    assert main(words) == 3
    assert "next: nobody listens at 127.0.0.1:1: start the virtual radio" in capsys.readouterr().err


def test_a_rig_is_made_once_and_read_again(tmp_path: Path) -> None:
    vehicle = targets.memory_stand().rig.vehicle
    made = rig.prepare(tmp_path / "rig", vehicle)
    made.index()
    made.rotated()
    again = rig.load(tmp_path / "rig", time.time)
    assert (again.office.kid, again.counters) == (made.office.kid, made.counters)
    assert again.owner_thumbprint == made.owner_thumbprint
    with pytest.raises(BadInput, match="there is a rig"):
        rig.prepare(tmp_path / "rig", vehicle)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"v": 1}', "\xff", '{"v": 2, "seed": "", "vehicle": {}}'])
def test_a_broken_rig_says_so(tmp_path: Path, content: str) -> None:
    (tmp_path / "rig.json").write_text(content, "latin-1")
    with pytest.raises(BadInput, match="prepare a new") as refused:
        rig.load(tmp_path, time.time)
    assert refused.value.code == "bad_rig"
