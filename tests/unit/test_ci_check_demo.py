"""The judge of `keygw demo --json` in CI must itself be able to say no."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STEPS = [
    "gateway_up", "vehicle_advertising", "app_registered", "owner_key_issued", "ble_connected", "handshake",
    "unlock_confirmed", "status_event_received", "friend_key_shared", "friend_unlock_confirmed", "friend_trunk_refused",
    "friend_key_suspended", "friend_unlock_refused_suspended", "friend_key_resumed", "friend_unlock_confirmed_again",
    "friend_key_revoking", "vehicle_acknowledged_revocation", "friend_key_revoked", "friend_unlock_refused_revoked",
    "owner_lock_confirmed", "gateway_killed_and_restarted", "nothing_lost",
]  # fmt: skip

Story = dict[str, Any]
Judge = Callable[[str], subprocess.CompletedProcess[str]]


def step(name: str) -> Story:
    return {"name": name, "ok": True, "ms": 12.5, "round_trips": 1, "air_bytes": 40, "detail": {}}


def story() -> Story:
    return {"ok": True, "link": "bleak/bumble", "steps": [step(name) for name in STEPS]}


@pytest.fixture
def judge(repository: Path, tmp_path: Path) -> Judge:
    def run(text: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / "demo.json"
        file.write_text(text)
        command = [sys.executable, str(repository / ".ci" / "check_demo.py"), str(file)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_a_good_story_passes_and_may_have_more_steps(judge: Judge) -> None:
    told = story()
    told["steps"].insert(3, step("owner_paired"))
    done = judge(json.dumps(told))
    assert (done.returncode, done.stderr) == (0, "")
    assert "22 steps held" in done.stdout


def _not_ok(told: Story) -> None:
    told["ok"] = False


def _other_link(told: Story) -> None:
    told["link"] = "memory"


def _step_failed(told: Story) -> None:
    told["steps"][6]["ok"] = False


def _step_missing(told: Story) -> None:
    del told["steps"][10]


def _wrong_order(told: Story) -> None:
    told["steps"][4:6] = reversed(told["steps"][4:6])


def _figure_missing(told: Story) -> None:
    del told["steps"][5]["air_bytes"]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_not_ok, "ok is not true"),
        (_other_link, "link is 'memory'"),
        (_step_failed, "unlock_confirmed did not hold"),
        (_step_missing, "the steps are"),
        (_wrong_order, "the steps are"),
        (_figure_missing, "handshake lacks air_bytes"),
    ],
)
def test_a_spoilt_story_fails_and_says_why(judge: Judge, spoil: Callable[[Story], None], said: str) -> None:
    told = story()
    spoil(told)
    done = judge(json.dumps(told))
    assert done.returncode == 1
    assert said in done.stdout


@pytest.mark.parametrize(
    "text", ["", "setting up...\n{}", '{"ok": true}\n{"ok": true}', "[]", '{"ok": true, "steps": [3]}']
)
def test_anything_but_one_story_fails(judge: Judge, text: str) -> None:
    done = judge(text)
    assert done.returncode == 1
    assert done.stdout.startswith("demo: ")
    assert done.stderr == ""
