"""RFC 9457 problem documents: the one map from what went wrong inside to what HTTP says about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

from keygw.bridge.access import ScopeRequired
from keygw.bridge.apps import Unauthenticated
from keygw.bridge.fault import describe
from keygw.model.errors import (
    BadInput,
    Conflict,
    Forbidden,
    KeygwError,
    LinkError,
    NotFound,
    ProtocolError,
    StoreError,
    TokenError,
)

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

BY_CODE: dict[str, int] = {
    "idempotency_mismatch": 422,
    "driving_restricted": 423,
    "busy": 429,
    "pairing_locked": 429,
    "too_many_guesses": 429,
    "out_of_range": 504,
    "link_timeout": 504,
    "link_lost": 502,
    "held_elsewhere": 503,
    "radio_busy": 503,
    "radio_unavailable": 503,
    "store_full": 507,
    "idempotency_key_required": 400,
    "too_many_clients": 429,
}
BY_CLASS: tuple[tuple[type[KeygwError], int], ...] = (
    (Unauthenticated, 401),
    (NotFound, 404),
    (Forbidden, 403),
    (Conflict, 409),
    (BadInput, 422),
    (StoreError, 503),
    (LinkError, 409),  # any other word of the vehicle's: it answered, and it refused
    (ProtocolError, 502),
    (TokenError, 502),
)
RETRY_AFTER: dict[str, int] = {
    "busy": 1,
    "pairing_locked": 600,
    "too_many_guesses": 60,
    "too_many_clients": 600,
    "store_busy": 1,
    "store_full": 30,
    "out_of_range": 5,
    "held_elsewhere": 1,
    "radio_busy": 5,
    "radio_unavailable": 5,
    "not_ready": 1,
    "overloaded": 1,
}

CODES_BY_STATUS: dict[int, str] = {
    400: "bad_request",
    404: "no_route",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    431: "header_too_large",
}


class Problem(BaseModel):
    """RFC 9457 problem document. ``code`` is stable; ``detail`` is for people."""

    type: str = Field(examples=["urn:keygw:problem:unknown_vehicle"])
    title: str
    status: int
    detail: str
    instance: str | None = None
    code: str = Field(examples=["unknown_vehicle"])
    retryable: bool = Field(description="May the same request be sent again unchanged?")
    may_have_happened: bool = Field(description="Could the vehicle have acted all the same?")
    retry_after: int | None = Field(default=None, description="Seconds")
    required_scope: str | None = None
    errors: list[dict[str, str]] | None = Field(default=None, description="What was wrong where, for code validation")
    checks: dict[str, str] | None = Field(default=None, description="What is good and what is not, for code not_ready")
    trace_id: str


class ApiError(HTTPException):
    """A problem found by the HTTP layer itself."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
        self.code = code


def status_of(error: KeygwError) -> int:
    """The HTTP status of a domain error; 500 for one that should never have come this far."""
    if error.code in BY_CODE:
        return BY_CODE[error.code]
    return next((status for kind, status in BY_CLASS if isinstance(error, kind)), 500)


def problem(
    trace_id: str,
    status: int,
    code: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    instance: str | None = None,
    retryable: bool = False,
    may_have_happened: bool = False,
    required_scope: str | None = None,
    errors: Sequence[Mapping[str, str]] | None = None,
    checks: Mapping[str, str] | None = None,
) -> JSONResponse:
    """The response; what does not apply is left out."""
    retry_after = RETRY_AFTER.get(code)
    body: dict[str, Any] = {
        "type": f"urn:keygw:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "retryable": retryable,
        "may_have_happened": may_have_happened,
        "retry_after": retry_after,
        "required_scope": required_scope,
        "errors": errors,
        "checks": checks,
        "trace_id": trace_id,
    }
    out = dict(headers or {})
    if retry_after is not None:
        out["Retry-After"] = str(retry_after)
    shown = {name: value for name, value in body.items() if value is not None}
    return JSONResponse(shown, status, out, media_type=MEDIA_TYPE)


def internal_problem(trace_id: str) -> JSONResponse:
    """What a caller hears of a bug: that there is one, and how to name it to us."""
    return problem(trace_id, 500, "internal", "something went wrong inside; tell the operator the trace id")


