"""What the adversary does to links: rates, per frame, of each thing that can happen to one."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields

LATENCY = (0.004, 0.03)
"""Seconds that a frame takes on a good day: a connection interval or so."""
LATE = (0.5, 6.0)
"""Seconds that a delayed one takes: more than a time-out at times."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Chances from 0 to 1 that a frame meets with this. ``reorder``: overtaken by those behind it."""

    drop: float = 0.0
    duplicate: float = 0.0
    delay: float = 0.0
    reorder: float = 0.0
    corrupt: float = 0.0
    cut: float = 0.0

    def carry(self, frame: bytes, chance: random.Random) -> list[tuple[float, bytes, bool]] | None:
        """``(seconds, frame, in order)`` for each copy that arrives. ``None``: the link is cut, and nothing does."""
        if self is CLEAR:
            return [(chance.uniform(*LATENCY), frame, True)]
        met = [name for name in KINDS if chance.random() < getattr(self, name)]
        if "cut" in met:
            return None
        if "drop" in met:
            return []
        if "corrupt" in met:
            at = chance.randrange(len(frame))
            frame = frame[:at] + bytes((frame[at] ^ 1 << chance.randrange(8),)) + frame[at + 1 :]
        seconds = chance.uniform(*(LATE if "delay" in met else LATENCY))
        copies = [(seconds, frame, "reorder" not in met)]
        if "reorder" in met:
            copies = [(seconds + chance.uniform(0.05, 0.5), frame, False)]
        if "duplicate" in met:
            copies.append((seconds + chance.uniform(*LATENCY), frame, True))
        return copies


KINDS = tuple(sorted(field.name for field in fields(Weather)))
CLEAR = Weather()
