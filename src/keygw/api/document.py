"""How routes describe their errors, and the OpenAPI document that comes of it."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from keygw.api import links
from keygw.api.permissions import name_of
from keygw.api.problems import MEDIA_TYPE, Problem

MEANINGS: dict[int, str] = {
    400: "The request cannot be read (bad_request, malformed_json, idempotency_key_required)",
    401: "No valid bearer token (token_missing, token_malformed, token_unknown, token_expired, token_revoked)",
    403: "The caller may not (insufficient_scope, client_too_old, key_suspended, not_entitled, ...)",
    404: "No such thing for this caller (unknown_vehicle, unknown_key, unknown_command, unknown_invitation, ...)",
    409: "Not in a state that allows this (key_revoked, already_sent, invitation_taken, ...)",
    408: "The request took too long to arrive (request_timeout)",
    413: "The body is larger than 64 KiB (body_too_large)",
    415: "The body is not application/json (unsupported_media_type)",
    422: "The request is readable and wrong (validation, unknown_action, idempotency_mismatch, ...)",
    423: "Not while the car moves, or may move (driving_restricted)",
    429: "Too many commands wait for this vehicle (busy), too many wrong codes or links (pairing_locked, "
    "too_many_guesses), too many new clients (too_many_clients)",
    431: "Request line and headers are larger than 32 KiB (header_too_large)",
    500: "A bug here; name the trace id to the operator (internal)",
    501: "This is not offered here (status_history)",
    502: "The vehicle broke off (link_lost, protocol_violation)",
    503: "The database, the radio or the gateway cannot be used now (store_busy, radio_unavailable, radio_busy, "
    "not_ready, overloaded)",
    504: "The vehicle is not in reach (out_of_range, link_timeout)",
    507: "No space left for the database; nothing was changed (store_full)",
}

_REF = {"schema": {"$ref": "#/components/schemas/Problem"}}

EVERYWHERE = (400, 408, 413, 431, 500, 503)
"""What any request may be answered, by the doorway before a route is looked for, or because of a bug."""

Responses = dict[int | str, dict[str, Any]]


def problems(*statuses: int, body: bool = False, public: bool = False) -> Responses:
    """The ``responses`` of a route: the given ones and those that every such route has. ``EVERYWHERE`` comes later."""
    wanted = {422, *statuses}
    if body:
        wanted |= {415}
    if not public:
        wanted |= {401, 403}
    if body or not public:
        wanted |= {507}
    return {status: {"description": MEANINGS[status], "content": {MEDIA_TYPE: _REF}} for status in sorted(wanted)}


def _say_once(document: dict[str, Any]) -> None:
    """Give every operation what any may be answered. A problem looks the same wherever it arises, so it is described
    once and referred to."""
    shared = document["components"].setdefault("responses", {})
    for operation in (each for item in document["paths"].values() for each in item.values()):
        said = operation["responses"]
        problems = {int(status) for status, response in said.items() if MEDIA_TYPE in response.get("content", {})}
        for status in sorted(problems | set(EVERYWHERE)):
            name = f"Problem{status}"
            shared[name] = {"description": MEANINGS[status], "content": {MEDIA_TYPE: _REF}}
            own = said.get(str(status), {}).get("content", {})
            if own.keys() - {MEDIA_TYPE}:  # the authorization server has words of its own for it
                own[MEDIA_TYPE] = _REF
            else:
                said[str(status)] = {"$ref": f"#/components/responses/{name}"}
        operation["responses"] = dict(sorted(said.items()))


def _date(document: dict[str, Any], app: FastAPI) -> None:
    """Mark what is deprecated."""
    deprecated = app.state.services.deprecated
    for route in app.state.routes:
        if route.include_in_schema and name_of(route) in deprecated:
            for method in route.methods:
                document["paths"][route.path_format][method.lower()]["deprecated"] = True


def install(app: FastAPI) -> None:
    """Give the application its OpenAPI document: made once, with the problem schema in it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            components = document.setdefault("components", {})
            components.setdefault("schemas", {})["Problem"] = Problem.model_json_schema(
                ref_template="#/components/schemas/{model}"
            )
            _say_once(document)
            links.link(document)
            _date(document, app)
            app.openapi_schema = document
        return app.openapi_schema

    # FastAPI's documented way to extend the document.
    app.openapi = openapi  # type: ignore[method-assign]
