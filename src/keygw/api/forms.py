"""Bodies of the authorization server: forms (RFC 6749, appendix B), and errors in the words of OAuth."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from keygw.api.document import problems
from keygw.api.strict import StrictRoute
from keygw.bridge.oauth.errors import OauthError, ProofRefused

MOST_FIELDS = 32
FORM = "application/x-www-form-urlencoded"

OAUTH_ERROR: dict[str, Any] = {
    "description": "Refused, in the words of RFC 6749 section 5.2 and of what builds on it",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error", "error_description"],
                "properties": {
                    "error": {"type": "string", "examples": ["invalid_grant", "use_dpop_nonce"]},
                    "error_description": {"type": "string"},
                },
            }
        }
    },
}


class OauthRoute(StrictRoute):
    """What does not have the described form is refused in OAuth's words, as RFC 7591 section 3.2.2 wants it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def spoken(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                places = {".".join(str(part) for part in each["loc"][1:])[:80] for each in error.errors()[:10]}
                detail = f"not as the document describes it: {', '.join(sorted(places)) or 'the body'}"
                raise OauthError(detail, code="invalid_client_metadata") from None

        return spoken


def form_body(required: Sequence[str], fields: Mapping[str, str]) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that takes a form. ``fields``: name -> what it is."""
    properties: dict[str, Any] = {name: {"type": "string", "description": said} for name, said in fields.items()}
    for name in required:
        properties[name]["minLength"] = 1  # elsewhere an empty one counts as left out
    schema = {"type": "object", "required": list(required), "properties": properties}
    return {"requestBody": {"required": True, "content": {FORM: {"schema": schema}}}}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route of the authorization server."""
    return {**problems(*statuses, public=True), 400: OAUTH_ERROR, 401: OAUTH_ERROR}


async def read_form(request: Request) -> dict[str, str]:
    """Name -> value. What has no value counts as left out (RFC 6749, section 3.2); ``OauthError`` invalid_request."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM or request.headers.get("content-encoding", "identity").lower() != "identity":
        raise OauthError(f"send the parameters as Content-Type: {FORM}")
    body = await request.body()
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
            strict_parsing=True,
        )
    except ValueError:
        raise OauthError("the body is no form of parameters, or has too many") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise OauthError("a parameter stands twice")
    return {name: value for name, value in found.items() if value}


def wanted(form: dict[str, str], name: str, most: int = 256) -> str:
    """``OauthError`` invalid_request if it is not there, or longer than that."""
    value = form.get(name)
    if value is None or len(value) > most or not value.isprintable():
        raise OauthError(f"the parameter {name} is missing, or is not what it should be")
    return value


async def refused(request: Request, error: OauthError) -> JSONResponse:
    """RFC 6749 section 5.2."""
    state = request.scope["state"]
    state["code"] = error.code
    if isinstance(error, ProofRefused):
        state["dpop_nonce"] = error.nonce
    status = 401 if error.code == "invalid_client" else 400
    headers = {"Retry-After": "5"} if error.code in ("authorization_pending", "slow_down") else {}
    return JSONResponse({"error": error.code, "error_description": str(error)}, status, headers)
