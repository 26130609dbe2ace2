"""``keygw demo`` itself, through its public door: the JSON contract and the figures of the first road."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from keygw_sim.scenarios.ladder import Ladder, StepFailed

STEPS = [
    "gateway_up", "vehicle_advertising", "app_registered", "owner_key_issued", "ble_connected", "handshake",
    "unlock_confirmed", "status_event_received", "friend_key_shared", "friend_unlock_confirmed", "friend_fast_unlock",
    "friend_trunk_refused",
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


def test_four_calls_lead_from_nothing_to_an_unlocked_car(steps: dict[str, dict[str, Any]]) -> None:
    calls = ["app_registered", "owner_paired", "session_opened", "first_unlock_confirmed"]
    names = list(steps)
    assert names[names.index("app_registered") :][:4] == calls
    opened, keys = steps["session_opened"]["detail"], steps["owner_key_issued"]["detail"]
    assert opened["session"]["vehicle_id"] == steps["vehicle_advertising"]["detail"]["vehicle_id"]
    assert {keys["key_id"], keys["app_key_id"]} == set(opened["keys"])
    assert steps["first_unlock_confirmed"]["round_trips"] == 4


def test_the_second_unlock_takes_the_fast_path(steps: dict[str, dict[str, Any]]) -> None:
    fast, full = steps["friend_fast_unlock"], steps["friend_unlock_confirmed"]
    assert (fast["detail"]["road"], fast["round_trips"]) == ("fast", 1)
    assert fast["detail"]["message_bytes"] + 54 <= 160, "HELLO included"
    assert full["detail"]["road"] == "full"


def test_the_friend_brings_the_owners_grant_once(steps: dict[str, dict[str, Any]]) -> None:
    first, again = steps["friend_unlock_confirmed"], steps["friend_unlock_confirmed_again"]
    assert (first["detail"]["chain"], first["round_trips"]) == (True, 4)
    assert first["detail"]["message_bytes"] <= 1000
    assert again["detail"]["chain"] is False
    assert again["round_trips"] <= 2


def test_refusals_carry_the_cars_reason(steps: dict[str, dict[str, Any]]) -> None:
    assert steps["friend_trunk_refused"]["detail"]["outcome"] == "not_entitled"
    assert steps["friend_unlock_refused_suspended"]["detail"]["outcome"] == "key_suspended"
    assert steps["friend_unlock_refused_revoked"]["detail"]["outcome"] == "key_revoked"


def test_the_gateway_really_died(steps: dict[str, dict[str, Any]]) -> None:
    detail = steps["gateway_killed_and_restarted"]["detail"]
    assert detail["killed_pid"] != detail["pid"]
    assert steps["nothing_lost"]["detail"]["receipts"] >= 7


@pytest.mark.skipif(os.name != "posix", reason="signals end a process in order on POSIX only")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_story_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "keygw", "demo", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as process:
        try:
            until = time.monotonic() + 30
            while not list(tmp_path.glob("keygw-demo-*/gateway/issuer.pem")) and time.monotonic() < until:
                time.sleep(0.02)
            assert list(tmp_path.glob("keygw-demo-*/gateway/issuer.pem"))
            process.send_signal(number)
            out, err = process.communicate(timeout=30)  # also: no child keeps the pipe open
        finally:
            process.kill()
    assert process.returncode == 128 + number, err
    assert list(tmp_path.iterdir()) == []
    told = json.loads(out)
    assert (told["ok"], told["error"]) == (False, "stopped before its end")
    assert "Traceback" not in err


@pytest.mark.parametrize(("option", "variable"), [("--no-color", ""), (None, "1")])
def test_plain_text_even_in_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str | None, variable: str
) -> None:
    assert "\x1b" not in ladder_told(monkeypatch, capsys, option is not None, variable, True)


def test_colours_in_a_terminal_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "\x1b" in ladder_told(monkeypatch, capsys, False, "", True)
    assert "\x1b" not in ladder_told(monkeypatch, capsys, False, "", False)


def ladder_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], plain: bool, no_color: str, terminal: bool
) -> str:
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("FORCE_COLOR", "1" if terminal else "")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    ladder = Ladder(as_json=False, link="none", plain=plain)
    with ladder.step("one", "nobody") as step:
        step.says = "said"
    with pytest.raises(StepFailed), ladder.step("two", "nobody"):
        raise StepFailed("no")
    ladder.failure = "two: no"
    assert ladder.finish() == 1
    told = capsys.readouterr().out
    assert "one" in told
    assert "Not held: two: no" in told
    return told


def test_the_demo_itself_takes_no_color(tmp_path: Path) -> None:
    """Shadowed as below, so that it is short; what counts is that the option is known."""
    ran = shadowed(tmp_path, "--no-color")
    assert ran.returncode == 1, ran.stderr
    assert "FAIL gateway_up" in ran.stdout
    assert "\x1b" not in ran.stdout


def test_a_failed_step_is_told_and_fails_the_demo(tmp_path: Path) -> None:
    """A gateway that cannot start: uvicorn is shadowed by a module that does not import."""
    ran = shadowed(tmp_path, "--json")
    assert ran.returncode == 1
    told = json.loads(ran.stdout)
    assert told["ok"] is False
    assert [(step["name"], step["ok"]) for step in told["steps"]] == [("gateway_up", False)]
    assert "shadowed by a test" in told["error"]


def shadowed(tmp_path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "uvicorn.py").write_text("raise ImportError('shadowed by a test')\n")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "keygw", "demo", *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
