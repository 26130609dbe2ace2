"""An app session: a phone app's conversation with the bridge about one vehicle, and the table of its life.

Before there is one, the app has found the vehicle (``discovered``) and was let in (``pairing``): that is the discovery
and the authorization server. The session begins where both sides say what they can (``negotiating``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from keygw.model.errors import Conflict

SILENT_SECONDS = 3600
"""An active session whose app has said nothing for so long is suspended."""
RESUME_SECONDS = 24 * 3600
"""A suspended one waits so long for its app."""
VERSION = 1


class SessionState(StrEnum):
    NEGOTIATING = "negotiating"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class SessionEvent(StrEnum):
    AGREE = "agree"
    NEGOTIATE = "negotiate"
    """The app has changed what it can do."""
    SUSPEND = "suspend"
    RESUME = "resume"
    CLOSE = "close"


class CloseReason(StrEnum):
    USER_EXIT = "user_exit"
    LINK_LOST = "link_lost"
    """Nobody came back to a suspended session; or the vehicle's link is gone, and the session was to end with it."""
    IGNITION_OFF = "ignition_off"
    """The engine was switched off, and the session was to end with it."""
    DRIVER_DISTRACTION = "driver_distraction"
    """The app asked again and again for what a driver may not see."""
    APP_UNAUTHORIZED = "app_unauthorized"
    """The token has ended, or the app has nothing to do with the vehicle any more."""
    PROTOCOL_VIOLATION = "protocol_violation"
    """What the app can do and what the gateway knows have nothing in common."""


ENDINGS = (CloseReason.IGNITION_OFF, CloseReason.LINK_LOST)
"""What a session may ask to end with: what is only for people who drive does, a digital key does not."""

_S, _E = SessionState, SessionEvent

TRANSITIONS: dict[SessionState, dict[SessionEvent, SessionState]] = {
    _S.NEGOTIATING: {_E.AGREE: _S.ACTIVE, _E.CLOSE: _S.CLOSED},
    _S.ACTIVE: {_E.NEGOTIATE: _S.NEGOTIATING, _E.SUSPEND: _S.SUSPENDED, _E.RESUME: _S.ACTIVE, _E.CLOSE: _S.CLOSED},
    _S.SUSPENDED: {_E.SUSPEND: _S.SUSPENDED, _E.RESUME: _S.ACTIVE, _E.CLOSE: _S.CLOSED},
    _S.CLOSED: {_E.CLOSE: _S.CLOSED},
}
"""What is not named is refused: ``Conflict`` session_closed or session_suspended."""


def next_session_state(state: SessionState, event: SessionEvent) -> SessionState:
    target = TRANSITIONS[state].get(event)
    if target is None:
        if state is SessionState.CLOSED:
            raise Conflict("the session is closed: open another one", code="session_closed")
        raise Conflict("the session is suspended: resume it first", code="session_suspended")
    return target


@dataclass(frozen=True, slots=True)
class AppSession:
    """``wanted``: ids of the capabilities that the app asked for; empty: all. ``heard_at``: when the app last named it.
    ``closes_on``: of ``ENDINGS``.

    ``reason``: with ``CLOSED``. Times: Unix seconds.
    """

    id: str
    app_id: str
    tenant_id: str | None
    vehicle_id: str
    wanted: tuple[str, ...]
    created_at: int
    updated_at: int
    heard_at: int
    state: SessionState = SessionState.NEGOTIATING
    reason: CloseReason | None = None
    closes_on: tuple[CloseReason, ...] = ()

    def moved(self, event: SessionEvent, now: int, reason: CloseReason | None = None) -> AppSession:
        """``Conflict`` where the table has no such step."""
        state = next_session_state(self.state, event)
        changed = self.updated_at if state is self.state else now
        return replace(self, state=state, updated_at=changed, heard_at=now, reason=self.reason or reason)

    def due(self, now: float) -> SessionEvent | None:
        """What time alone makes of it."""
        if self.state is SessionState.SUSPENDED and now >= self.updated_at + RESUME_SECONDS:
            return SessionEvent.CLOSE
        if self.state is SessionState.ACTIVE and now >= self.heard_at + SILENT_SECONDS:
            return SessionEvent.SUSPEND
        return None
