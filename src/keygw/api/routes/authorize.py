"""The authorization endpoint (RFC 6749 section 3.1): where a browser asks, and a person logs in by a passkey."""

from __future__ import annotations

import re
import secrets
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, StringConstraints

from keygw.api import consent_page
from keygw.api.auth import Wired
from keygw.api.document import problems
from keygw.api.fields import Body, CredentialId, PasskeyChallenge, PasskeyPart
from keygw.api.outer import outer_base
from keygw.api.problems import ApiError
from keygw.api.strict import StrictRoute
from keygw.bridge.oauth.codes import MOST_QUERY, SentBack, Unsendable
from keygw.token.passkey import Assertion
from keygw.web.assets import PAGE_HEADERS

router = APIRouter(prefix="/oauth2/authorize", tags=["oauth"], route_class=StrictRoute)

_COOKIE: Final = "keygw_authorize"
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_SECONDS: Final = 600
_HEADERS: Final = {**PAGE_HEADERS, "Cache-Control": "no-store"}

Query = Annotated[str, StringConstraints(max_length=MOST_QUERY, pattern=r"^[\x21-\x7e]*$")]


class Allowing(Body):
    """``query``: of the page's address, to the letter; and the answer of ``navigator.credentials.get``."""

    query: Query
    credential_id: CredentialId
    client_data: PasskeyPart
    authenticator_data: PasskeyPart
    signature: PasskeyPart


class Denying(Body):
    """``query``: of the page's address, to the letter; ``challenge``: that the page was given."""

    query: Query
    challenge: PasskeyChallenge


class SentOut(BaseModel):
    redirect_to: str


@router.get("", include_in_schema=False)
async def page(request: Request, wired: Wired) -> Response:
    """The page that asks. Nobody is sent to an address that the client has not registered."""
    base, lang = outer_base(request), consent_page.language(request.headers.get("accept-language", ""))
    codes = wired.bridge.oauth.codes
    try:
        wish = await codes.wish(request.scope["query_string"].decode("ascii", "replace"), base)
    except Unsendable as error:
        return _html(consent_page.dead_end(lang, str(error)), 400)
    except SentBack as error:
        return RedirectResponse(error.location, 303, {"Cache-Control": "no-store"})
    browser = _browser(request) or secrets.token_urlsafe(32)
    options = codes.ask(wish, browser, base)
    shown = consent_page.consent(lang, wish.client.name, wish.redirect_uri, wish.scopes, options)
    response = _html(shown, 200)
    secure = base.startswith("https://")
    # __Host-: by https alone, from this host alone, for the whole of it (RFC 6265bis section 4.1.3.2)
    response.set_cookie(
        _name(base), browser, max_age=_SECONDS, path="/", secure=secure, httponly=True, samesite="strict"
    )
    return response


@router.post(
    "/allow",
    response_model=SentOut,
    responses=problems(403, 409, public=True, body=True),
    summary="Log in, and let it in",
)
async def allow(body: Allowing, wired: Wired, request: Request) -> dict[str, Any]:
    """Of the page: the passkey logs the person in, and says yes to just this request from this browser."""
    base, codes = outer_base(request), wired.bridge.oauth.codes
    browser = _own(request)
    assertion = Assertion(body.credential_id, body.client_data, body.authenticator_data, body.signature)
    try:
        return {"redirect_to": await codes.allow(await codes.wish(body.query, base), browser, assertion, base)}
    except SentBack as error:
        return {"redirect_to": error.location}


@router.post(
    "/deny", response_model=SentOut, responses=problems(403, 409, public=True, body=True), summary="Turn it away"
)
async def deny(body: Denying, wired: Wired, request: Request) -> dict[str, Any]:
    """Of the page: the client hears `access_denied`."""
    base, codes = outer_base(request), wired.bridge.oauth.codes
    browser = _own(request)
    try:
        return {"redirect_to": codes.deny(await codes.wish(body.query, base), browser, body.challenge, base)}
    except SentBack as error:
        return {"redirect_to": error.location}


def _html(body: bytes, status: int) -> Response:
    return Response(body, status, _HEADERS, media_type="text/html; charset=utf-8")


def _name(base: str) -> str:
    return f"__Host-{_COOKIE}" if base.startswith("https://") else _COOKIE


def _browser(request: Request) -> str | None:
    found = request.cookies.get(_name(outer_base(request)), "")
    return found if _SECRET.fullmatch(found) else None


def _own(request: Request) -> str:
    """What only the browser knows that was shown the page. ``ApiError`` foreign_page: another site has sent this."""
    origin, browser = request.headers.get("origin"), _browser(request)
    other = request.headers.get("sec-fetch-site", "same-origin") != "same-origin"
    if other or browser is None or (origin is not None and origin != outer_base(request)):
        raise ApiError(403, "foreign_page", "this comes from another page than ours, or without its cookie: begin anew")
    return browser
