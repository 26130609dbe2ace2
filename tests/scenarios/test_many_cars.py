"""``keygw sim vehicle --count``: many cars as one process, which outlives what is said to it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LINES = ("5", '"x"', "[" * 60_000, "{", '{"do": "status"}', '{"do": "status", "car": "2"}')


def _run(folder: Path) -> list[dict[str, Any]]:
    """What two cars said to ``LINES``; they end with stdin."""
    words = ("--count", "2", "--port", "0", "--state", str(folder), "--follow-stdin")
    done = subprocess.run(
        [sys.executable, "-m", "keygw_sim.vehicle", *words],
        input="".join(f"{line}\n" for line in LINES),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_bad_orders_are_explained_and_the_cars_stay_who_they_are(tmp_path: Path) -> None:
    ready, *answers = _run(tmp_path)
    assert [next(iter(answer)) for answer in answers] == ["error"] * 5 + ["did"]
    transports = ready["free_transports"]
    assert len(set(transports)) == 2
    assert all(int(each.rsplit(":", 1)[1]) > 1023 for each in transports), "port 0 is any free one"
    again, *_ = _run(tmp_path)
    assert again["vehicles"] == ready["vehicles"]
    assert len({vehicle["id"] for vehicle in ready["vehicles"]}) == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["car-001", "car-002"]
