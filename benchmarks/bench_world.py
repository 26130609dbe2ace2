"""Simulated unlocks a second: whole worlds, one process on each core (``make world SEEDS=200`` is the full count)."""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchmarks.harness import Figure

from keygw_sim.world.runs import Wish, live_all

GROUP = "world"
SEEDS = 20
"""Of 500 unlocks each."""
GOAL = 400.0


def figures() -> Iterator[Figure]:
    jobs = min(os.cpu_count() or 1, SEEDS)
    total = live_all([str(seed) for seed in range(1, SEEDS + 1)], Wish(), jobs, lambda verdict: None)
    detail: dict[str, object] = {
        "unlocks": total.unlocks.total(), **total.unlocks, "seeds": total.seeds, "processes": jobs,
        "frames": total.frames, "gateway_lives": total.lives,
    }  # fmt: skip
    yield Figure("simulated unlocks a second", GROUP, total.rate, "1/s", goal=GOAL, more_is_better=True, detail=detail)
    yield Figure("violations in them", GROUP, float(total.violations), "", goal=0.0)
