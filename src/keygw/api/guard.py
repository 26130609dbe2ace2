"""The outermost layer: who asks, an id for every request, bounds on bodies, headers that browsers obey, no leaks."""

from __future__ import annotations

import re
import time
from typing import Any

import structlog
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keygw.api.outer import look_outside
from keygw.api.permissions import name_of
from keygw.api.problems import ApiError, internal_problem, problem
from keygw.api.services import Services
from keygw.bridge.fault import describe

log = structlog.get_logger(__name__)

API_CSP = "default-src 'none'; frame-ancestors 'none'"
"""For JSON: a browser that is tricked into showing it as a page does nothing with it."""

STRICT_TRANSPORT = "max-age=31536000"
"""A year of https alone (RFC 6797); said only over https, as the RFC wants it."""

_REQUEST_ID = re.compile(r"(?!kgw_|eyJ)[A-Za-z0-9][A-Za-z0-9._:\-]{0,35}", re.ASCII)


class Guard:
    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        if self._services.proxies:
            look_outside(scope, self._services)
        trace_id = _request_id(scope) or self._services.trace_id()
        scope["state"]["trace_id"] = trace_id
        with structlog.contextvars.bound_contextvars(request_id=trace_id):
            await self._watched(scope, receive, send, trace_id)

    async def _watched(self, scope: Scope, receive: Receive, send: Send, trace_id: str) -> None:
        began = time.perf_counter()
        status = 0

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                _dress(headers, trace_id, secure=scope["scheme"] == "https")
                if "dpop_nonce" in scope["state"]:
                    headers["DPoP-Nonce"] = scope["state"]["dpop_nonce"]
                self._warn(scope, headers)
                code = scope["state"].get("code")
                took = time.perf_counter() - began
                self._services.watcher.answered(scope["method"], _route(scope), status, code, took)
            await send(message)

        try:
            await self._guarded(scope, receive, dressed, trace_id, lambda: status != 0)
        finally:
            log.info("request", **_told(scope, status, time.perf_counter() - began))

    def _warn(self, scope: Scope, headers: MutableHeaders) -> None:
        """Of a route that is deprecated each answer says so."""
        route = scope.get("route")
        if self._services.deprecated and isinstance(route, APIRoute):
            found = self._services.deprecated.get(name_of(route))
            for name, value in found.headers().items() if found is not None else ():
                headers.append(name, value)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, trace_id: str, started: Any) -> None:
        limit = self._services.max_body
        declared = Headers(scope=scope).get("content-length", "0")
        if not (declared.isascii() and declared.isdecimal()) or len(declared) > 18 or int(declared) > limit:
            scope["state"]["code"] = "body_too_large"
            response = problem(trace_id, 413, "body_too_large", f"a body may have {limit} bytes")
            response.headers["Connection"] = "close"
            await response(scope, receive, send)
            return
        try:
            await self._app(scope, _bounded(receive, limit), send)
        except Exception as error:
            log.error("request_broke", method=scope["method"], route=_route(scope), **describe(error))
            if started():
                raise
            scope["state"]["code"] = "internal"
            await internal_problem(trace_id)(scope, receive, send)


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


def _dress(headers: MutableHeaders, trace_id: str, *, secure: bool) -> None:
    headers["X-Trace-Id"] = trace_id
    headers["X-Request-Id"] = trace_id
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if secure:
        headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    headers.setdefault("Content-Security-Policy", API_CSP)
    headers.setdefault("Cache-Control", "no-store")


def _request_id(scope: Scope) -> str | None:
    """The caller's own id for it, if it is one: short, of letters and digits, and no token."""
    found = [value for name, value in scope["headers"] if name == b"x-request-id"]
    text = found[0].decode("latin-1") if len(found) == 1 else ""
    return text if _REQUEST_ID.fullmatch(text) else None


def _told(scope: Scope, status: int, seconds: float) -> dict[str, object]:
    """The line of the access log: never a query, a header or a body. ``status`` 0: the caller left before an answer."""
    route = _route(scope)
    told: dict[str, object] = {"method": scope["method"], "route": route}
    if route != "-":
        # Of what no route takes, nobody knows what it holds.
        told["path"] = scope["path"][:200]
    told |= {"status": status, "ms": round(seconds * 1000, 3), "client": (scope.get("client") or ("-",))[0]}
    if "code" in scope["state"]:
        told["code"] = scope["state"]["code"]
    return told


def _route(scope: Scope) -> str:
    route = scope.get("route")
    return str(getattr(route, "path", "-"))
