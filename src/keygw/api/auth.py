"""Who is calling: a bearer token in the Authorization header (RFC 6750, section 2.1), and nowhere else."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from keygw.api.permissions import permission_of
from keygw.api.services import Services
from keygw.bridge.apps import Unauthenticated
from keygw.bridge.records import App


async def services(request: HTTPConnection) -> Services:
    """The services that the application was made with. Awaits nothing; but FastAPI would call a plain function in a
    thread of its own."""
    found = request.app.state.services
    assert isinstance(found, Services)  # noqa: S101 - set by create_api, for the type checker
    return found


Wired = Annotated[Services, Depends(services)]


async def caller_of(request: HTTPConnection) -> App:
    """Who asks; ``Unauthenticated``."""
    headers = request.headers.getlist("authorization")
    if not headers:
        raise Unauthenticated("send the app's token as Authorization: Bearer kgw_...")
    kind, _separator, token = headers[0].partition(" ")
    if len(headers) > 1 or kind.lower() != "bearer" or not token.strip():
        raise Unauthenticated("the Authorization header is not one bearer token", code="token_malformed")
    wired = await services(request)
    return await wired.bridge.apps.authenticate(token.strip())


class _Bearer(SecurityBase):
    """The calling app or operator, with the permission that the route states; ``Unauthenticated`` (401) or
    ``ScopeRequired`` (403) otherwise. ``request.state.caller`` from then on.

    It is the security scheme itself, and calls for what it needs: each dependency of a dependency takes FastAPI longer
    than what it does here.
    """

    def __init__(self) -> None:
        description = "The token that POST /v1/apps or POST /v1/operators answered (`kgw_...`). Never in a URL."
        self.model = HTTPBearer(description=description)
        self.scheme_name = "app"

    async def __call__(self, request: Request) -> App:
        app = await caller_of(request)
        permission_of(request.scope["route"]).check(app)
        request.state.caller = app
        return app


current_app = _Bearer()


async def maybe_app(request: Request) -> App | None:
    """The calling app where a token is welcome but not needed; one that is sent must be good."""
    return await caller_of(request) if "authorization" in request.headers else None


Caller = Annotated[App, Security(current_app)]
MaybeCaller = Annotated[App | None, Depends(maybe_app)]
