"""Who is calling: a bearer token in the Authorization header (RFC 6750, section 2.1), and nowhere else."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from keygw.api.permissions import permission_of
from keygw.api.services import Services
from keygw.bridge.apps import Unauthenticated
from keygw.bridge.records import App

_scheme = HTTPBearer(
    auto_error=False,
    scheme_name="app",
    description="The token that POST /v1/apps or POST /v1/operators answered (`kgw_...`). Never in a URL.",
)


def services(request: Request) -> Services:
    """The services that the application was made with."""
    found = request.app.state.services
    assert isinstance(found, Services)  # noqa: S101 - set by create_api, for the type checker
    return found


Wired = Annotated[Services, Depends(services)]


async def current_app(request: Request, wired: Wired, _: Annotated[object, Security(_scheme)] = None) -> App:
    """The calling app or operator, with the permission that the route states; ``Unauthenticated`` (401) or
    ``ScopeRequired`` (403) otherwise."""
    app = await _caller(request, wired)
    permission_of(request.scope["route"]).check(app)
    return app


async def _caller(request: Request, wired: Services) -> App:
    headers = request.headers.getlist("authorization")
    if not headers:
        raise Unauthenticated("send the app's token as Authorization: Bearer kgw_...")
    kind, _separator, token = headers[0].partition(" ")
    if len(headers) > 1 or kind.lower() != "bearer" or not token.strip():
        raise Unauthenticated("the Authorization header is not one bearer token", code="token_malformed")
    return await wired.bridge.apps.authenticate(token.strip())


async def maybe_app(request: Request, wired: Wired) -> App | None:
    """The calling app where a token is welcome but not needed; one that is sent must be good."""
    return await _caller(request, wired) if "authorization" in request.headers else None


Caller = Annotated[App, Depends(current_app)]
MaybeCaller = Annotated[App | None, Depends(maybe_app)]
