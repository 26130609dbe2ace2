"""How the link to one vehicle comes and goes: the one table that ``air`` and ``link`` walk through.

The picture in ``docs/explanation/the-air.md`` is drawn from it.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class Stage(Enum):
    SEARCHING = "searching"
    WAITING = "waiting"
    """Heard; every connection of the adapter may be taken, and others were first."""
    CONNECTING = "connecting"
    """The adapter makes the connection, alone."""
    SUBSCRIBING = "subscribing"
    """Connected: the notifications of TX are switched on, and INFO is read."""
    OPEN = "open"
    CLOSING = "closing"
    """Given up or lost; the connection may be there still, and holds its slot."""
    CLOSED = "closed"


class Step(Enum):
    SLOT = "slot"
    HEARD = "heard"
    LINKED = "linked"
    READY = "ready"
    AGAIN = "again"
    """This try has failed, or what was heard is no longer true; there is time for another."""
    END = "end"
    GONE = "gone"
    """Nothing of it is left."""


TRANSITIONS: dict[Stage, dict[Step, Stage]] = {
    Stage.SEARCHING: {Step.HEARD: Stage.WAITING, Step.END: Stage.CLOSING},
    Stage.WAITING: {Step.SLOT: Stage.CONNECTING, Step.AGAIN: Stage.SEARCHING, Step.END: Stage.CLOSING},
    Stage.CONNECTING: {Step.LINKED: Stage.SUBSCRIBING, Step.AGAIN: Stage.SEARCHING, Step.END: Stage.CLOSING},
    Stage.SUBSCRIBING: {Step.READY: Stage.OPEN, Step.AGAIN: Stage.SEARCHING, Step.END: Stage.CLOSING},
    Stage.OPEN: {Step.END: Stage.CLOSING},
    Stage.CLOSING: {Step.GONE: Stage.CLOSED},
    Stage.CLOSED: {},
}

Watcher = Callable[[Stage], None]


class Life:
    """One walk through the table. ``watcher`` hears of every stage; it must not raise."""

    def __init__(self, watcher: Watcher = lambda stage: None) -> None:
        self.stage = Stage.SEARCHING
        self._watcher = watcher

    def step(self, step: Step) -> None:
        """``RuntimeError`` for a step that the table does not have: a bug here."""
        after = TRANSITIONS[self.stage].get(step)
        if after is None:
            raise RuntimeError(f"a link that is {self.stage.value} has no step {step.value}")
        self.stage = after
        self._watcher(after)

    def end(self) -> None:
        """Be at the end, or on the way there; may be called twice."""
        if Step.END in TRANSITIONS[self.stage]:
            self.step(Step.END)

    def gone(self) -> None:
        """Nothing of it is left, however far it had come; may be called twice."""
        self.end()
        if self.stage is Stage.CLOSING:
            self.step(Step.GONE)
