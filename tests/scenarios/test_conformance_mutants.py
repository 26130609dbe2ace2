"""Plant a defect, and the requirement that it breaks fails: a kit that finds nothing shows nothing."""

from __future__ import annotations

import pytest

from keygw_sim.conformance import kit
from keygw_sim.conformance.device_kit import MemoryStand, run_device
from keygw_sim.conformance.mutants.devices import DEVICES
from keygw_sim.conformance.mutants.plant import Mutant
from keygw_sim.conformance.mutants.vehicle_rules import VEHICLES
from keygw_sim.conformance.simulated import MemoryGround
from keygw_sim.conformance.targets import memory_stand
from keygw_sim.conformance.verdict import Word


@pytest.mark.parametrize("mutant", VEHICLES.values(), ids=VEHICLES)
async def test_the_right_requirement_catches_a_vehicle(mutant: Mutant) -> None:
    with mutant.planted():
        stand = memory_stand()
        report = await kit.run(stand, mutant.name, [mutant.caught_by])
    (verdict,) = report.verdicts
    assert verdict.word is Word.FAIL
    assert isinstance(stand.ground, MemoryGround)
    assert stand.ground.breakdowns == [], "it has broken down instead of breaking a rule"
    assert "the kit broke down" not in verdict.why


async def test_without_a_defect_the_same_requirements_hold() -> None:
    only = {mutant.caught_by for mutant in VEHICLES.values()}
    report = await kit.run(memory_stand(), "memory", only)
    assert report.count(Word.PASS) == len(only) == len(report.verdicts)


def test_there_are_enough_of_them() -> None:
    assert len(VEHICLES) >= 25
    assert len({mutant.caught_by for mutant in VEHICLES.values()}) == len(VEHICLES), "two are caught by one requirement"
    assert len(DEVICES) >= 15
    assert len({mutant.caught_by for mutant in DEVICES.values()}) == len(DEVICES), "two are caught by one requirement"


@pytest.mark.parametrize("mutant", DEVICES.values(), ids=DEVICES)
async def test_the_right_requirement_catches_a_device(mutant: Mutant) -> None:
    with mutant.planted():
        report = await run_device(MemoryStand(), mutant.name, [mutant.caught_by])
    (verdict,) = report.verdicts
    assert verdict.word is Word.FAIL
    assert "broke down" not in verdict.why


async def test_the_simulated_phone_conforms() -> None:
    report = await run_device(MemoryStand(), "phone")
    assert [f"{each.requirement.id}: {each.why}" for each in report.verdicts if each.word is Word.FAIL] == []
    assert {mutant.caught_by for mutant in DEVICES.values()} <= {
        each.requirement.id for each in report.verdicts if each.word is Word.PASS
    }
    assert [each.requirement.id for each in report.verdicts if each.word is Word.SKIPPED] == ["KS-114"]
