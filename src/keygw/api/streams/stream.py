"""What every stream over WebSocket is, whatever it speaks: a caller, what it follows, and an end with a reason."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Protocol

import structlog

from keygw.api.permissions import Permission
from keygw.api.services import Services
from keygw.api.streams.line import Line
from keygw.api.streams.outlet import Outlet, Wanted
from keygw.bridge.apps import Unauthenticated
from keygw.bridge.gate import EventGate
from keygw.bridge.records import App

log = structlog.get_logger(__name__)

MAX_OF_APP = 1024
"""Streams of one token, of either kind."""

CODES: dict[str, int] = {
    "gateway_stopping": 1012,
    "internal": 1011,
    "bad_message": 4400,
    "protocol_violation": 4400,
    "version_unsupported": 4400,
    "token_missing": 4401,
    "token_malformed": 4401,
    "token_unknown": 4401,
    "token_expired": 4401,
    "token_revoked": 4401,
    "token_of_another": 4401,
    "use_dpop_nonce": 4401,
    "invalid_dpop_proof": 4401,
    "insufficient_scope": 4403,
    "hello_timeout": 4408,
    "slow_consumer": 4409,
    # Of a stream under a session alone.
    "unknown_session": 4404,
    "session_closed": 4410,
    "session_suspended": 4410,
    "too_many_streams": 4429,
    # Of a lent link (``keygw.frames.v1``) alone.
    "relay_over": 1000,
    "relay_idle": 1000,
    "bad_frame": 4400,
    "no_phone_key": 4403,
    "key_not_yet_valid": 4403,
    "key_suspended": 4403,
    "key_revoked": 4403,
    "key_expired": 4403,
    "unknown_vehicle": 4404,
    "busy": 4423,
    "gave_way": 4423,
    "held_elsewhere": 4423,
    "out_of_range": 4503,
    "link_lost": 4503,
    "link_timeout": 4503,
    "radio_busy": 4503,
    "radio_unavailable": 4503,
}
"""Close codes; the reason begins with the word (RFC 6455, section 7.4.2: 4000 and up are for such use)."""


class Tokens(Protocol):
    """Whose token this is, as the connection was made; ``Unauthenticated``."""

    async def first(self, token: str, proof: str | None) -> App: ...
    async def newer(self, token: str, before: App) -> App: ...


class Stream:
    """``app`` may change when the client shows a newer token. ``name``: in the log."""

    def __init__(self, services: Services, tokens: Tokens, line: Line, name: str, permission: Permission) -> None:
        self.services = services
        self.tokens = tokens
        self.line = line
        self.name = name
        self._permission = permission
        self.ended: str | None = None
        self.wanted: dict[str, Wanted] = {}
        self.outlet: Outlet | None = None
        self._app: App | None = None
        self._held = ExitStack()

    @property
    def app(self) -> App:
        assert self._app is not None  # noqa: S101 - nobody asks before ``bind``
        return self._app

    def bind(self, app: App) -> None:
        """Who asks, from now on. The stream ends at once when that token does; and at its first word if the app has too
        many. ``ScopeRequired``."""
        apps = self.services.bridge.apps
        self._permission.check(app)
        if self._app is None and apps.held(app) >= MAX_OF_APP:
            self.end("too_many_streams", f"an app has at most {MAX_OF_APP}")
            return
        self._held.close()
        self._app = app
        self._held.enter_context(apps.holding(app, lambda: self.end("token_revoked")))
        if self.outlet is not None:
            self.outlet.gate = self.gate()

    def gate(self) -> EventGate:
        bridge = self.services.bridge
        return EventGate(self.app, bridge.access, bridge.feed, self.services.clock)

    def alive(self) -> bool:
        """Has it not ended? Also looks whether the token has run out."""
        if self.ended is None and self._app is not None:
            try:
                self.services.bridge.apps.check(self._app)
            except Unauthenticated as error:
                self.end(error.code)
        return self.ended is None

    def end(self, why: str, detail: str = "") -> None:
        """At once, and told why: what still waits is not sent any more."""
        if self.ended is not None:
            return
        self.ended = why
        if self.outlet is not None:
            self.outlet.close()
        text = f"{why}: {detail}" if detail else why
        self.line.shut(CODES[why], text.encode()[:120].decode(errors="ignore"))
        log.info("stream_ended", stream=self.name, why=why)

    def follow(self, vehicle_id: str, wanted: Wanted) -> None:
        assert self.outlet is not None  # noqa: S101 - made when the conversation began
        self.wanted[vehicle_id] = wanted
        self.services.hub.follow(self.outlet, vehicle_id)

    def unfollow(self, vehicle_id: str) -> None:
        self.wanted.pop(vehicle_id, None)
        if self.outlet is not None:
            self.services.hub.unfollow(self.outlet, vehicle_id)

    async def release(self) -> None:
        """Forget everything; the last call."""
        self._held.close()
        if self.outlet is not None:
            self.services.hub.leave(self.outlet, self.wanted)
            self.outlet.close()
            await self.outlet.closed()
