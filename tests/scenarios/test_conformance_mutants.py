"""Plant a defect, and the requirement that it breaks fails: a kit that finds nothing shows nothing."""

from __future__ import annotations

import pytest

from keygw_sim.conformance import kit
from keygw_sim.conformance.device_kit import MemoryStand, phone_checks_of, run_device, try_phone
from keygw_sim.conformance.mutants.devices import DEVICES
from keygw_sim.conformance.mutants.plant import Mutant
from keygw_sim.conformance.mutants.vehicle_rules import VEHICLES
from keygw_sim.conformance.registry import Role, requirements
from keygw_sim.conformance.showroom_stands import device_stand
from keygw_sim.conformance.simulated import MemoryGround
from keygw_sim.conformance.targets import memory_stand
from keygw_sim.conformance.verdict import Word

OVER_THE_RADIO = ["KS-114", "KS-204", "KS-211", "KS-312", "KS-313", "KS-320", "KS-511", "KS-528", "KS-824", "KS-921"]


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
    assert len(DEVICES) >= 31
    assert len({mutant.caught_by for mutant in DEVICES.values()}) == len(DEVICES), "two are caught by one requirement"


@pytest.mark.parametrize("target", ["memory", "virtual"])
@pytest.mark.parametrize("mutant", DEVICES.values(), ids=DEVICES)
async def test_the_right_requirement_catches_a_device(mutant: Mutant, target: str) -> None:
    entries = phone_checks_of(mutant.caught_by)
    if target == "memory" and any(entry.radio for entry in entries):
        pytest.skip("it shows on a radio alone")
    async with device_stand(target, None, 0, None) as stand:
        with mutant.planted():
            tried = [await try_phone(stand, entry) for entry in entries]
    verdict = kit.judge(requirements()[mutant.caught_by], tried)
    assert verdict.word is Word.FAIL
    assert "broke down" not in verdict.why


def test_every_requirement_of_a_device_is_tried_or_says_why_not() -> None:
    mine = [each for each in requirements().values() if each.of(Role.DEVICE)]
    assert [each.id for each in mine if bool(each.hidden) == bool(phone_checks_of(each.id))] == []


async def test_the_simulated_phone_conforms() -> None:
    report = await run_device(MemoryStand(), "phone")
    assert [f"{each.requirement.id}: {each.why}" for each in report.verdicts if each.word is Word.FAIL] == []
    assert [each.requirement.id for each in report.verdicts if each.word is Word.SKIPPED] == ["KS-114"]


async def test_the_simulated_phone_conforms_over_the_virtual_radio() -> None:
    """What a radio may change, and a little of each part; the whole takes its time-outs, and a minute."""
    async with device_stand("virtual", None, 0, None) as stand:
        report = await run_device(stand, "virtual", OVER_THE_RADIO)
    assert [f"{each.requirement.id}: {each.why}" for each in report.verdicts if each.word is not Word.PASS] == []
    assert not report.broken_off
