"""Who looks on: the port through which requests become figures."""

from __future__ import annotations

from typing import Protocol


class Watcher(Protocol):
    """Called on the event loop, once for each answer; must be quick and must not raise."""

    def answered(self, method: str, route: str, status: int, code: str | None, seconds: float) -> None:
        """``route``: its template, ``-`` where there is none. ``code``: of the problem, if it is one.

        ``seconds``: until the answer began.
        """


class Unwatched:
    """Nobody looks on."""

    def answered(self, method: str, route: str, status: int, code: str | None, seconds: float) -> None:
        pass
