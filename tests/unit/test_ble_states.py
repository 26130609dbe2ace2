"""The one table of a link's life, and what may not be done to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from keygw.ble.states import TRANSITIONS, Life, Stage, Step


def test_every_stage_has_a_row_and_a_way_to_the_end() -> None:
    assert set(TRANSITIONS) == set(Stage)
    for stage in Stage:
        life = Life()
        life.stage = stage
        life.gone()
        assert life.stage is Stage.CLOSED


def test_every_stage_can_be_reached_and_every_step_is_of_use() -> None:
    targets = {target for steps in TRANSITIONS.values() for target in steps.values()}
    assert targets == set(Stage)
    assert {step for steps in TRANSITIONS.values() for step in steps} == set(Step)


@pytest.mark.parametrize("stage", Stage)
def test_a_step_that_is_not_in_the_table_is_a_bug(stage: Stage) -> None:
    for step in set(Step) - set(TRANSITIONS[stage]):
        life = Life()
        life.stage = stage
        with pytest.raises(RuntimeError, match=f"{stage.value} has no step {step.value}"):
            life.step(step)
        assert life.stage is stage


def test_each_stage_is_told_once() -> None:
    told: list[Stage] = []
    life = Life(told.append)
    for step in (Step.HEARD, Step.SLOT, Step.AGAIN, Step.HEARD, Step.SLOT, Step.LINKED, Step.READY):
        life.step(step)
    for end in (life.end, life.end, life.gone, life.gone):
        end()
    assert [stage.value for stage in told] == [
        "waiting", "connecting", "searching", "waiting", "connecting", "subscribing", "open", "closing", "closed",
    ]  # fmt: skip


def test_the_picture_is_that_of_the_table() -> None:
    root = Path(__file__).resolve().parents[2]
    drawn = subprocess.run(
        [sys.executable, "tools/draw_link_states.py", "--check"], cwd=root, capture_output=True, text=True, check=False
    )
    assert drawn.returncode == 0, drawn.stdout
