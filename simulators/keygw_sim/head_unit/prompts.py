"""Questions to whoever sits in the car: each has one answer, and an end without one, which is a no."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from keygw.model.errors import Conflict, NotFound

MAX_PROMPTS = 4
PROMPT_SECONDS = 60.0


class Ask(StrEnum):
    """What is asked."""

    NEW_OWNER = "new_owner"
    """An owner has allowed another: show the code by which a phone becomes an owner's?"""
    SHOW_CODE = "show_code"
    """Somebody in the car wants to pair its first phone: show the code?"""
    PAIR_APP = "pair_app"
    """An app asks for the code with which it may reach this car: show it?"""
    DESTINATION = "destination"
    """An app has sent a destination: take it?"""
    REMOVE_KEY = "remove_key"
    """Remove that digital key, for good?"""


ON_THE_ROAD = frozenset({Ask.DESTINATION})
"""What may be asked of somebody who drives: one press, and nothing to read for long."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """``about``: the key or app that is meant, ``""`` if none is."""

    number: int
    ask: Ask
    text: str
    about: str
    expires_at: float

    def to_json(self, now: float) -> dict[str, Any]:
        left = max(0, int(self.expires_at - now))
        return {"number": self.number, "ask": self.ask.value, "text": self.text, "about": self.about, "seconds": left}


Answer = Callable[[bool], None]


class Prompts:
    """At most ``MAX_PROMPTS`` at a time, each answered once: yes, no, or no by the clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[int, tuple[Prompt, Answer]] = {}
        self._next = 1

    @property
    def open(self) -> tuple[Prompt, ...]:
        return tuple(prompt for prompt, _ in self._open.values())

    def ask(self, ask: Ask, text: str, answer: Answer, about: str = "") -> Prompt:
        """Ask it. The same question about the same thing is asked once. ``Conflict`` too_many_prompts."""
        for prompt in self.open:
            if (prompt.ask, prompt.about) == (ask, about):
                return prompt
        if len(self._open) >= MAX_PROMPTS:
            raise Conflict("too many questions are open; answer one first", code="too_many_prompts")
        prompt = Prompt(self._next, ask, text, about, self._clock() + PROMPT_SECONDS)
        self._next += 1
        self._open[prompt.number] = (prompt, answer)
        return prompt

    def answer(self, number: int, yes: bool) -> Prompt:
        """``NotFound`` no_such_prompt if it is not open any more. What the answer leads to may raise as well."""
        self.tick()
        found = self._open.pop(number, None)
        if found is None:
            raise NotFound("there is no such question, or its time is over", code="no_such_prompt")
        prompt, answer = found
        answer(yes)
        return prompt

    def tick(self) -> None:
        """What nobody has answered in time is a no."""
        for number, (prompt, answer) in list(self._open.items()):
            if self._clock() >= prompt.expires_at:
                del self._open[number]
                answer(False)
