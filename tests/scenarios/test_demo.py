"""``keygw demo`` itself, through its public door: the JSON contract and the figures of the first road."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "keygw", "demo", "--json"], capture_output=True, text=True, timeout=150, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("\n") == 1, "one JSON object on stdout and nothing else"
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


@pytest.fixture(scope="module")
def steps(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["name"]: step for step in report["steps"]}


def test_every_step_held_in_order(report: dict[str, Any]) -> None:
    assert report["ok"] is True
    assert report["link"] == "bleak/bumble"
    assert [step["name"] for step in report["steps"] if step["name"] in STEPS] == STEPS
    for step in report["steps"]:
        assert step["ok"] is True
        assert {"name", "ok", "ms", "round_trips", "air_bytes", "detail"} <= set(step)


def test_handshake_and_unlock_keep_to_their_figures(steps: dict[str, dict[str, Any]]) -> None:
    measures = steps["handshake"]["detail"]["measures"]
    assert measures["round_trips"] <= 2
    assert measures["message_bytes"] <= 700
    assert steps["handshake"]["air_bytes"] > measures["message_bytes"]


def test_refusals_carry_the_cars_reason(steps: dict[str, dict[str, Any]]) -> None:
    assert steps["friend_trunk_refused"]["detail"]["outcome"] == "not_entitled"
    assert steps["friend_unlock_refused_suspended"]["detail"]["outcome"] == "key_suspended"
    assert steps["friend_unlock_refused_revoked"]["detail"]["outcome"] == "key_revoked"


def test_the_gateway_really_died(steps: dict[str, dict[str, Any]]) -> None:
    detail = steps["gateway_killed_and_restarted"]["detail"]
    assert detail["killed_pid"] != detail["pid"]
    assert steps["nothing_lost"]["detail"]["receipts"] >= 9


def test_a_failed_step_is_told_and_fails_the_demo(tmp_path: Path) -> None:
    """A gateway that cannot start: uvicorn is shadowed by a module that does not import."""
    (tmp_path / "uvicorn.py").write_text("raise ImportError('shadowed by a test')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    ran = subprocess.run(
        [sys.executable, "-m", "keygw", "demo", "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert ran.returncode == 1
    told = json.loads(ran.stdout)
    assert told["ok"] is False
    assert [(step["name"], step["ok"]) for step in told["steps"]] == [("gateway_up", False)]
    assert "shadowed by a test" in told["error"]
