"""What needs no token: is it alive, and what is it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request

from keygw.api.auth import Wired
from keygw.api.document import problems
from keygw.api.models import Discovery, Health
from keygw.api.permissions import name_of
from keygw.api.present import issuer_json
from keygw.bridge.scopes import COMMAND_SCOPES, GRANTABLE
from keygw.model.times import rfc3339

router = APIRouter(tags=["gateway"], responses=problems(public=True))


@router.get("/health", response_model=Health, summary="Is the gateway alive?")
async def health(wired: Wired) -> dict[str, Any]:
    return {"status": "ok", "version": wired.version, "time": rfc3339(wired.clock())}


@router.get("/.well-known/keygw", response_model=Discovery, summary="What this gateway is and where things are")
async def well_known(request: Request, wired: Wired) -> dict[str, Any]:
    return {
        "version": wired.version,
        "api_versions": ["v1"],
        "issuer": issuer_json(wired.issuer),
        "endpoints": {
            "apps": "/v1/apps",
            "pairings": "/v1/pairings",
            "vehicles": "/v1/vehicles",
            "sessions": "/v1/sessions",
            "authorization_server": "/.well-known/oauth-authorization-server",
            "keys": "/v1/keys",
            "devices": "/v1/devices",
            "profiles": "/v1/profiles",
            "events": "/v1/events",
            "stream": "/v1/stream",
            "viss": "/viss",
            "jwks": "/.well-known/jwks.json",
            "status_lists": "/v1/status-lists",
            "openapi": "/openapi.json",
            "docs": "/docs",
        },
        "scopes": sorted(GRANTABLE),
        "actions": [action.label for action in COMMAND_SCOPES],
        "minimum_clients": wired.clients.told(),
        "deprecated": list(_deprecated(request, wired)),
    }


def _deprecated(request: Request, wired: Wired) -> Iterator[dict[str, Any]]:
    for route in request.app.state.routes if wired.deprecated else ():
        found = wired.deprecated.get(name_of(route))
        if found is not None:
            for method in sorted(route.methods):
                yield {
                    "method": method,
                    "path": route.path_format,
                    "since": rfc3339(found.since),
                    "sunset": None if found.sunset is None else rfc3339(found.sunset),
                    "link": found.link,
                }
