"""What a check says when it is not content, and what becomes of a requirement."""

from __future__ import annotations

from enum import StrEnum


class Failed(Exception):
    """The peer has not done what the requirement asks; the sentence says what it did."""


class Skip(Exception):
    """This cannot be tried here; the sentence says what it would take."""


class Unplugged(Exception):
    """The radio or the board has gone in the middle: nothing more can be tried. ``cure``: what to do next."""

    LOOK = "look at the radio: keygw doctor"

    def __init__(self, why: str, cure: str = LOOK) -> None:
        super().__init__(why)
        self.cure = cure


class Word(StrEnum):
    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    SKIPPED = "skipped"
    HIDDEN = "not observable"


def must(holds: bool, otherwise: str) -> None:
    """``Failed`` unless it holds."""
    if not holds:
        raise Failed(otherwise)
