"""App sessions: opened, suspended, resumed and closed by their app; and by time, where it says nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from keygw.bridge.access import Access, View, require
from keygw.bridge.app_session import (
    RESUME_SECONDS,
    SILENT_SECONDS,
    AppSession,
    CloseReason,
    SessionEvent,
    SessionState,
)
from keygw.bridge.capabilities import Capabilities, Capability
from keygw.bridge.ports import BridgeStore, Clock
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.credentials.values import Notify
from keygw.events.hub import Hub
from keygw.model.errors import BadInput, Conflict, NotFound
from keygw.model.ids import Random, id_bytes, new_id
from keygw.model.times import rfc3339

MOST_OPEN = 20
"""Of one app."""
KEPT = 20
"""Closed ones of one app that can still be read."""
SWEEP = 200

_TOLD = {
    SessionEvent.AGREE: "session.opened",
    SessionEvent.NEGOTIATE: "session.negotiated",
    SessionEvent.SUSPEND: "session.suspended",
    SessionEvent.RESUME: "session.resumed",
    SessionEvent.CLOSE: "session.closed",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, and all that an app needs to show the vehicle at once. ``position``: of the events; a stream that goes
    on from there misses nothing that is not in here."""

    session: AppSession
    view: View
    capabilities: Sequence[Capability]
    position: str


