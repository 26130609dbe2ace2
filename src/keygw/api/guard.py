"""The outermost layer: a trace id for every request, a bound on every body, headers that browsers obey, no leaks."""

from __future__ import annotations

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keygw.api.problems import ApiError, internal_problem, problem
from keygw.api.services import Services
from keygw.bridge.fault import describe

log = structlog.get_logger(__name__)

API_CSP = "default-src 'none'; frame-ancestors 'none'"
"""For JSON: a browser that is tricked into showing it as a page does nothing with it."""


class Guard:
    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace_id = self._services.trace_id()
        scope.setdefault("state", {})["trace_id"] = trace_id
        started = False

        async def guarded_send(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _dress(MutableHeaders(scope=message), trace_id)
            await send(message)

        limit = self._services.max_body
        declared = Headers(scope=scope).get("content-length", "0")
        if not (declared.isascii() and declared.isdecimal()) or len(declared) > 18 or int(declared) > limit:
            response = problem(trace_id, 413, "body_too_large", f"a body may have {limit} bytes")
            response.headers["Connection"] = "close"
            await response(scope, receive, guarded_send)
            return
        try:
            await self._app(scope, _bounded(receive, limit), guarded_send)
        except Exception as error:
            log.error(
                "request_broke", trace_id=trace_id, method=scope["method"], route=_route(scope), **describe(error)
            )
            if started:
                raise
            await internal_problem(trace_id)(scope, receive, guarded_send)


def _bounded(receive: Receive, limit: int) -> Receive:
    """Counts what arrives, because a chunked body declares no length."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > limit:
                raise ApiError(413, "body_too_large", f"a body may have {limit} bytes", {"Connection": "close"})
        return message

    return bounded


def _dress(headers: MutableHeaders, trace_id: str) -> None:
    headers["X-Trace-Id"] = trace_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers.setdefault("Content-Security-Policy", API_CSP)
    headers.setdefault("Cache-Control", "no-store")


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "path", "-"))
