"""Every attack of the story book, against the real parts: it gets what is stated, and leaves what is stated."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from keygw.ble.trace.capture import packets
from keygw.ble.trace.watcher import Watcher
from keygw.session.core import HANDSHAKE_SECONDS
from keygw_sim.attacker.__main__ import main
from keygw_sim.attacker.attack import Attack, attack, book, carry_out
from keygw_sim.attacker.page import TITLES, tables
from keygw_sim.attacker.scene import Scene
from keygw_sim.attacker.slow_time import in_slow_time
from keygw_sim.attacker.tools import UNLINKED, in_common

BOOK = book()
TAGS = "list-rolled-back", "token-stolen"


@pytest.mark.parametrize("name", BOOK)
async def test_it_comes_as_stated(name: str, tmp_path: Path) -> None:
    verdict = await carry_out(BOOK[name], tmp_path)
    assert (verdict.got, verdict.recorded) == (BOOK[name].expected, BOOK[name].recorded)
    assert verdict.held


def test_what_is_not_stopped_says_what_remains() -> None:
    silent = [one.name for one in BOOK.values() if not one.stopped and not one.remains]
    assert silent == []
    assert {one.group for one in BOOK.values()} == set(TITLES)


def test_the_page_has_the_tables(repository: Path) -> None:
    page = (repository / "docs/explanation/attacks.md").read_text("utf-8")
    written = page.split("make_attacks_page.py -->\n")[1].split("<!-- attacks end")[0]
    assert written == f"\n{tables()}\n", "write them again: python tools/make_attacks_page.py"


async def test_the_page_has_what_is_measured(repository: Path, tmp_path: Path) -> None:
    page = (repository / "docs/explanation/attacks.md").read_text("utf-8")
    slow = await carry_out(BOOK["relay-slow"], tmp_path / "slow")
    held = await carry_out(BOOK["relay-holds-the-proof"], tmp_path / "held")
    told, opened = re.findall(r"[\d.]+ s a leg|[\d.]+ s and the car", slow.detail)
    assert f"still hears that it is done | {told.split()[0]} s" in page
    assert f"the car still opens | {opened.split()[0]} s" in page
    assert held.detail == f"after {HANDSHAKE_SECONDS - 0.1} s it still opens"
    assert f"still opens the car | {HANDSHAKE_SECONDS:.0f} s from message_1" in page


# -- the runner ------------------------------------------------------------------------------------------------------


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> dict[str, Attack]:
    """A book of two real attacks, to which a test may add."""
    made = {name: BOOK[name] for name in TAGS}
    monkeypatch.setattr("keygw_sim.attacker.__main__.book", lambda: made)
    return made


def entered(name: str, expected: str, *, opens: bool) -> Attack:
    """An attack of the test's own, which gets ``got`` and may leave the car open; it is in no book afterwards."""
    from keygw_sim.attacker import attack as room

    @attack(name, "does it", protects="nothing", expected=expected)
    async def story(scene: Scene) -> str:
        if opens:
            scene.garage.brain.set_body({"locked": False})
        return "got"

    assert story is not None
    return room._book.pop(name)


@pytest.mark.parametrize(
    ("expected", "opens", "held"), [("got", False, True), ("other", False, False), ("got", True, False)]
)
async def test_an_attack_is_judged(expected: str, opens: bool, held: bool, tmp_path: Path) -> None:
    one = entered("of the test", expected, opens=opens)
    verdict = await carry_out(one, tmp_path)
    assert verdict.held is held
    assert verdict.got == ("breach: the car is open" if opens else "got")


def test_the_runner_tells_and_exits_by_the_worst(shelf: dict[str, Attack], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(list(TAGS)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["held", "list-rolled-back", "key_revoked"],
        ["held", "token-stolen", "refused"],
    ]
    assert lines[-1] == "2 attacks, all as stated: 2 held"
    shelf["bad"] = entered("bad", "done", opens=True)
    assert main([]) == 1
    said = capsys.readouterr().out
    assert "BROKEN     bad" in said
    assert "done, but came: breach: the car is open" in said
    assert said.endswith("3 attacks, 1 BROKEN\n")


@pytest.mark.usefixtures("shelf")
def test_the_runner_in_json_by_group_and_by_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokens", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["attacks"]
    assert (told["name"], told["verdict"], told["got"]) == ("token-stolen", "held", "refused")
    assert told["recorded"] == told["got_recorded"] == ["log: refused protocol_violation"]
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("token-stolen")
    assert main(["--list", "--json"]) == 0
    assert [one["group"] for one in json.loads(capsys.readouterr().out)["attacks"]] == ["lists", "tokens"]
    assert main(["no such"]) == 2
    assert "no attack or group is called no such" in capsys.readouterr().err


async def test_captures_are_kept_of_cars_and_of_radios(tmp_path: Path) -> None:
    """Of a car in memory and of one on the air: what the attacker said is in it, and every record can be told."""
    kept_of = {"token-stolen": [""], "relay-to-another-car": [".car-2"], "air-replay": ["", ".radio-1"]}
    for name, kept in kept_of.items():
        await carry_out(BOOK[name], tmp_path / name, tmp_path)
        for ending in kept:
            with (tmp_path / f"{name}{ending}.btsnoop").open("rb") as file:
                watcher = Watcher()
                records = [record for packet in packets(file) for record in watcher.take(packet)]
            assert [record for record in records if record.kind == "unmapped"] == []
            assert "MESSAGE_1" in [record.message.name for record in records if record.message is not None], name


# -- the tools -------------------------------------------------------------------------------------------------------


async def test_slow_time_passes_at_once_and_is_told() -> None:
    told: list[float] = []

    async def story(clock: Callable[[], float]) -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 3600)
        return clock()

    assert await in_slow_time(story, told.append, 5.0) == pytest.approx(3605.0)
    assert told[0] == 5.0
    assert told[-1] == pytest.approx(3605.0)


def test_what_two_have_in_common_is_seen() -> None:
    assert in_common([b"abcdefgh"], [b"xxcdefghyy"]) == f"in common: {b'cdefgh'.hex()}"
    assert in_common([b"abcdefgh", b"cdefgh"], [b"abcde", b"fgh"]) == UNLINKED
