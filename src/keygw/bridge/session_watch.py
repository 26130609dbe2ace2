"""What a car does changes what apps may do there: this tells them, and ends the sessions that wanted to end with it.

``permission.changed`` when the car begins to drive, or stands; ``capability.changed`` then, and when its link comes or
goes. Like signals they are not recorded: after a gap an app looks for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from keygw.bridge.app_session import CloseReason
from keygw.bridge.driving import RULES, Driving, driving
from keygw.bridge.fault import describe
from keygw.bridge.foresight import Live
from keygw.bridge.ports import Clock
from keygw.bridge.sessions import Sessions
from keygw.events.hub import Hub
from keygw.model.signal import SignalId

log = structlog.get_logger(__name__)

LOST_SECONDS = 30.0
"""A link that comes back sooner was never lost: cars pass behind walls."""
LOOK_SECONDS = 1.0
_ROOM = 10_000


@dataclass(frozen=True, slots=True)
class _State:
    driving: Driving
    ignition: bool | None
    up: bool


class SessionWatch:
    """``live``: what a vehicle tells now; ``up``: whether it is linked."""

    def __init__(
        self, sessions: Sessions, live: Callable[[str], Live], up: Callable[[str], bool], hub: Hub, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._live = live
        self._up = up
        self._hub = hub
        self._clock = clock
        self._known: dict[str, _State] = {}
        self._endings: dict[tuple[str, CloseReason], float] = {}
        """Vehicle and reason -> when it is so."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work(), name="session watch")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def changed(self, vehicle_id: str) -> None:
        """Its signals or its link have changed. Quick, on the event loop."""
        live = self._live(vehicle_id)
        running = live.get(SignalId.ENGINE_RUNNING)
        now = _State(driving(live), running if isinstance(running, bool) else None, self._up(vehicle_id))
        was = self._known.pop(vehicle_id, None)
        self._known[vehicle_id] = now
        if len(self._known) > _ROOM:
            self._known.pop(next(iter(self._known)))
        if was is None or was == now:
            return
        if was.driving is not now.driving:
            self._hub.publish(
                "keygw.permission.changed",
                vehicle_id,
                permission_json(vehicle_id, now.driving),
                coalesce=f"{vehicle_id}/permission",
            )
        if (was.driving, was.up) != (now.driving, now.up):
            because = "link" if was.up is not now.up else "driving"
            data = {"vehicle_id": vehicle_id, "because": because}
            self._hub.publish("keygw.capability.changed", vehicle_id, data, coalesce=f"{vehicle_id}/capability")
        self._note(vehicle_id, was, now)

    def _note(self, vehicle_id: str, was: _State, now: _State) -> None:
        """What is to end, and when; a link that is back, and an engine that runs again, call it off."""
        link, ignition = (vehicle_id, CloseReason.LINK_LOST), (vehicle_id, CloseReason.IGNITION_OFF)
        if now.up:
            self._endings.pop(link, None)
        elif was.up:
            self._endings[link] = self._clock() + LOST_SECONDS
        if now.ignition:
            self._endings.pop(ignition, None)
        elif was.ignition and now.ignition is False:
            self._endings[ignition] = self._clock()

    async def look(self) -> None:
        """End what is to end by now."""
        due = [each for each, at in self._endings.items() if self._clock() >= at]
        for vehicle_id, reason in due:
            await self._sessions.end_at(vehicle_id, reason)
            self._endings.pop((vehicle_id, reason), None)

    async def _work(self) -> None:
        while True:
            try:
                await self.look()
            except Exception as error:  # what could not be written now is written at the next look
                log.error("session_watch_broke", **describe(error))
            await asyncio.sleep(LOOK_SECONDS)


def permission_json(vehicle_id: str, state: Driving) -> dict[str, Any]:
    """What an app may show there now."""
    rules = RULES[state]
    return {
        "vehicle_id": vehicle_id,
        "driving": state.value,
        "templates": sorted(template.value for template in rules.templates),
        "title": rules.title,
        "lines": rules.lines,
        "line": rules.line,
        "buttons": rules.buttons,
    }
