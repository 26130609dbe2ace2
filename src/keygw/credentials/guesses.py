"""How many wrong secrets a gateway answers patiently.

A secret has 256 bits, so no rate of guessing finds one. The bound is there against noise: beyond it a wrong guess hears
``too_many_guesses``. A right secret always gets through, or whoever knows the id of an invitation could keep its friend
out. Wrong activation codes are another matter: those are counted with the invitation, durably.
"""

from __future__ import annotations

from collections.abc import Callable

from keygw.model.errors import Conflict

WINDOW_SECONDS = 60.0
MOST_WRONG = 60


class Guesses:
    """One count for the whole gateway, in memory. ``clock``: seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since = clock()
        self._wrong = 0

    def wrong(self) -> None:
        """Count one; ``Conflict`` too_many_guesses (retryable) once there are more than ``MOST_WRONG`` in a minute."""
        now = self._clock()
        if not 0 <= now - self._since < WINDOW_SECONDS:
            self._since, self._wrong = now, 0
        self._wrong += 1
        if self._wrong > MOST_WRONG:
            raise Conflict(
                "too many wrong guesses; look at the link and try again in a minute",
                code="too_many_guesses",
                retryable=True,
            )
