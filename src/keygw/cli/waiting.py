"""Asking again until something is so, at a bounded pace and for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_S = 0.1
LONGEST_S = 2.0


def until(
    ask: Callable[[], T],
    done: Callable[[T], bool],
    seconds: float,
    first: T,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """The first answer that is ``done``, or the last one when the time is up. ``first``: the answer already there."""
    deadline = clock() + seconds
    answer, pause = first, FIRST_S
    while not done(answer):
        left = deadline - clock()
        if left <= 0:
            break
        sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_S)
        answer = ask()
    return answer
