"""JSON bodies read strictly: the declared type, one meaning, no surprises."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from keygw.api.problems import ApiError


class StrictRequest(Request):
    async def json(self) -> Any:
        return parse(await self.body())


class StrictRoute(APIRoute):
    """415 unless the body says application/json, 400 malformed_json unless it is exactly that."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            _check_once(request)
            if takes_body:
                _check_type(request)
                request = StrictRequest(request.scope, request.receive)
            return await handler(request)

        return strict


def parse(body: bytes) -> Any:
    """RFC 8259 in UTF-8, and no name twice in one object (I-JSON, RFC 7493), no NaN, no lone surrogates."""
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_number
        )
        # An escaped lone surrogate parses, and would break whatever writes the text out later.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "malformed_json", f"the body is not valid JSON: {_why(error)}") from None
    return value


def _check_once(request: Request) -> None:
    """Of two keys nobody knows which one counts, and a proxy may drop either."""
    if len(request.headers.getlist("idempotency-key")) > 1:
        raise ApiError(400, "idempotency_key_required", "send one Idempotency-Key header, not several")


def _check_type(request: Request) -> None:
    headers = request.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return  # no body at all; whether one is needed is for the validation to say
    kind, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if kind.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise ApiError(415, "unsupported_media_type", "send the body as Content-Type: application/json")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError(415, "unsupported_media_type", "send the body without a Content-Encoding")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice in one object")
    return found


def _number(text: str) -> float:
    """JSON has one kind of number: ``60.0`` is the whole number 60 (JSON Schema 2020-12 core, section 4.2.2)."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos}"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error)[:120]
