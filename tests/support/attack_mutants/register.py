"""Where the rules that are taken away are entered, each with the attack that must then succeed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

CAR, ENGINE = "breach: the car is open", "breach: the engine runs"
Mutant = Callable[[pytest.MonkeyPatch], None]
MUTANTS: list[Any] = []
"""The attack, the rule that is taken away, and how that begins which the attacker gets then."""


def frees(attack: str, gets: str | tuple[str, ...]) -> Callable[[Mutant], Mutant]:
    def enter(mutant: Mutant) -> Mutant:
        MUTANTS.append(pytest.param(attack, mutant, gets, id=f"{attack}-{mutant.__name__}"))
        return mutant

    return enter


def always(value: object) -> Callable[..., Any]:
    return lambda *args, **kwargs: value