def install(app: FastAPI) -> None:
    """Let every error of the application end as a problem document."""
    app.exception_handler(KeygwError)(_domain)
    app.exception_handler(RequestValidationError)(_validation)
    app.exception_handler(StarletteHTTPException)(_http)


def _trace(request: Request, code: str) -> str:
    """The id of the request. Its code is noted beside it, for the log and the figures."""
    state = request.scope["state"]
    state["code"] = code
    return str(state["trace_id"])


async def _domain(request: Request, error: KeygwError) -> JSONResponse:
    status = status_of(error)
    if status == 500:
        log.error("unmapped_error", code=error.code, **describe(error))
        return internal_problem(_trace(request, "internal"))
    headers: dict[str, str] = {}
    scope = error.scope.value if isinstance(error, ScopeRequired) else None
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = _challenge(error)
        nonce = request.app.state.services.bridge.oauth.proofs.nonce if error.code == "dpop_required" else error.nonce
        if nonce is not None:
            request.scope["state"]["dpop_nonce"] = nonce
    elif scope is not None:
        headers["WWW-Authenticate"] = f'Bearer realm="keygw", error="insufficient_scope", scope="{scope}"'
    return problem(
        _trace(request, error.code),
        status,
        error.code,
        str(error),
        headers=headers,
        instance=request.url.path,
        retryable=error.retryable,
        may_have_happened=error.may_have_happened,
        required_scope=scope,
    )


def _challenge(error: Unauthenticated) -> str:
    """RFC 6750 section 3, RFC 9449 section 7.1, RFC 9470 section 3."""
    if not error.dpop:
        return 'Bearer realm="keygw"' + ("" if error.code == "token_missing" else ', error="invalid_token"')
    own = ("use_dpop_nonce", "invalid_dpop_proof", "insufficient_user_authentication")
    told = error.code if error.code in own else "invalid_token"
    age = "" if error.max_age is None else f', max_age="{error.max_age}"'
    return f'DPoP realm="keygw", error="{told}", algs="ES256"{age}'


async def _validation(request: Request, error: RequestValidationError) -> JSONResponse:
    """Says where and why, never what was sent."""
    found = [
        {"at": ".".join(str(part) for part in each["loc"])[:200], "message": str(each["msg"])[:200]}
        for each in error.errors()[:20]
    ]
    if any(each["at"].lower() == "header.idempotency-key" for each in found):
        detail = "send an Idempotency-Key header: 1 to 255 visible ASCII characters, fresh for each wish"
        code = "idempotency_key_required"
        return problem(_trace(request, code), 400, code, detail, instance=request.url.path)
    detail = "the request does not have the form that the API describes; see errors"
    return problem(_trace(request, "validation"), 422, "validation", detail, instance=request.url.path, errors=found)


async def _http(request: Request, error: StarletteHTTPException) -> JSONResponse:
    code = error.code if isinstance(error, ApiError) else CODES_BY_STATUS.get(error.status_code, "http_error")
    detail = str(error.detail)
    if code == "no_route":
        detail = "there is nothing at this address; see /docs"
    headers = dict(error.headers or {})
    if error.status_code == 405:
        known = _methods_at(request.app, request.url.path)
        headers["Allow"] = ", ".join(known) or headers.get("Allow", "GET")
    return problem(_trace(request, code), error.status_code, code, detail, headers=headers, instance=request.url.path)


def _methods_at(app: FastAPI, path: str) -> list[str]:
    """The methods that the document has for this path: what a 405 must name (RFC 9110, section 15.5.6).

    ``/v1/keys/{key_id}`` fits ``/v1/keys/x:share`` as well, and ``/v1/apps/{app_id}`` fits ``/v1/apps/self``: of all
    templates that fit, the one that says most of the path itself is meant.
    """
    fitting: list[tuple[int, str]] = []
    templates = app.openapi()["paths"]
    for template in templates:
        literal = re.split(r"\{\w+\}", template)
        if re.fullmatch("[^/]+".join(re.escape(part) for part in literal), path):
            fitting.append((len("".join(literal)), template))
    return sorted(method.upper() for method in templates[max(fitting)[1]]) if fitting else []
