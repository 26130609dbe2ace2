"""Lets the body's own time pass, at its own pace: what changes by itself is neither told nor written at every tick."""

from __future__ import annotations

import math
from collections.abc import Callable

from keygw_sim.vehicle.keeper import Keeper, Log

MAX_STEP_SECONDS = 60.0
"""Between two ticks: a car that nobody has ticked for a week (its process slept) has not driven on meanwhile."""
TELL_SECONDS = 5.0
"""Charge, distance and place change all the time; they are told this often, as a real car's do."""
WRITE_SECONDS = 30.0
MAX_WARP = 10_000.0
_SLOW = frozenset(
    {"battery", "low_voltage", "odometer", "trip", "latitude", "longitude", "waking", "rested"}
)  # fmt: skip


class Drift:
    """``monotonic``: the session's seconds, of which each is ``warp`` of the body's."""

    def __init__(self, keeper: Keeper, monotonic: Callable[[], float], log: Log) -> None:
        self.warp = 1.0
        self._keeper = keeper
        self._monotonic = monotonic
        self._log = log
        self._ticked_at = self._told_at = self._written_at = monotonic()

    def set_warp(self, factor: float) -> None:
        """``ValueError`` unless it is 0 (it stands still) to 10000. What has passed has passed at the former pace."""
        if not isinstance(factor, int | float) or not math.isfinite(factor) or not 0 <= factor <= MAX_WARP:
            raise ValueError(f"a body's clock runs 0 to {MAX_WARP:g} times as fast")
        self.tick()
        self.warp = float(factor)

    def tick(self) -> bool:
        """Whether subscribers are to hear of it now."""
        now = self._monotonic()
        passed, self._ticked_at = min(now - self._ticked_at, MAX_STEP_SECONDS), now
        due = now - self._written_at >= WRITE_SECONDS
        try:
            changed = self._keeper.pass_time(passed * self.warp, due)
        except OSError as error:  # the next tick tries again
            self._log("flash_failed", {"why": error.strerror or str(error)})
            return False
        if due:
            self._written_at = now
        sudden = changed - _SLOW
        if sudden:
            body = self._keeper.body
            self._log("body_changed", {part: getattr(body, part) for part in sorted(sudden)})
        if not sudden and (not changed or now - self._told_at < TELL_SECONDS):
            return False
        self._told_at = now
        return True
