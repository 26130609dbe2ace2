"""What every benchmark shares: one kind of figure, and one way to time a call.

A benchmark is a file ``bench_*.py`` here with ``GROUP: str`` and ``figures() -> Iterable[Figure]``. The runner finds it
by its name; importing it must cost nothing, since ``--only`` decides by ``GROUP`` whether it runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number. ``goal``: the most it may be, or the least where ``more_is_better``; None: only shown."""

    name: str
    group: str
    value: float
    unit: str
    goal: float | None = None
    more_is_better: bool = False
    detail: dict[str, object] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        if self.goal is None:
            return True
        return self.value >= self.goal if self.more_is_better else self.value <= self.goal

    def as_json(self) -> dict[str, object]:
        """``{"name", "group", "value", "unit", "goal", "ok", "detail"}``."""
        row = asdict(self)
        del row["more_is_better"]
        detail = row.pop("detail")
        return {**row, "value": round(self.value, 6), "ok": self.ok, "detail": detail}


def microseconds(call: Callable[[], object], *, rounds: int = 7, seconds: float = 0.05) -> float:
    """Microseconds that one call takes: the best of ``rounds``, each repeated for about ``seconds``.

    The best, not the mean: what else the machine does can only add time.
    """
    start = time.perf_counter()
    call()
    once = max(time.perf_counter() - start, 1e-7)
    repeats = max(1, round(seconds / once))
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        best = min(best, (time.perf_counter() - start) / repeats)
    return best * 1e6
