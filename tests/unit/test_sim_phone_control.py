"""``keygw sim walk`` and the like: the control API of a simulated phone, and the commands that use it."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from keygw.cli.exits import Exit
from keygw.cli.failure import Failure
from keygw.cli.simulators import HANDS, POCKET
from keygw_sim.phone import commands
from keygw_sim.phone.control import PhoneControl
from keygw_sim.phone.living import Living
from keygw_sim.served import FILE
from street import DOOR, Street


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with Street(tmp_path / "car") as street:
        street.garage.enrol("owner")
        street.comes("owner")
        yield street


@pytest.fixture
def control(street: Street, tmp_path: Path) -> PhoneControl:
    living = Living(street.people["owner"], street.clock, lambda event: None)

    async def obey(order: dict[str, Any]) -> dict[str, Any]:
        answer = await living.obey(order)
        if answer is None:
            raise ValueError(f"unknown order {order['do']!r}")
        return answer

    return PhoneControl(obey, tmp_path)


def keygw_sim(folder: Path, *words: str) -> Any:
    return asyncio.to_thread(commands.main, [*words, "--state", str(folder)])


async def test_its_user_walks_to_the_car_and_it_opens(
    street: Street, control: PhoneControl, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The clock of the street stands still but for what the story lets pass."""
    async with control.serving() as url:
        file = tmp_path / FILE
        assert json.loads(file.read_text()) == {"url": url, "token": control.token}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert await keygw_sim(tmp_path, "walk", str(DOOR.x), str(DOOR.y), "--pace", "2", "--json") == Exit.OK
        assert json.loads(capsys.readouterr().out)["at"] == [45.0, 10.0], "it has only set out"
        await street.passes(10)
        assert street.garage.brain.body.locked
        await street.passes(15)
        assert not street.garage.brain.body.locked
        assert await keygw_sim(tmp_path, "where") == Exit.OK
        assert "zone\tnear" in capsys.readouterr().out
        assert await keygw_sim(tmp_path, "ask", "lock") == Exit.OK
        assert street.garage.brain.body.locked
        assert await keygw_sim(tmp_path, "flight", "on") == Exit.OK
        assert await keygw_sim(tmp_path, "ask", "unlock") == Exit.NOT_DONE
        assert await keygw_sim(tmp_path, "ask", "lock", "--wait", "60") == Exit.OK, "it waits, which is what was asked"
        assert await keygw_sim(tmp_path, "screen", "background", "--json") == Exit.OK
        assert json.loads(capsys.readouterr().out.splitlines()[-1])["waiting"] == ["lock"]
    assert not file.exists()


BAD: list[bytes] = [
    b"",
    b"[]",
    b"[" * 9000,
    b"x" * 20_000,
    b"{}",
    b'{"do": "fly"}',
    b'{"do": "walk"}',
    b'{"do": "walk", "to": [1]}',
    b'{"do": "walk", "to": [1, NaN]}',
    b'{"do": "walk", "to": [1, 2], "pace": 0}',
    b'{"do": "walk", "to": [1, 2], "pace": 1e9}',
    b'{"do": "flight", "on": 1}',
    b'{"do": "screen", "to": "window"}',
]


@pytest.mark.parametrize("body", BAD)
async def test_a_bad_order_is_explained(control: PhoneControl, street: Street, body: bytes) -> None:
    transport = httpx.ASGITransport(control.app())
    headers = {"Authorization": f"Bearer {control.token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://phone", headers=headers) as client:
        answer = await client.post("/phone", content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_order")
    assert answer.json()["next"]
    assert len(answer.json()["detail"]) < 400
    assert not street.people["owner"].flight


async def test_nobody_but_the_holder_of_its_token(control: PhoneControl, street: Street) -> None:
    transport = httpx.ASGITransport(control.app())
    right = f"Bearer {control.token}"
    for headers in (
        {},
        {"Authorization": "Bearer no"},
        {"Authorization": right, "Origin": "https://elsewhere.example"},
    ):
        async with httpx.AsyncClient(transport=transport, base_url="http://phone", headers=headers) as client:
            answer = await client.post("/phone", json={"do": "flight", "on": True})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_unknown")
    assert not street.people["owner"].flight


def test_where_no_phone_runs_it_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(Failure) as failed:
        commands.main(["where", "--state", str(tmp_path)])
    assert (failed.value.exit_code, failed.value.code) == (Exit.ENVIRONMENT, "no_phone")
    assert "keygw sim phone" in failed.value.next_step


@pytest.mark.parametrize("words", [("walk",), ("walk", "1", "north"), ("screen", "off"), ("ask", "fly"), ("flight",)])
def test_wrong_words_are_explained(words: tuple[str, ...]) -> None:
    with pytest.raises(Failure) as failed:
        commands.main(words)
    assert (failed.value.exit_code, failed.value.code) == (Exit.USAGE, "usage")


def test_the_command_line_knows_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        commands.main(["--help"])
    shown = capsys.readouterr().out.rpartition("positional arguments")[2]
    named = {line.split()[0] for line in shown.splitlines() if line.startswith("    ") and line[4] != " "}
    assert named - {"COMMAND"} == set(POCKET)
    assert not set(POCKET) & set(HANDS)
