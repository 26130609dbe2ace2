"""The JavaScript device at our car: every requirement of a device that the conformance kit tries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from js_device import NODE, JsDevice, JsStand
from keygw_sim.conformance.device_kit import run_device
from keygw_sim.conformance.verdict import Word

if TYPE_CHECKING:
    from tests.conftest import Require


async def test_the_javascript_device_conforms(require: Require) -> None:
    require("node", NODE is not None, "no Node.js 20 or newer here: apt-get install nodejs")
    async with JsDevice.running() as device:
        report = await run_device(JsStand(device), "javascript")
    failed = [f"{each.requirement.id}: {each.why}" for each in report.verdicts if each.word is Word.FAIL]
    assert failed == []
    skipped = {each.requirement.id for each in report.verdicts if each.word is Word.SKIPPED}
    assert skipped == {"KS-114"}
    assert report.count(Word.PASS) > 30
