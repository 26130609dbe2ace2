"""What the other gateways on the same database announce: a word and an id. What it is about stands in the tables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import structlog

from keygw.bridge.fault import describe

log = structlog.get_logger(__name__)

AGAIN_SECONDS = 5.0
"""After what could not be answered, everything is looked at."""
MOST_WAITING = 10_000
"""Announcements that wait; beyond, everything is looked at instead."""

Answer = Callable[[str], Awaitable[object] | None]
"""What to do about an announcement, with the id that it names."""
Look = Callable[[], Awaitable[object] | None]
"""What to do where announcements may have been missed."""


class Neighbours:
    """``answers``: by word."""

    def __init__(self, answers: Mapping[str, Answer], looks: Sequence[Look]) -> None:
        self._answers = answers
        self._looks = looks
        self._waiting: dict[str | None, None] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def hear(self, text: str | None) -> None:
        """Note it and return at once. ``None``: look at everything. Words of a newer release are passed over."""
        if self._stopped or (text is not None and text.partition(" ")[0] not in self._answers):
            return
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.clear()
            text = None
        self._waiting[text] = None
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work(), name="neighbours")

    async def stop(self) -> None:
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        try:
            while self._waiting:
                text = next(iter(self._waiting))
                del self._waiting[text]
                if text is None:
                    done = all([await _carefully(look, None) for look in self._looks])
                else:
                    word, _, subject = text.partition(" ")
                    done = await _carefully(partial(self._answers[word], subject), word)
                if not done:
                    asyncio.get_running_loop().call_later(AGAIN_SECONDS, self.hear, None)
        finally:
            self._task = None


async def _carefully(act: Look, word: str | None) -> bool:
    try:
        waiting = act()
        if waiting is not None:
            await waiting
    except Exception as error:  # what it was about is in the tables, and is seen at the next look
        log.error("announcement_not_answered", word=word, **describe(error))
        return False
    return True
