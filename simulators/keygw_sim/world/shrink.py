"""Makes a list of steps that fails as short as it gets, still failing in the same way.

Delta debugging: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from keygw_sim.world.model import Invariant
from keygw_sim.world.simulation import Verdict, run
from keygw_sim.world.steps import Cast, Step

MOST_RUNS = 400
Fails = Callable[[Sequence[Step], Cast], bool]


def shrink(steps: Sequence[Step], cast: Cast, fails: Fails, most: int = MOST_RUNS) -> tuple[list[Step], Cast]:
    """The fewest steps, the smallest cast and the plainest steps found that still fail, within so many runs."""
    left = most

    def still(steps: Sequence[Step], cast: Cast) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and fails(steps, cast)

    found = _fewest(list(steps), lambda some: still(some, cast))
    for smaller in (Cast(1, 1), Cast(1, cast.friends), Cast(cast.cars, 1)):
        if smaller != cast and still(found, smaller):
            cast = smaller
            break
    for at, step in enumerate(found):
        for plainer in _plainer(step):
            some = [*found[:at], plainer, *found[at + 1 :]]
            if still(some, cast):
                found = some
                break
    return _fewest(found, lambda some: still(some, cast)), cast


def same_failure(seed: str, invariant: Invariant, run: Callable[[str, Sequence[Step], Cast], Verdict] = run) -> Fails:
    """Whether that world breaks that invariant; whatever else it breaks."""

    def fails(steps: Sequence[Step], cast: Cast) -> bool:
        return any(each.invariant is invariant for each in run(seed, steps, cast).violations)

    return fails


def _fewest(steps: list[Step], fails: Callable[[list[Step]], bool]) -> list[Step]:
    parts = 2
    while len(steps) > 1:
        size = -(-len(steps) // parts)
        for at in range(0, len(steps), size):
            without = steps[:at] + steps[at + size :]
            if fails(without):
                steps, parts = without, max(parts - 1, 2)
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(steps))
    return [] if len(steps) == 1 and fails([]) else steps


def _plainer(step: Step) -> list[Step]:
    """The same with less in it, the plainest first."""
    found = [replace(step, times=1, alone=True), replace(step, times=1), replace(step, alone=True)]
    return [each for each in found if each != step]
