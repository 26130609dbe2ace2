"""What a check of ``keygw doctor`` says: one thing looked at, how it is, and what would mend it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """``seen``: what is there. ``fix``: one line of advice, empty where none is needed."""

    name: str
    status: Verdict
    seen: str
    fix: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def ok(name: str, seen: str) -> Check:
    return Check(name, Verdict.OK, seen)


def warn(name: str, seen: str, fix: str) -> Check:
    return Check(name, Verdict.WARN, seen, fix)


def fail(name: str, seen: str, fix: str) -> Check:
    return Check(name, Verdict.FAIL, seen, fix)


def skipped(name: str, seen: str) -> Check:
    return Check(name, Verdict.SKIPPED, seen)
