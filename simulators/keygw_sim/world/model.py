"""The reference model: what must be true of the world, in the fewest words, told by what people did and cars showed.

It shares nothing with gateway or car but their values. It is told what was acknowledged, never what was meant to be: a
change that nobody answered for is in doubt until somebody has looked, and of what is in doubt nothing is asked.

A change is on record with the sequence of the vehicle's list that tells it. A car that has that list or a newer one
must act on it; one that has an older list need not know.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from keygw.model.command import Action
from keygw.model.digital_key import KeyState
from keygw.model.entitlement import Entitlement

LATE = 300
"""Seconds that a car's time may be behind: a minute that a proof may be old, and its drift until the next one."""


class Invariant(StrEnum):
    GRANT = "no unlock without a live grant at the car's newest synced list"
    SEQUENCE = "sequences never go back"
    SURVIVES = "an acknowledged issue or revoke survives"
    NONCE = "no nonce is accepted twice"
    AUDIT = "the audit trail is unbroken"
    HONEST = "every honest session succeeds once faults stop"
    ONCE = "no command is executed twice"
    TRUTH = "what is told of a command is true"
    SOUND = "nothing breaks in an unforeseen way"


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: Invariant
    what: str

    def __str__(self) -> str:
        return f"{self.invariant.value}: {self.what}"


@dataclass(slots=True)
class Granted:
    """A key whose issue was acknowledged. ``changes``: (sequence of the list that tells it, state from then on)."""

    key_id: str
    car: str
    index: int
    rights: Entitlement
    ends: float
    parent: str | None
    changes: list[tuple[int, KeyState]] = field(default_factory=list)
    in_doubt: bool = False
    removed: bool = False
    """In the car itself: it bars it whatever any list says."""

    def state_at(self, sequence: int) -> KeyState:
        told = [state for since, state in self.changes if since <= sequence]
        return told[-1] if told else KeyState.ACTIVE

    @property
    def state(self) -> KeyState:
        return self.changes[-1][1] if self.changes else KeyState.ACTIVE


@dataclass(frozen=True, slots=True)
class Shown:
    """What a car did, and what it knew at that moment. ``now``: the true time; ``knows_time``: whether the car did."""

    car: str
    key_id: str
    number: int
    action: Action
    list_sequence: int
    knows_time: bool
    now: float


_FINAL = (KeyState.REVOKING, KeyState.REVOKED)


class Model:
    def __init__(self) -> None:
        self.keys: dict[str, Granted] = {}
        self.done: Counter[tuple[str, str, int]] = Counter()
        """How often each command was executed: by car, key and number."""
        self.violations: list[Violation] = []
        self._highest: dict[str, int] = {}

    def broken(self, invariant: Invariant, what: str) -> None:
        self.violations.append(Violation(invariant, what))

    def granted(self, key: Granted) -> None:
        self.keys[key.key_id] = key

    def changed(self, key_id: str, state: KeyState, sequence: int) -> None:
        """Somebody was told so."""
        key = self.keys[key_id]
        key.in_doubt = False
        if key.state is not state:
            key.changes.append((sequence, state))

    def executed(self, shown: Shown) -> None:
        """A car has done it."""
        place = (shown.car, shown.key_id, shown.number)
        self.done[place] += 1
        if self.done[place] > 1:
            self.broken(Invariant.ONCE, f"{shown.car} did number {shown.number} of {shown.key_id} again")
        why = self.objection(shown)
        if why is not None:
            what = f"{shown.car} did {shown.action.label} for {shown.key_id} at list {shown.list_sequence}: {why}"
            self.broken(Invariant.GRANT, what)

    def objection(self, shown: Shown) -> str | None:
        """Why that must not have been done, if so."""
        key = self.keys.get(shown.key_id)
        if key is None or key.car != shown.car:
            return "nobody was granted that"
        if shown.action.required is None or not shown.action.required & key.rights:
            return "the key does not allow it"
        if key.removed:
            return "it was removed in the car"
        if key.parent is not None and not shown.knows_time:
            return "a shared key, and the car does not know the time"
        while True:
            if not key.in_doubt and key.state_at(shown.list_sequence) is not KeyState.ACTIVE:
                return f"{key.key_id} is {key.state_at(shown.list_sequence).value} by that list"
            if shown.knows_time and shown.now > key.ends + LATE:
                return f"{key.key_id} has ended"
            if key.parent is None:
                return None
            key = self.keys[key.parent]

    def counted(self, name: str, value: int) -> None:
        """A counter as somebody sees it now."""
        if value < self._highest.get(name, 0):
            self.broken(Invariant.SEQUENCE, f"{name} went back from {self._highest[name]} to {value}")
        self._highest[name] = max(value, self._highest.get(name, 0))

    def stored(self, states: dict[str, KeyState]) -> None:
        """Every key as the gateway's books have it now."""
        for key in self.keys.values():
            found = states.get(key.key_id)
            if found is None:
                self.broken(Invariant.SURVIVES, f"{key.key_id} was issued, and is gone")
            elif not key.in_doubt and key.state in _FINAL and found not in _FINAL:
                self.broken(Invariant.SURVIVES, f"{key.key_id} was revoked, and is {found.value}")
            elif not key.in_doubt and key.state is KeyState.SUSPENDED and found is KeyState.ACTIVE:
                self.broken(Invariant.SURVIVES, f"{key.key_id} was suspended, and is {found.value}")

    def listed(self, car: str, sequence: int, at: int, revoked: frozenset[int], suspended: frozenset[int]) -> None:
        """The list that a car has, of time ``at``: it must bar whatever was acknowledged to be told by it, but for what
        had ended by then."""
        for key in self.keys.values():
            state = key.state_at(sequence)
            bars = revoked | (suspended if state is KeyState.SUSPENDED else frozenset())
            due = key.car == car and key.ends > at and not key.in_doubt and state is not KeyState.ACTIVE
            if due and key.index not in bars:
                what = f"list {sequence} of {car} does not tell that {key.key_id} is {state.value}"
                self.broken(Invariant.GRANT, what)

    def told(self, car: str, key_id: str, number: int, state: str) -> None:
        """The end of a command as the gateway tells it: confirmed was done, and anything else was not."""
        times = self.done[car, key_id, number]
        if (times > 0) is not (state == "confirmed"):
            self.broken(Invariant.TRUTH, f"number {number} of {key_id} is {state}, and {car} did it {times} times")
