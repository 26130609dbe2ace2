"""Many worlds in several processes, what they showed, added up, and what to do with one that failed."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from keygw_sim.world.corpus import Case
from keygw_sim.world.shrink import MOST_RUNS, same_failure, shrink
from keygw_sim.world.simulation import Verdict, run
from keygw_sim.world.steps import Cast, plan, soak

UNLOCKS = 500
"""Enough of them end a world."""
MOST_STEPS = 4000
"""Of one world that looks for a number of unlocks."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What each world is to be. ``unlocks``: enough of them end it; ``soaked``: a soak of so many commands instead."""

    steps: int = MOST_STEPS
    unlocks: int | None = UNLOCKS
    soaked: int = 0
    cast: Cast = field(default_factory=Cast)

    def live(self, seed: str) -> Verdict:
        if self.soaked:
            return run(seed, soak(seed, self.soaked, self.cast), self.cast)
        return run(seed, plan(seed, self.steps, self.cast), self.cast, self.unlocks)

    def failed(self, verdict: Verdict) -> Case:
        """The case of a world that broke, as long as it was."""
        steps = soak(verdict.seed, self.soaked, self.cast) if self.soaked else plan(verdict.seed, self.steps, self.cast)
        why = str(verdict.violations[0])
        return Case(verdict.seed, self.cast, tuple(steps[: verdict.steps]), why)


@dataclass(slots=True)
class Total:
    """Of all worlds. ``digest``: of their digests, in the order of their seeds."""

    seeds: int = 0
    unlocks: Counter[str] = field(default_factory=Counter)
    tries: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    violations: int = 0
    frames: int = 0
    lives: int = 0
    boots: int = 0
    days: float = 0.0
    seconds: float = 0.0
    """Of real time."""
    cpu_seconds: float = 0.0
    """Of all processes: on a machine that others load as well, what it has really cost."""
    digest: str = ""

    def add(self, verdict: Verdict) -> None:
        self.seeds += 1
        self.unlocks += verdict.unlocks
        self.tries += verdict.tries
        self.commands += verdict.commands
        self.violations += len(verdict.violations)
        self.frames += verdict.frames
        self.lives += verdict.lives
        self.boots += verdict.boots
        self.days += verdict.seconds / 86_400
        self.digest = sha256(f"{self.digest}{verdict.digest}".encode()).hexdigest()

    @property
    def rate(self) -> float:
        """Unlocks a second."""
        return self.unlocks.total() / self.seconds if self.seconds else 0.0


def live_all(seeds: Sequence[str], wish: Wish, jobs: int, tell: Callable[[Verdict], None]) -> Total:
    """Live through all of them; ``tell`` hears of each, in their order."""
    total, began, worked = Total(), time.perf_counter(), _cpu_seconds()
    for verdict in _each(seeds, wish, jobs):
        total.add(verdict)
        tell(verdict)
    total.seconds, total.cpu_seconds = time.perf_counter() - began, _cpu_seconds() - worked
    return total


def _cpu_seconds() -> float:
    """Of this process, and of those that it has seen end."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _each(seeds: Sequence[str], wish: Wish, jobs: int) -> Iterator[Verdict]:
    if jobs == 1:
        yield from map(wish.live, seeds)
        return
    # Spawned, not forked: a world must not depend on what its process has done before.
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(wish.live, seeds)


def keep(case: Case, folder: Path, most: int = MOST_RUNS) -> tuple[Case, Path]:
    """Make it as short as it gets, and write it to the folder. As it was, if it does not fail once more."""
    first = run(case.seed, case.steps, case.cast).violations
    if first:
        steps, cast = shrink(case.steps, case.cast, same_failure(case.seed, first[0].invariant), most)
        again = run(case.seed, steps, cast).violations
        case = replace(case, steps=tuple(steps), cast=cast, why=str(again[0]) if again else case.why)
    path = folder / f"{first[0].invariant.name.lower() if first else 'unsteady'}-{case.seed}.json"
    case.write(path)
    return case, path
