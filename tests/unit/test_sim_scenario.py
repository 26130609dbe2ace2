"""Scenario files: what is broken is told with line and field, and those that come along hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keygw.cli.exits import Exit
from keygw.cli.failure import Failure
from keygw.model.errors import BadInput
from keygw_sim.scenario import __main__ as program
from keygw_sim.scenario.reader import MAX_BYTES, parse, read

GOOD = """\
title: t
cars:
  - name: A
    body: {locked: true}
phones:
  - name: P
    owns: A
  - name: F
    friend_of: P
steps:
  - {phone: P, asks: unlock}
  - car: A
    does: {do: door, open: false}
    expect: ok
  - {car: A, lets_pass: 1.5}
  - {car: A, shows: {locked: false, battery: 80}}
  - {revoke: F, carried_by: P}
  - {phone: P, walks_to: [45, 0], expect: out_of_range}
  - {phone: F, flight: true}
"""

BROKEN: list[tuple[str, str, str]] = [
    # what is replaced, by what, and the line and field that are named
    ("title: t", "title: ''", ":1: title: "),
    ("title: t\n", "", ":1: title: Field required"),
    ("title: t", "title: t\nwings: 2", ":2: wings: Extra inputs"),
    ("title: t", "title: t\ntitle: u", ":2: title: this is there twice"),
    ("title: t", "title: [", ":"),
    ("title: t", "title: \x00", ":1: "),
    ("title: t", "title: &a t\n# *a\nx: *a", ":3: an alias"),
    ("title: t", "? [a]\n: b\ntitle: t", ":1: a field's name is text"),
    ("title: t", "title: !!python/object:os.system t", ":1: "),
    ("body: {locked: true}", "body: {locked: 1}", ":4: cars[0].body.locked: locked is true or false"),
    ("body: {locked: true}", "body: {wings: 1}", ":4: cars[0].body.wings: a car has no such part"),
    ("body: {locked: true}", "body: {battery: 101}", ":4: cars[0].body.battery: battery is 0 to 100 percent"),
    ("owns: A", "owns: B", ":7: phones[0].owns: there is no car 'B'; known: A"),
    ("owns: A", "owns: 3", ":7: phones[0].owns: Input should be a valid string"),
    ("friend_of: P", "friend_of: F", ":9: phones[1].friend_of: there is no phone above it 'F'; known: P"),
    ("name: F", "name: P", ":8: phones[1].name: there is a second 'P'"),
    ("walks_to: [45, 0]", "walks_to: [45]", ":18: steps[5].walks_to"),
    ("walks_to: [45, 0]", "walks_to: [45, 1e9]", ":18: steps[5].walks_to"),
    ("walks_to: [45, 0]", "walks_to: north", ":18: steps[5].walks_to"),
    ("expect: out_of_range", "expect: nowhere", ":18: steps[5].expect: 'nowhere' is no place; known: "),
    ("phone: P, walks_to", "phone: Q, walks_to", ":18: steps[5].phone: there is no phone 'Q'"),
    ("flight: true", "flight: high", ":19: steps[6].flight: Input should be a valid boolean"),
    ("asks: unlock", "asks: fly", ":11: steps[0].asks: Input should be"),
    ("asks: unlock", "asks: unlock, expect: perhaps", ":11: steps[0].expect: 'perhaps' is no outcome"),
    ("{phone: P, asks: unlock}", "{phone: Q, asks: unlock}", ":11: steps[0].phone: there is no phone 'Q'"),
    ("{phone: P, asks: unlock}", "{phone: P}", ":11: steps[0]: a step has one of"),
    ("{phone: P, asks: unlock}", "unlock", ":11: steps[0]: a step has one of"),
    ("open: false", "open: maybe", ":13: steps[1].does.open: Input should be a valid boolean"),
    ("do: door", "do: fly", ":13: steps[1].does: "),
    ("expect: ok", "expects: ok", ":14: steps[1].expects: Extra inputs"),
    ("lets_pass: 1.5", "lets_pass: 0", ":15: steps[2].lets_pass: Input should be greater than 0"),
    ("lets_pass: 1.5", "lets_pass: .inf", ":15: steps[2].lets_pass: Input should be"),
    ("shows: {locked: false", "shows: {wings: false", ":16: steps[3].shows.wings: a car has no such part"),
    ("carried_by: P", "carried_by: F", ":17: steps[4].carried_by: a phone does not carry"),
    (
        "carried_by: P}",
        "carried_by: P}\n  - {revoke: F, carried_by: P}",
        ":18: steps[5].revoke: 'F' is revoked already",
    ),
    (
        "    friend_of: P\nsteps:",
        "    friend_of: P\n  - {name: F2, friend_of: F}\nsteps:\n  - {revoke: F2, carried_by: Q}",
        ":12: steps[0].carried_by: there is no phone 'Q'",
    ),
]


def test_the_good_one_is_good() -> None:
    assert len(parse(GOOD.encode(), "x").steps) == 7


@pytest.mark.parametrize(("old", "new", "told"), BROKEN)
def test_what_is_broken_is_told_with_line_and_field(old: str, new: str, told: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(BadInput) as refused:
        parse(GOOD.replace(old, new).encode(), "x.yaml")
    assert refused.value.code == "bad_scenario"
    assert str(refused.value).startswith(f"x.yaml{told}"), str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_news_goes_only_to_a_car_that_its_carrier_comes_to() -> None:
    two = GOOD.replace("phones:\n", "  - name: B\nphones:\n  - {name: Q, owns: B}\n")
    parse(two.encode(), "x")
    with pytest.raises(BadInput) as refused:
        parse(two.replace("carried_by: P", "carried_by: Q").encode(), "x")
    assert str(refused.value) == "x:19: steps[4].carried_by: 'Q' never comes to 'A', which must hear of it"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00",
        b"[" * 5000,
        b"- " * 5000,
        b"a: " + b"{a: " * 50,
        b"x" * (MAX_BYTES + 1),
        b"3",
        b"%TAG",
        b"\x80",
    ],
)
def test_rubbish_is_refused(raw: bytes) -> None:
    with pytest.raises(BadInput) as refused:
        parse(raw, "x")
    assert refused.value.code == "bad_scenario"
    assert len(str(refused.value)) < 300


def test_a_broken_file_is_a_wrong_command_line(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(GOOD.replace("owns: A", "owns: B"))
    for words, code in (
        ((str(file),), "bad_scenario"),
        ((str(tmp_path / "none.yaml"),), "bad_scenario"),
        ((), "usage"),
    ):
        with pytest.raises(Failure) as failed:
            program.main(words)
        assert (failed.value.exit_code, failed.value.code) == (Exit.USAGE, code)
    with pytest.raises(BadInput, match=r"x.yaml:7: phones\[0\].owns"):
        read(file)


@pytest.mark.parametrize("name", sorted(file.stem for file in program.EXAMPLES.glob("*.yaml")))
def test_the_examples_hold(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main([name, "--json", "--seed", "test"]) == Exit.OK
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert all(step["holds"] for step in told["steps"])
    assert len(told["steps"]) == len(read(program.EXAMPLES / f"{name}.yaml").steps)


def test_what_does_not_come_as_expected_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(GOOD.replace("locked: false, battery: 80", "locked: true"))
    assert program.main([str(file), "--seed", "test"]) == Exit.NOT_DONE
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "FAIL   4  A shows: expected locked=yes, came locked=no"


def test_four_examples_come_along(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--list"]) == Exit.OK
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_the_schema_is_the_program_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--schema"]) == Exit.OK
    there = (Path(program.__file__).parent / "scenario.schema.json").read_text("utf-8")
    assert capsys.readouterr().out == there
