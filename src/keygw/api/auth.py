"""Who is calling: a token in the Authorization header, and nowhere else. Bearer (RFC 6750, section 2.1), or bound to a
key whose proof comes with it (RFC 9449, section 7.1)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from keygw.api.outer import outer_base
from keygw.api.permissions import permission_of
from keygw.api.services import Services
from keygw.bridge.apps import Unauthenticated
from keygw.bridge.oauth.errors import BoundTokenRefused
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
        raise Unauthenticated("send the app's token as Authorization: Bearer kgw_..., or DPoP with a proof")
    kind, _separator, token = headers[0].partition(" ")
    token = token.strip()
    if len(headers) > 1 or kind.lower() not in ("bearer", "dpop") or not token:
        raise Unauthenticated("the Authorization header is not one token", code="token_malformed")
    wired = await services(request)
    if kind.lower() == "dpop":
        return await _bound(request, wired, token)
    if token.startswith("eyJ"):
        raise BoundTokenRefused(
            "this token is bound to a key: send it as Authorization: DPoP, with a proof in the DPoP header",
            nonce=wired.bridge.oauth.proofs.nonce,
        )
    return await wired.bridge.apps.authenticate(token)


async def _bound(request: HTTPConnection, wired: Services, token: str) -> App:
    """The grant that calls with a token of its own and a fresh proof."""
    base, method = outer_base(request), request.scope.get("method", "GET")  # a WebSocket begins as a GET
    oauth = wired.bridge.oauth
    app, proof = await oauth.opened(token, proof_of(request), method, base + sent_to(request), base)
    tell_nonce(request, oauth.proofs.renewed(proof))
    return app


async def caller_by(request: HTTPConnection, token: str, proof: str | None) -> App:
    """The same of a token and a proof that came in the first message of a WebSocket: browsers set no headers there."""
    wired = await services(request)
    if token.startswith("eyJ") or proof is not None:
        base = outer_base(request)
        app, _ = await wired.bridge.oauth.opened(token, proof, "GET", base + sent_to(request), base)
        return app
    return await wired.bridge.apps.authenticate(token)


async def caller_still(request: HTTPConnection, token: str, before: App) -> App:
    """The caller of an open WebSocket by a newer token; ``Unauthenticated``."""
    wired = await services(request)
    if token.startswith("eyJ"):
        return await wired.bridge.oauth.grants.renewed(token, before, outer_base(request))
    return await wired.bridge.apps.authenticate(token, before.thumbprint if before.proven else None)


def sent_to(request: HTTPConnection) -> str:
    """The path as it was sent, percent signs and all: that is what a proof names."""
    return str(request.scope["raw_path"].decode("ascii", "replace"))


def proof_of(request: HTTPConnection) -> str | None:
    """The DPoP header; two are as good as none (RFC 9449, section 4.3, check 1)."""
    found = request.headers.getlist("dpop")
    return found[0] if len(found) == 1 else None


def tell_nonce(request: HTTPConnection, nonce: str | None) -> None:
    """The answer will carry it, whatever the answer is."""
    if nonce is not None:
        request.scope.setdefault("state", {})["dpop_nonce"] = nonce


class _Bearer(SecurityBase):
    """The calling app or operator, with the permission that the route states; ``Unauthenticated`` (401) or
    ``ScopeRequired`` (403) otherwise. ``request.state.caller`` from then on.

    It is the security scheme itself, and calls for what it needs: each dependency of a dependency takes FastAPI longer
    than what it does here.
    """

    def __init__(self) -> None:
        description = (
            "The token that POST /v1/apps or POST /v1/operators answered (`kgw_...`); or, as `Authorization: DPoP`, "
            "the access token of POST /oauth2/token, with a proof in the header `DPoP`. Never in a URL."
        )
        self.model = HTTPBearer(description=description)
        self.scheme_name = "app"

    async def __call__(self, request: Request) -> App:
        request.app.state.services.clients.check(request.headers)
        app = await caller_of(request)
        permission = permission_of(request.scope["route"])
        permission.check(app)
        if permission.seen:
            wired = await services(request)
            wired.bridge.oauth.grants.check_seen(app)
        request.state.caller = app
        return app


current_app = _Bearer()


async def maybe_app(request: Request) -> App | None:
    """The calling app where a token is welcome but not needed; one that is sent must be good."""
    return await caller_of(request) if "authorization" in request.headers else None


Caller = Annotated[App, Security(current_app)]
MaybeCaller = Annotated[App | None, Depends(maybe_app)]
