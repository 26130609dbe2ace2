"""The simulated world: it repeats itself, it holds, and each of its invariants can fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from keygw.bridge.errands import Errands
from keygw.model.command import Outcome
from keygw.model.errors import BadInput
from keygw.session.channel import _Direction
from keygw.store import audit_store
from keygw.store.inline import InlineDatabase
from keygw.token.audit import GENESIS, link
from keygw.vehicle.conversation import Conversation
from keygw_sim.phone.phone import Phone
from keygw_sim.vehicle import rules
from keygw_sim.vehicle.flash import Memory
from keygw_sim.world.__main__ import main
from keygw_sim.world.corpus import Case
from keygw_sim.world.flash import FragileFlash
from keygw_sim.world.model import Invariant
from keygw_sim.world.shrink import same_failure, shrink
from keygw_sim.world.simulation import Verdict, run
from keygw_sim.world.steps import DAY, Cast, Kind, Step, plan, soak
from keygw_sim.world.weather import KINDS

CASES = sorted((Path(__file__).parent / "world_cases").glob("*.json"))
Defect = Callable[[], AbstractContextManager[object]]


def bits(*kinds: str) -> int:
    return sum(1 << KINDS.index(kind) for kind in kinds)


def found(verdict: Verdict) -> set[Invariant]:
    return {violation.invariant for violation in verdict.violations}


@pytest.mark.parametrize("seed", ["1", "2", "3"])
def test_a_world_holds(seed: str) -> None:
    verdict = run(seed, plan(seed, 4000, Cast()), enough=250)
    assert verdict.violations == []
    assert verdict.unlocks.total() >= 250
    assert min(verdict.unlocks["cold"], verdict.unlocks["fast"], verdict.unlocks["session"]) > 0
    assert verdict.lives > 1  # it died, and was opened again
    assert verdict.boots > len(range(2))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_what_was_mended_stays_so(path: Path) -> None:
    case = Case.read(path)
    assert run(case.seed, case.steps, case.cast).violations == [], case.why


def test_a_soak_settles_every_command() -> None:
    verdict = run("short soak", soak("short soak", 250, Cast()), Cast())
    assert verdict.violations == []
    assert verdict.commands.total() >= 245  # the rest was refused while too many waited
    assert verdict.commands["confirmed"] > 100
    assert verdict.commands["unknown, then confirmed"] > 5
    assert verdict.commands["unknown, then failed"] > 0
    assert "unknown" not in verdict.commands


# The same seed, the same world


def test_it_repeats_itself_to_the_byte() -> None:
    steps = plan("again", 60, Cast())
    first, second = run("again", steps), run("again", steps)
    assert first == second
    assert first.frames > 500
    assert run("other", steps).digest != first.digest


def test_it_repeats_itself_in_another_process(tmp_path: Path) -> None:
    """With other hashes: nothing hangs on the order of a set."""
    here = run("process", plan("process", 40, Cast()))
    command = [
        sys.executable,
        "-m",
        "keygw_sim.world",
        "--seed",
        "process",
        "--steps",
        "40",
        "--json",
        "--keep",
        str(tmp_path),
    ]
    environment = {**os.environ, "PYTHONHASHSEED": "4711"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    told = json.loads(done.stdout)
    assert told["ok"] is True
    assert told["worlds"][0]["digest"] == here.digest


# Each invariant can fail


def forgetful_flash() -> AbstractContextManager[object]:
    """A car that comes up without its revocation list."""
    load = FragileFlash.load

    def forgets(self: FragileFlash) -> Memory | None:
        memory = load(self)
        return None if memory is None else replace(memory, list_sequence=0, list_signed=b"")

    return mock.patch.object(FragileFlash, "load", forgets)


def unwritten_commits() -> AbstractContextManager[object]:
    """A disk that forgets what was committed since the gateway began."""
    restore = InlineDatabase.restore

    async def remembers(image: bytes, *through: object) -> InlineDatabase:
        database = await restore(image, *through)  # type: ignore[arg-type]  # handed on as it came
        database.image = lambda: image  # type: ignore[method-assign]  # the defect
        return database

    return mock.patch.object(InlineDatabase, "restore", remembers)


def standing_counter() -> AbstractContextManager[object]:
    """A channel whose counter stands still."""

    def next_(self: _Direction, message_type: int) -> tuple[bytes, bytes]:
        return self._iv.to_bytes(12, "big"), self._prefix + bytes((message_type,))

    return mock.patch.object(_Direction, "next", next_)


def breaking_phone() -> AbstractContextManager[object]:
    async def breaks(self: Phone, action: object) -> None:
        raise LookupError("a bug")

    return mock.patch.object(Phone, "command", breaks)


NEVER = property(lambda self: False, lambda self, value: None)
"""What stays false whatever is said."""
SHARED = Step(Kind.SHARE, amount=DAY)
USED = Step(Kind.PHONE, times=3)
GARBLED = Step(Kind.WEATHER, times=bits("corrupt"), amount=0.08)
DEFECTS: dict[Invariant, tuple[Defect, Sequence[Step]]] = {
    Invariant.GRANT: (
        lambda: mock.patch.object(rules, "_judge_list", return_value=Outcome.DONE),
        [SHARED, USED, Step(Kind.REVOKE), Step(Kind.APP), USED],
    ),
    Invariant.SEQUENCE: (forgetful_flash, [SHARED, Step(Kind.SUSPEND), Step(Kind.APP, times=2), Step(Kind.REBOOT)]),
    Invariant.SURVIVES: (unwritten_commits, [SHARED, Step(Kind.CRASH, times=1), Step(Kind.APP), Step(Kind.APP)]),
    Invariant.NONCE: (standing_counter, [SHARED, USED]),
    Invariant.AUDIT: (
        lambda: mock.patch.object(audit_store, "link", lambda _, sequence, entry: link(GENESIS, sequence, entry)),
        [SHARED],
    ),
    Invariant.HONEST: (
        lambda: mock.patch.object(Errands, "request", return_value=None),
        [SHARED, Step(Kind.SUSPEND)],
    ),
    Invariant.ONCE: (
        lambda: mock.patch.object(Memory, "answer_to", return_value=None),
        [SHARED, USED, GARBLED, *(Step(Kind.PHONE, times=4) for _ in range(40))],
    ),
    Invariant.TRUTH: (
        lambda: mock.patch.object(Conversation, "proof_sent", NEVER, create=True),
        [Step(Kind.WEATHER, times=bits("cut"), amount=0.1), *(Step(Kind.APP, times=4) for _ in range(12))],
    ),
    Invariant.SOUND: (breaking_phone, [SHARED, USED]),
}


@pytest.mark.parametrize("invariant", Invariant, ids=lambda invariant: invariant.name.lower())
def test_a_planted_defect_is_caught(invariant: Invariant) -> None:
    defect, steps = DEFECTS[invariant]
    assert run("planted", steps, Cast(1, 1)).violations == []
    with defect():
        assert invariant in found(run("planted", steps, Cast(1, 1)))


def test_one_that_accepts_a_nonce_twice_is_caught() -> None:
    """The other half of that invariant: who seals is sound, who opens is not."""
    took: list[tuple[bytes, bytes]] = []
    next_ = _Direction.next

    def again(self: _Direction, message_type: int) -> tuple[bytes, bytes]:
        before = self._counter
        place = next_(self, message_type)
        if message_type == 0x34:  # RECEIPT: the device's side takes it, and goes back by one
            self._counter = before
            took.append(place)
        return place

    with mock.patch.object(_Direction, "next", again):
        verdict = run("planted", [SHARED, *([USED] * 3), Step(Kind.APP, times=6)], Cast(1, 1))
    assert took
    assert Invariant.NONCE in found(verdict)


# What failed is made short, kept, and played again


def test_a_failing_world_is_made_short() -> None:
    defect, needed = DEFECTS[Invariant.GRANT]
    beside = [
        step for step in plan("beside", 80, Cast()) if step.kind in (Kind.WAIT, Kind.CLEAR, Kind.FETCH, Kind.AWAY)
    ]
    steps = [*beside[:5], *needed[:3], *beside[5:10], *needed[3:]]
    fails = same_failure("short", Invariant.GRANT)
    with defect():
        assert fails(steps, Cast())
        short, cast = shrink(steps, Cast(), fails)
        assert fails(short, cast)
        assert not any(fails([*short[:at], *short[at + 1 :]], cast) for at in range(len(short)))
    assert len(short) <= len(needed)
    assert cast == Cast(1, 1)
    assert run("short", short, cast).violations == []  # it was the defect


def test_a_failing_seed_is_told_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    defect, _ = DEFECTS[Invariant.SOUND]
    with defect():
        code = main(["--seed", "5", "--steps", "30", "--jobs", "1", "--keep", str(tmp_path)])
        told = capsys.readouterr()
        assert code == 1
        assert "seed 5: nothing breaks in an unforeseen way" in told.err
        [path] = tmp_path.iterdir()
        assert main(["--case", str(path)]) == 1
    case = Case.read(path)
    assert [step.kind for step in case.steps] == [Kind.SHARE, Kind.PHONE] or len(case.steps) < 3
    capsys.readouterr()
    assert main(["--case", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"v": 2, "seed": "1", "cars": 1, "friends": 1, "why": "", "steps": []}',
     '{"v": 1, "seed": "1", "cars": 0, "friends": 1, "why": "", "steps": []}',
     '{"v": 1, "seed": "1", "cars": 1, "friends": 1, "why": "", "steps": [["fly", 0, 1, 0, true]]}',
     '{"v": 1, "seed": "1", "cars": 1, "friends": 1, "why": "", "steps": [["wait", 0, 1, 1e99, true]]}'],
)  # fmt: skip
def test_a_broken_case_is_told(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "case.json"
    path.write_text(text)
    with pytest.raises(BadInput):
        Case.read(path)
    assert main(["--case", str(path)]) == 2
    assert str(path) in capsys.readouterr().err


def test_a_case_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert main(["--case", str(tmp_path / "none.json")]) == 2


def test_a_case_comes_back_as_it_was(tmp_path: Path) -> None:
    case = Case("7", Cast(2, 3), tuple(plan("7", 40, Cast(2, 3))), "why")
    case.write(tmp_path / "case.json")
    assert Case.read(tmp_path / "case.json") == case
