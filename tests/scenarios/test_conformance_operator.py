"""The kit with somebody at the bench: a board whose buttons are pressed, a phone whose app is tapped.

Each of the three (the kit, what it tests, the radio between) is a process of its own; the test is the operator, who
reads the steps and types the answers.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import operated
from keygw.model.base64url import decode_base64url
from keygw.model.command import Action
from keygw.model.errors import BadInput, Conflict
from keygw_sim.conformance.__main__ import main
from keygw_sim.conformance.operator import Operator, OperatorHands, OperatorUser
from keygw_sim.conformance.rig_device import prepare_device
from keygw_sim.conformance.showroom_stands import device_stand
from keygw_sim.conformance.targets import only_kit
from keygw_sim.conformance.verdict import Skip, Unplugged
from keygw_sim.processes import Child

PUBLIC_KEY = "A9WzPsfTcRzbnsGgkTr5H6gSb5eHTuKeJueIE9mhPfMe"
BUTTONS = ("KS-112", "KS-404", "KS-410", "KS-411", "KS-423", "OP-103", "OP-111", "OP-114")
"""What takes hands: a power cut, a door, a drive, a key removed, pairing."""
ON_THE_PHONE = ("KS-113", "KS-114", "KS-204", "KS-313", "KS-315", "KS-319", "KS-322", "KS-511", "KS-528", "KS-824")


def only(numbers: tuple[str, ...]) -> list[str]:
    return [word for number in numbers for word in ("--only", number)]


# -- a board -------------------------------------------------------------------------------------------------------


class Bench:
    """Obeys the steps at a board: here a simulated vehicle in another process."""

    def __init__(self, board: Child) -> None:
        self.board = board

    async def do(self, step: str) -> str:
        board = self.board
        if step.startswith("press the pairing button"):
            told = await board.ask(do="pair")
            return self._code() if told["outcome"] == "open" else "n"
        if step.startswith("power the board off and on"):
            await board.end()
            await board.start()
        elif "door" in step:
            await board.ask(do="set", body={"driver_door_open": step.startswith("open")})
        elif "believe that it" in step:
            await board.ask(do="set", body={"speed": 30.0 if "moves" in step else 0.0})
        elif step.startswith("remove the key"):
            await board.ask(do="remove_key", key=step.split()[3])
        else:
            raise AssertionError(step)
        return ""

    def _code(self) -> str:
        return [str(each["code"]) for each in self.board.events if each.get("event") == "pairing_code"][-1]


async def test_an_operator_presses_the_buttons_of_a_board(tmp_path: Path) -> None:
    state, rig = tmp_path / "board", tmp_path / "rig"
    async with Child("keygw_sim.radio", "--controllers", "2", "--port", "0", "--follow-stdin") as radio:
        theirs, ours = radio.ready["transports"]
        made = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "keygw_sim.vehicle", "--state", str(state), "--identity",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        told, _ = await made.communicate()
        (tmp_path / "board.json").write_bytes(told)
        assert main(["prepare", str(rig), "--vehicle", str(tmp_path / "board.json"), "--json"]) == 0
        (state / "provisioning.json").write_bytes((rig / "provisioning.json").read_bytes())
        async with Child("keygw_sim.vehicle", "--state", str(state), "--transport", theirs, "--follow-stdin") as board:
            words = ["--target", ours, "--rig", str(rig), "--operator", "30", "--json", *only(BUTTONS)]
            kit = await operated(Bench(board).do, *words)
    assert {number: verdict for number, (verdict, _) in kit.verdicts.items()} == dict.fromkeys(BUTTONS, "pass"), kit.out
    assert kit.code == 0
    assert any(step.startswith("power the board") for step in kit.asked)


# -- a phone -------------------------------------------------------------------------------------------------------


def taken_in(step: str) -> Any:
    """The file that the step names."""
    named = re.search(r"(\S+\.json)", step)
    assert named is not None
    return json.loads(Path(named[1]).read_text())


class Hand:
    """Obeys the steps at a phone: here the simulated one in another process."""

    def __init__(self, phone: Child) -> None:
        self.phone = phone

    async def do(self, step: str) -> str:
        if step.startswith("tap "):
            told = await self.phone.ask(do="command", action=step.split()[1])
            return "y" if told["ok"] else "n"
        content = taken_in(step)
        order = {"do": "carry", "list": content} if "revocation list" in step else {"do": "accept", "key": content}
        await self.phone.ask(**order)
        return ""


async def test_an_app_meets_the_vehicle_that_the_kit_plays(tmp_path: Path) -> None:
    rig = tmp_path / "rig"
    async with Child("keygw_sim.radio", "--controllers", "2", "--port", "0", "--follow-stdin") as radio:
        theirs, ours = radio.ready["transports"]
        words = ["--transport", theirs, "--state", str(tmp_path / "phone"), "--events", "--follow-stdin"]
        async with Child("keygw_sim.phone", *words) as phone:
            (tmp_path / "phone.json").write_text(json.dumps(phone.ready))
            assert main(["prepare", str(rig), "--phone", str(tmp_path / "phone.json"), "--json"]) == 0
            await phone.ask(do="accept", key=json.loads((rig / "key.json").read_text()))
            line = ["--role", "device", "--target", ours, "--rig", str(rig), "--operator", "30", "--json"]
            kit = await operated(Hand(phone).do, *line, "--patience", "1", *only(ON_THE_PHONE))
            again = await operated(Hand(phone).do, *line, "--only", "KS-422")
    words_of = {number: verdict for number, (verdict, _) in kit.verdicts.items()}
    skipped = {"KS-313": "--patience 11"}
    assert words_of == {number: "skipped" if number in skipped else "pass" for number in ON_THE_PHONE}, kit.out
    assert all(why in (kit.verdicts[number][1] or "") for number, why in skipped.items())
    assert kit.code == 0
    assert again.code == 0, "the vehicle of the kit remembers what it did in the run before"


async def test_an_app_that_does_not_get_in_ends_the_run(tmp_path: Path) -> None:
    rig = tmp_path / "rig"
    (tmp_path / "phone.json").write_text(json.dumps({"public_key": PUBLIC_KEY}))
    assert main(["prepare", str(rig), "--phone", str(tmp_path / "phone.json"), "--json"]) == 0

    async def do(step: str) -> str:
        return "n"

    async with Child("keygw_sim.radio", "--controllers", "1", "--port", "0", "--follow-stdin") as radio:
        target = radio.ready["transports"][0]
        words = ["--role", "device", "--target", target, "--rig", str(rig), "--operator", "--only", "KS-203"]
        kit = await operated(do, *words)
    assert kit.code == 3
    assert "key.json" in kit.err


async def test_two_kits_do_not_play_one_vehicle(tmp_path: Path) -> None:
    made = prepare_device(tmp_path / "rig", decode_base64url(PUBLIC_KEY))
    asked, _ = operator()
    with only_kit(made.rig.vehicle.id), pytest.raises(BadInput, match="another kit is testing"):
        async with device_stand("usb:0", tmp_path / "rig", 0, asked):
            pass


async def test_a_radio_that_goes_away_under_the_kits_vehicle(tmp_path: Path) -> None:
    rig = tmp_path / "rig"
    (tmp_path / "phone.json").write_text(json.dumps({"public_key": PUBLIC_KEY}))
    assert main(["prepare", str(rig), "--phone", str(tmp_path / "phone.json"), "--json"]) == 0
    async with Child("keygw_sim.radio", "--controllers", "1", "--port", "0", "--follow-stdin") as radio:

        async def do(step: str) -> str:
            await radio.kill()
            return "y"

        target = radio.ready["transports"][0]
        words = ["--role", "device", "--target", target, "--rig", str(rig), "--operator", "--only", "KS-2"]
        kit = await operated(do, *words, "--html", str(tmp_path / "report.html"))
    assert kit.code == 3
    assert "the controller of the kit's vehicle has gone" in kit.err
    assert "Traceback" not in kit.err
    assert "next: nobody listens at" in kit.err
    assert "Broken off" in (tmp_path / "report.html").read_text()


# -- the answers ---------------------------------------------------------------------------------------------------


def operator(*lines: str | None, seconds: float = 10.0) -> tuple[Operator, list[str]]:
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    for line in lines:
        queue.put_nowait(line)
    said: list[str] = []
    return Operator(queue, said.append, seconds), said


async def nothing() -> None:
    pass


async def test_a_code_is_typed_again_until_it_is_one() -> None:
    asked, said = operator("1234", "3141 5926")
    assert await OperatorHands(asked, nothing).open_pairing() == "31415926"
    assert "a pairing code has 8 digits" in said[1]


async def test_a_board_that_opens_no_pairing_mode() -> None:
    asked, _ = operator("n")
    with pytest.raises(Conflict):
        await OperatorHands(asked, nothing).open_pairing()


@pytest.mark.parametrize("line", ["s", "skip"])
async def test_a_step_is_skipped(line: str) -> None:
    asked, _ = operator(line)
    with pytest.raises(Skip, match="has skipped it"):
        await OperatorHands(asked, nothing).reboot()


@pytest.mark.parametrize("line", ["q", None])
async def test_who_leaves_ends_the_run(line: str | None, tmp_path: Path) -> None:
    asked, _ = operator(line)
    with pytest.raises(Unplugged, match="ended the run"):
        await OperatorUser(asked, tmp_path).tap(Action.UNLOCK)


async def test_who_answers_too_late_answers_nothing() -> None:
    asked, _ = operator(seconds=0)
    with pytest.raises(Skip, match="not answered within"):
        await asked.yes("tap")
    asked._lines.put_nowait("y")
    asked._seconds = 0
    with pytest.raises(Skip, match="not answered within"):
        await asked.yes("tap again")


async def test_neither_yes_nor_no() -> None:
    asked, said = operator("maybe", "well", "hm")
    with pytest.raises(Skip, match="neither y nor n"):
        await asked.yes("tap")
    assert len(said) == 6


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (["--target", "virtual", "--operator"], "no_operator"),
        (["--role", "device", "--target", "usb:0"], "no_rig"),
        (["--role", "device", "--target", "usb:0", "--rig", "x"], "no_operator"),
        (["--role", "device", "--target", "bluez", "--rig", "x", "--operator"], "unknown_target"),
        (["--target", "usb:0", "--operator", "-1"], "bad_operator"),
    ],
)
def test_wrong_command_lines(line: list[str], code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line, "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["code"] == code


def test_rigs_are_not_mixed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "phone.json").write_text(json.dumps({"public_key": PUBLIC_KEY}))
    assert main(["prepare", str(tmp_path / "rig"), "--phone", str(tmp_path / "phone.json"), "--json"]) == 0
    capsys.readouterr()
    assert main(["--target", "usb:0", "--rig", str(tmp_path / "rig"), "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["code"] == "wrong_rig"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"public_key": "AA"}', '{"device": 3}'])
def test_a_phone_that_nobody_described(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "phone.json").write_text(content)
    assert main(["prepare", str(tmp_path / "rig"), "--phone", str(tmp_path / "phone.json"), "--json"]) == 2
    assert json.loads(capsys.readouterr().err)["code"] == "bad_phone"
