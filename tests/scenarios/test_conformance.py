"""The conformance kit against the simulated vehicle: on links in memory, and over the virtual radio."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from keygw_sim.conformance import kit
from keygw_sim.conformance.__main__ import main
from keygw_sim.conformance.registry import Role
from keygw_sim.conformance.targets import memory_stand, virtual_stand
from keygw_sim.conformance.verdict import Word

NEEDS_A_RADIO = {"KS-101", "KS-107"}
OVER_THE_RADIO = ["KS-10", "KS-11", "KS-2", "KS-307", "KS-401", "KS-815", "KS-901", "KS-902", "KT-201", "OP-103"]
"""On links in memory everything is tried; over the radio what a radio may change, and a little of each part."""


def failures(report: kit.Report) -> list[str]:
    return [f"{each.requirement.id}: {each.why}" for each in report.verdicts if each.word is Word.FAIL]


async def test_the_simulated_vehicle_conforms() -> None:
    report = await kit.run(memory_stand(), "memory")
    assert failures(report) == []
    skipped = {each.requirement.id for each in report.verdicts if each.word is Word.SKIPPED}
    assert skipped == NEEDS_A_RADIO
    assert len(report.verdicts) == len(kit.chosen(Role.VEHICLE))
    assert report.ok


async def test_it_conforms_over_the_virtual_radio() -> None:
    async with virtual_stand() as stand:
        report = await kit.run(stand, "virtual", OVER_THE_RADIO)
    assert failures(report) == []
    assert report.count(Word.SKIPPED) == 0


async def test_it_conforms_twice() -> None:
    """A board keeps what a run has left on it."""
    stand, only = memory_stand(), ["KS-4", "KS-5", "KS-6", "KS-7", "KT", "OP"]
    await kit.run(stand, "memory", only)
    assert failures(await kit.run(stand, "memory", only)) == []


def test_reports_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    junit, page = tmp_path / "report.xml", tmp_path / "report.html"
    line = [
        "--target",
        "memory",
        "--only",
        "KS-3",
        "--only",
        "KT-",
        "--json",
        "--junit",
        str(junit),
        "--html",
        str(page),
    ]
    assert main(line) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    cases = ElementTree.parse(junit).getroot().iter("testcase")  # noqa: S314 - we have just written it
    assert len(list(cases)) == len(told["requirements"])
    text = page.read_text("utf-8")
    assert all(each["id"] in text for each in told["requirements"])
    assert "http" not in text.replace("http-equiv", "")
    assert "MESSAGE_3" in text


def test_the_list_says_what_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list", "--only", "KS-203"]) == 0
    assert capsys.readouterr().out == "KS-203  Refuses a frame whose sequence is not the next.\n"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (["--only", "XX"], 2, "unknown_requirement"),
        (["--target", "usb:0"], 2, "no_rig"),
        (["--target", "usb:0", "--rig", "absent"], 2, "no_rig"),
        (["--patience", "-1"], 2, "bad_patience"),
        (["--rig", "absent"], 2, "wrong_rig"),
        (["--target", "memory", "--rig", "absent"], 2, "wrong_rig"),
        (["--target", "memory", "--html", "."], 3, "file_unusable"),
    ],
)
def test_wrong_command_lines(line: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line, "--json"]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert json.loads(told.err)["code"] == said


def test_a_report_of_before_stands_until_there_is_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "report.html"
    page.write_text("the one of before, which is longer than nothing")

    async def interrupted(*_: object) -> kit.Report:
        raise KeyboardInterrupt

    line = ["--target", "memory", "--only", "KS-203", "--html", str(page)]
    with monkeypatch.context() as patch:
        patch.setattr(kit, "run", interrupted)
        assert main(line) == 130
    assert page.read_text().startswith("the one of before")
    assert main(line) == 0
    assert page.read_text().startswith("<!doctype html>")
    assert "the one of before" not in page.read_text()
