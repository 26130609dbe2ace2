"""Runs the checks and judges the requirements."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keygw.model.errors import KeygwError, LinkError
from keygw_sim.conformance.bench import CHECKS, Bench, Entry, lost
from keygw_sim.conformance.ports import Ground, Hands
from keygw_sim.conformance.registry import Requirement, Role, requirements
from keygw_sim.conformance.rig import Rig
from keygw_sim.conformance.tape import Line, Tape
from keygw_sim.conformance.verdict import Failed, Skip, Unplugged, Word

CHECK_SECONDS = 120.0
"""One check, at most: the slowest makes a hundred connections."""
HEAR_S = 8.0
NOT_HEARD = "is the board on, near, the one this rig is for, and its rotating id made with the advertising key it told?"


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one check. ``why``: what was wrong, or what was missing."""

    name: str
    word: Word
    why: str
    evidence: tuple[Line, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one requirement: the worst of its checks."""

    requirement: Requirement
    word: Word
    why: str
    tried: tuple[Tried, ...] = ()


@dataclass(slots=True)
class Report:
    """``broken_off``: why the run ended before its end, empty if it did not; ``cure``: what to do about that.

    ``doubt``: why the board may not be ready to be tested, and what to do about that.
    """

    target: str
    role: Role
    verdicts: list[Verdict]
    broken_off: str = ""
    cure: str = ""
    doubt: str = ""

    def break_off(self, gone: Unplugged) -> None:
        """Nothing more can be tried."""
        self.broken_off, self.cure = str(gone), gone.cure

    def count(self, word: Word) -> int:
        return sum(verdict.word is word for verdict in self.verdicts)

    @property
    def ok(self) -> bool:
        return not self.broken_off and not self.count(Word.FAIL)


Told = Callable[[Verdict], None]


@dataclass(frozen=True, slots=True)
class Stand:
    """What a run needs: where the vehicle is met, with which keys, and who sits in it. ``seconds``: for one check.

    ``board``: the folder of the rig, where the vehicle is a board that somebody had to provision with it.
    """

    ground: Ground
    rig: Rig
    hands: Hands
    seconds: float = CHECK_SECONDS
    board: Path | None = None


async def try_one(stand: Stand, entry: Entry) -> Tried:
    """``Unplugged`` once there is nothing left to try it on."""
    tape = Tape(stand.ground.clock)
    bench = Bench(stand.ground, stand.rig, stand.hands, tape)
    word, why = Word.PASS, ""
    try:
        if entry.radio and stand.ground.in_memory:
            raise Skip("it shows on a radio alone; links in memory have none")
        async with asyncio.timeout(stand.seconds):
            await entry.run(bench)
    except Unplugged:
        raise
    except Skip as skipped:
        word, why = Word.SKIPPED, str(skipped)
    except Failed as failed:
        word, why = Word.FAIL, str(failed)
    except TimeoutError:
        word, why = Word.FAIL, f"not done after {stand.seconds:g} s"
    except LinkError as error:
        if lost(error):
            raise Unplugged(str(error)) from error
        if error.code == "out_of_range":
            await be_there(stand)
        word, why = Word.FAIL, f"the link failed: {error}"
    except KeygwError as error:
        word, why = Word.FAIL, f"what it said does not hold: {error}"
    except Exception as error:  # what a peer says may trip the kit itself; the others are still to be tried
        word, why = Word.FAIL, f"the kit broke down on what it said: {error!r}"
    finally:
        await bench.leave()
    return Tried(entry.name, word, why, tuple(tape.lines))


async def be_there(stand: Stand) -> None:
    """``Unplugged`` if the vehicle is not heard: on a board it may have no power any more."""
    if stand.ground.in_memory:
        return
    try:
        heard = await stand.ground.hear(HEAR_S)
    except LinkError as error:
        raise Unplugged(str(error)) from error
    if not heard:
        raise Unplugged("nothing advertises under the advertising key of the rig", NOT_HEARD)


async def doubt(stand: Stand) -> str:
    """Why the board may not trust this rig: it refuses the very owner that it was provisioned with. Everything else may
    hold, so it is tried all the same. ``Unplugged``."""
    if stand.board is None:
        return ""
    met = await try_one(stand, Entry("", "the owner of the rig is let in", _enter))
    if met.word is not Word.FAIL:
        return ""
    return (
        f"the board refuses the owner of the rig in {stand.board} ({met.why}); if it should not, it has not taken "
        f"{stand.board / 'provisioning.json'}, or another rig came later: provision it, or prepare a new rig"
    )


async def _enter(bench: Bench) -> None:
    await bench.enter()


def judge(requirement: Requirement, tried: Sequence[Tried]) -> Verdict:
    """Failed if one check failed; skipped if none failed and one was skipped."""
    for word in (Word.FAIL, Word.SKIPPED):
        found = [one for one in tried if one.word is word]
        if found:
            return Verdict(requirement, word, "; ".join(dict.fromkeys(one.why for one in found)), tuple(tried))
    return Verdict(requirement, Word.PASS, "", tuple(tried))


async def run(stand: Stand, target: str, only: Collection[str] = (), told: Told = lambda verdict: None) -> Report:
    """Every requirement of a vehicle (of ``only`` these), in the order of the registry."""
    report = Report(target, Role.VEHICLE, [])
    try:
        await be_there(stand)
        report.doubt = await doubt(stand)
    except Unplugged as gone:
        report.break_off(gone)
    for requirement in chosen(Role.VEHICLE, only):
        report.verdicts.append(await _one(stand, requirement, report))
        told(report.verdicts[-1])
    return report


async def _one(stand: Stand, requirement: Requirement, report: Report) -> Verdict:
    if requirement.hidden:
        return Verdict(requirement, Word.HIDDEN, requirement.hidden)
    if report.broken_off:
        return Verdict(requirement, Word.SKIPPED, f"not tried: {report.broken_off}")
    tried = []
    for entry in checks_of(requirement.id):
        try:
            tried.append(await try_one(stand, entry))
        except Unplugged as gone:
            report.break_off(gone)
            return Verdict(requirement, Word.SKIPPED, f"not tried: {gone}", tuple(tried))
    return judge(requirement, tried)


def checks_of(number: str) -> list[Entry]:
    """Of a vehicle's requirement."""
    import keygw_sim.conformance.checks  # noqa: F401, PLC0415 - importing them enters them

    return [entry for entry in CHECKS if entry.requirement == number]


def chosen(role: Role, only: Collection[str] = ()) -> list[Requirement]:
    """The requirements of that side; ``only``: numbers, or beginnings of numbers (``KS-9``). ``KeyError`` for one
    that begins none."""
    mine = [each for each in requirements().values() if each.of(role)]
    for word in only:
        if not any(each.id.startswith(word) for each in mine):
            raise KeyError(word)
    return [each for each in mine if not only or _among(each.id, only)]


def _among(number: str, only: Iterable[str]) -> bool:
    return any(number.startswith(word) for word in only)