class Sessions:
    def __init__(
        self,
        store: BridgeStore,
        access: Access,
        capabilities: Capabilities,
        hub: Hub,
        notify: Notify,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._access = access
        self._capabilities = capabilities
        self._hub = hub
        self._notify = notify
        self._clock = clock
        self._random = random
        self._watchers: dict[str, list[Callable[[AppSession], None]]] = {}

    async def open(
        self, app: App, vehicle_id: str | None, wanted: Sequence[str], closes_on: Sequence[CloseReason] = ()
    ) -> Opened:
        """``vehicle_id``: ``None`` where the app has one vehicle alone. ``closes_on``: of ``ENDINGS``. ``NotFound``
        unknown_vehicle, ``BadInput`` vehicle_needed, ``Conflict`` too_many_sessions, no_common_capability."""
        require(app, Scope.SESSION_CONNECT)
        view = await self._view(app, vehicle_id)
        position = self._hub.here
        found = self._agreed(view, wanted)
        now = int(self._clock())
        names = tuple(dict.fromkeys(wanted))
        session_id, ends = new_id("ses", self._random), tuple(dict.fromkeys(closes_on))
        fresh = AppSession(session_id, app.id, app.tenant_id, view.vehicle.id, names, now, now, now, closes_on=ends)
        session = fresh.moved(SessionEvent.AGREE, now)
        event = _event(session, SessionEvent.AGREE, now)
        if not await self._store.add_session(session, MOST_OPEN, KEPT, event, self._tell):
            raise Conflict(f"an app has at most {MOST_OPEN} open sessions: close one", code="too_many_sessions")
        return Opened(session, view, found, position)

    async def list(self, app: App) -> list[AppSession]:
        require(app, Scope.SESSION_CONNECT)
        return [await self._aged(each) for each in await self._store.sessions_of(app.id)]

    async def get(self, app: App, session_id: str) -> AppSession:
        """``NotFound`` unknown_session, also for another app's."""
        require(app, Scope.SESSION_CONNECT)
        session = await self._own(app, session_id)
        if session.state is SessionState.CLOSED:
            return session
        try:
            await self._access.view(app, session.vehicle_id)
        except NotFound:  # its last key there has ended
            return await self._move(session, SessionEvent.CLOSE, CloseReason.APP_UNAUTHORIZED)
        return session

    async def negotiate(self, app: App, session_id: str, wanted: Sequence[str]) -> Opened:
        """The app can do other things than it said. ``Conflict`` session_suspended, session_closed,
        no_common_capability."""
        session = await self.get(app, session_id)
        session.moved(SessionEvent.NEGOTIATE, int(self._clock()))
        view = await self._access.view(app, session.vehicle_id)
        position, found = self._hub.here, self._agreed(view, wanted)
        changed = await self._move(session, SessionEvent.NEGOTIATE, wanted=tuple(dict.fromkeys(wanted)))
        return Opened(changed, view, found, position)

    async def suspend(self, app: App, session_id: str) -> AppSession:
        """The app goes into the background. Again: a success. ``Conflict`` session_closed."""
        return await self._move(await self.get(app, session_id), SessionEvent.SUSPEND)

    async def resume(self, app: App, session_id: str) -> Opened:
        """It is back, and is told how things stand. Also says that an active one is still wanted. ``Conflict``
        session_closed."""
        session = await self.get(app, session_id)
        position = self._hub.here
        session = await self._move(session, SessionEvent.RESUME)
        view = await self._access.view(app, session.vehicle_id)
        return Opened(session, view, self._agreed(view, session.wanted), position)

    async def close(self, app: App, session_id: str) -> AppSession:
        """Again: a success that changes nothing."""
        session = await self.get(app, session_id)
        return await self._move(session, SessionEvent.CLOSE, CloseReason.USER_EXIT)

    async def end_at(self, vehicle_id: str, reason: CloseReason) -> None:
        """Close the active ones at that vehicle which were to end with this."""
        for each in await self._store.sessions_at(vehicle_id):
            if reason in each.closes_on:
                await self._move(each, SessionEvent.CLOSE, reason)

    async def distract(self, session: AppSession) -> AppSession:
        """Its app asked too often for what a driver may not see."""
        return await self._move(session, SessionEvent.CLOSE, CloseReason.DRIVER_DISTRACTION)

    @contextmanager
    def watching(self, session_id: str, moved: Callable[[AppSession], None]) -> Iterator[None]:
        """``moved`` is told of each step that this gateway writes, until the context ends."""
        watchers = self._watchers.setdefault(session_id, [])
        watchers.append(moved)
        try:
            yield
        finally:
            watchers.remove(moved)
            if not watchers:
                self._watchers.pop(session_id, None)

    async def sweep(self) -> None:
        """What time alone has made of sessions; a chore of the upkeep."""
        now = int(self._clock())
        for each in await self._store.sessions_due(now - SILENT_SECONDS, now - RESUME_SECONDS, SWEEP):
            await self._aged(each)

    async def _view(self, app: App, vehicle_id: str | None) -> View:
        if vehicle_id is not None:
            return await self._access.view(app, vehicle_id)
        views = await self._access.views(app)
        if not views:
            raise NotFound("this app has no vehicle yet: pair one, or claim a shared key", code="unknown_vehicle")
        if len(views) > 1:
            names = ", ".join(view.vehicle.id for view in views[:10])
            raise BadInput(f"say which vehicle: {names}", code="vehicle_needed")
        return views[0]

    def _agreed(self, view: View, wanted: Sequence[str]) -> Sequence[Capability]:
        """What is known of the capabilities that were asked for, with the reason where one cannot be had."""
        found = self._capabilities.of(view, self._clock())
        if not wanted:
            return found
        agreed = [each for each in found if each.id in wanted]
        if not agreed:
            raise Conflict(
                "the gateway knows none of these capabilities: see GET /v1/vehicles/ID/capabilities",
                code="no_common_capability",
            )
        return agreed

    async def _own(self, app: App, session_id: str) -> AppSession:
        try:
            id_bytes(session_id, "ses")
        except BadInput:
            raise _unknown() from None
        found = await self._store.session(session_id)
        if found is None or found.app_id != app.id:
            raise _unknown()
        return await self._aged(found)

    async def _aged(self, session: AppSession) -> AppSession:
        due = session.due(self._clock())
        if due is None:
            return session
        return await self._move(session, due, CloseReason.LINK_LOST if due is SessionEvent.CLOSE else None)

    async def _move(
        self,
        session: AppSession,
        event: SessionEvent,
        reason: CloseReason | None = None,
        wanted: tuple[str, ...] | None = None,
    ) -> AppSession:
        """One step, written with the event that tells of it. Somebody else's step that came first is seen, and this one
        tried on it."""
        for _ in range(5):
            now = int(self._clock())
            moved = session.moved(event, now, reason)
            if event is SessionEvent.NEGOTIATE:
                moved = _renegotiated(moved, now, wanted or ())
            told = None if moved.state is session.state and wanted is None else _event(moved, event, now)
            if moved == session or await self._store.save_session(moved, session, told, self._tell):
                for watcher in list(self._watchers.get(moved.id, ())):
                    watcher(moved)
                return moved
            session = await self._store.session(session.id) or moved
        raise Conflict("somebody else changes this session at the same time: look at it again", code="session_changed")

    def _tell(self, told: Told) -> None:
        self._notify(told.event.type, dict(told.event.data), told.event_id)


def session_json(session: AppSession) -> dict[str, Any]:
    """The resource, in answers and in events."""
    return {
        "id": session.id,
        "app_id": session.app_id,
        "vehicle_id": session.vehicle_id,
        "state": session.state.value,
        "reason": None if session.reason is None else session.reason.value,
        "wanted": list(session.wanted),
        "closes_on": [each.value for each in session.closes_on],
        "created_at": rfc3339(session.created_at),
        "updated_at": rfc3339(session.updated_at),
        "resume_until": rfc3339(session.updated_at + RESUME_SECONDS)
        if session.state is SessionState.SUSPENDED
        else None,
    }


def _renegotiated(session: AppSession, now: int, wanted: tuple[str, ...]) -> AppSession:
    return replace(session.moved(SessionEvent.AGREE, now), wanted=wanted, updated_at=now)


def _event(session: AppSession, event: SessionEvent, now: int) -> OutboxEvent:
    data: Mapping[str, Any] = session_json(session)
    return OutboxEvent(_TOLD[event], session.vehicle_id, data, now)


def _unknown() -> NotFound:
    return NotFound("there is no such session for this app", code="unknown_session")
