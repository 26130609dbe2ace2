"""``--trace`` and ``--key-log`` on the command lines of gateway and car, and ``keygw trace`` on what they wrote."""

from __future__ import annotations

import asyncio
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from keygw_sim.scenarios.world import World


async def trace(*words: str) -> list[dict[str, Any]]:
    """The records that ``keygw trace`` tells of a file."""
    command = (sys.executable, "-m", "keygw", "trace", "--json", *words)
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    said, _ = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode == 0
    return [json.loads(line) for line in said.splitlines()]


def messages(records: list[dict[str, Any]]) -> list[str]:
    return [each["message"]["name"] for each in records if each.get("message")]


def said(records: list[dict[str, Any]], by: str) -> list[str]:
    return messages([each for each in records if each["by"] == by])


@pytest.fixture
async def written(tmp_path: Path) -> tuple[Path, Path, Path]:
    """What gateway and car wrote, and the car's key log, of a pairing and two unlocks."""
    by_gateway, by_car, keys = (tmp_path / name for name in ("gateway.btsnoop", "car.btsnoop", "car.keys"))
    async with World(tmp_path, seed="trace") as world:
        world.options = {
            "gateway": ("--trace", str(by_gateway)),
            "car": ("--trace", str(by_car), "--key-log", str(keys)),
        }
        await world.start_radio()
        await world.start_gateway()
        await world.start_car()
        await world.register_app()
        assert (await world.pair_owner())["state"] == "done"
        assert (await world.command("unlock"))["state"] == "confirmed"
        await world.operator.delete(f"/v1/vehicles/{world.vehicle_id}/link")
        assert (await world.command("lock"))["state"] == "confirmed"
    return by_gateway, by_car, keys


async def test_what_the_processes_write_is_what_keygw_trace_reads(written: tuple[Path, Path, Path]) -> None:
    by_gateway, by_car, keys = written
    of_gateway, of_car = await trace(str(by_gateway)), await trace(str(by_car))
    for by in ("device", "vehicle"):  # what crosses on the air has another order at either end
        assert said(of_gateway, by) == said(of_car, by) != []
    assert {"PAIR_ASK", "ENROL", "MESSAGE_1", "FAST", "RESULT"} <= set(messages(of_car))
    assert "sealed" in {each["verdict"]["word"] for each in of_gateway}
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    opened = await trace(str(by_gateway), "--key-log", str(keys))
    assert "sealed" not in {each["verdict"]["word"] for each in opened}
    assert "redacted" in json.dumps(opened)
    shown = json.dumps(await trace(str(by_gateway), "--key-log", str(keys), "--show-secrets"))
    assert "redacted" not in shown
