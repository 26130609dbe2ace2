"""A handset that lives by the wall's clock, and does what it is told on stdin: for ``python -m keygw_sim.phone``.

* ``{"do": "walk", "path": [[0, 40, 0], [25, 0.5, 1.9]]}``: seconds from now, then metres from the car, ahead of it and
  to its left. From the first walk on the phone looks for the car by itself, and asks it to open at its doors.
  ``{"do": "walk", "to": [0.5, 1.9], "pace": 1.4}``: straight from where it is, at so many metres a second.
* ``{"do": "screen", "to": "background"}`` or ``foreground``. ``{"do": "flight", "on": true}``: all radios off.
* ``{"do": "ask", "action": "lock", "wait": 60}``: a command in the session that it has, or a new one; it may wait so
  many seconds for radio and car, one that opens never more than 4. ``{"did": "ask", "outcome": "waiting", ...}``.
* ``{"do": "where"}`` -> place, zone as the car found it, screen, flight mode, whether it is linked, and what waits.

What happens meanwhile comes as lines of its own, ``{"event": "zone", "zone": "near"}``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from keygw.model.command import Action
from keygw_sim.phone.handset import Handset, Screen
from keygw_sim.ranging.geometry import Path, Point, number

TICK_SECONDS = 0.25
WALK, MAX_PACE = 1.4, 100.0
"""Metres a second."""
SHORTEST = 0.001
"""Seconds: who goes nowhere is there at once, and two stops of a path are never at one time."""
MAX_STOPS = 1000
MAX_WAIT = 86_400.0
_STOP = ("seconds", "x", "y")


class Living:
    """``obey`` its orders; ``live`` until cancelled. One thing at a time."""

    def __init__(self, handset: Handset, clock: Callable[[], float], say: Callable[[dict[str, Any]], None]) -> None:
        self.handset = handset
        self._clock = clock
        self._say = say
        self._about = asyncio.Event()
        self.busy = asyncio.Lock()
        """Held by whoever uses the phone: a key has one session at a time."""

    async def live(self) -> None:
        await self._about.wait()
        while True:
            async with self.busy:
                await self.handset.step()
                self._tell()
            await asyncio.sleep(TICK_SECONDS)

    async def obey(self, order: dict[str, Any]) -> dict[str, Any] | None:
        """The answer; ``None`` for an order that is none of these. ``ValueError``, ``TypeError``, ``KeyError``."""
        async with self.busy:
            told = await self._obey(order)
            self._tell()
        return None if told is None else {"did": order["do"], **told}

    async def _obey(self, order: dict[str, Any]) -> dict[str, Any] | None:
        handset = self.handset
        match order["do"]:
            case "walk":
                now = self._clock()
                handset.walk(_straight(handset.at, order, now) if "to" in order else path_of(order["path"], now))
                self._about.set()
            case "screen":
                handset.show(Screen(order["to"]))
            case "flight":
                if not isinstance(order["on"], bool):
                    raise ValueError("on is true or false")
                await handset.set_flight(order["on"])
            case "ask":
                wait = number(order.get("wait", 0), "wait")
                if not 0 <= wait <= MAX_WAIT:
                    raise ValueError(f"wait is a number of seconds up to {MAX_WAIT:.0f}")
                deed = await handset.command(Action.from_label(order["action"]), wait=wait)
                return {"action": deed.action.label, "outcome": deed.outcome, "ok": deed.ok}
            case "where":
                pass
            case _:
                return None
        return describe(handset)

    def _tell(self) -> None:
        while self.handset.events:
            what, data = self.handset.events.popleft()
            self._say({"event": what, **data})


def path_of(stops: object, now: float) -> Path:
    """``[[seconds, x, y], ...]``, the seconds from ``now``. ``ValueError`` names the stop that is wrong."""
    if not isinstance(stops, list) or not 1 <= len(stops) <= MAX_STOPS:
        raise ValueError(f"a path is a list of 1 to {MAX_STOPS} stops, each [seconds, x, y]")
    made = []
    for place, stop in enumerate(stops, 1):
        if not isinstance(stop, list) or len(stop) != 3:
            raise ValueError(f"stop {place} of the path is not [seconds, x, y]")
        seconds, x, y = (number(each, f"{name} of stop {place}") for name, each in zip(_STOP, stop, strict=True))
        made.append((now + seconds, Point(x, y)))
    return Path(made)


def _straight(start: Point, order: dict[str, Any], now: float) -> Path:
    goal, pace = order["to"], number(order.get("pace", WALK), "pace")
    if not isinstance(goal, list) or len(goal) != 2:
        raise ValueError("to is [x, y], in metres")
    if not 0 < pace <= MAX_PACE:
        raise ValueError(f"a pace is above 0 and up to {MAX_PACE:g} metres a second")
    end = Point(number(goal[0], "x"), number(goal[1], "y"))
    return Path([(now, start), (now + max(start.to(end) / pace, SHORTEST), end)])


def describe(handset: Handset) -> dict[str, Any]:
    return {
        "at": [round(handset.at.x, 2), round(handset.at.y, 2)],
        "zone": handset.zone.label,
        "screen": handset.screen.value,
        "flight": handset.flight,
        "linked": handset.linked,
        "waiting": [action.label for action in handset.waiting],
    }
