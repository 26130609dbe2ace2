"""How a defect is planted and pulled out again: names of modules and classes are set, and set back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


class Bed:
    """``set`` replaces an attribute until the bed is cleared."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def set(self, owner: Any, name: str, value: Any) -> None:
        self._before.append((owner, name, vars(owner).get(name, _INHERITED)))
        setattr(owner, name, value)

    def clear(self) -> None:
        while self._before:
            owner, name, value = self._before.pop()
            if value is _INHERITED:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


_INHERITED = object()


@dataclass(frozen=True, slots=True)
class Mutant:
    """``caught_by``: the number of the requirement that it breaks."""

    name: str
    caught_by: str
    plant: Callable[[Bed], None]

    @contextlib.contextmanager
    def planted(self) -> Iterator[None]:
        """For as long as this lasts, every vehicle (or device) that is made has the defect."""
        bed = Bed()
        try:
            self.plant(bed)
            yield
        finally:
            bed.clear()


Table = dict[str, Mutant]
Planting = Callable[[Bed], None]


def into(table: Table, caught_by: str) -> Callable[[Planting], Planting]:
    """Enter a defect under its own name."""

    def enter(plant: Planting) -> Planting:
        table[plant.__name__] = Mutant(plant.__name__, caught_by, plant)
        return plant

    return enter


def always(value: object) -> Callable[..., Any]:
    """A rule that says the same to everybody."""
    return lambda *args, **kwargs: value
