"""The authorization server (RFC 6749 and what builds on it). Every token is bound to a key (RFC 9449)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from keygw.api.auth import Caller, MaybeCaller, Wired, proof_of, tell_nonce
from keygw.api.document import problems
from keygw.api.fields import Name
from keygw.api.forms import OauthRoute, form_body, read_form, refusals, wanted
from keygw.api.outer import outer_base
from keygw.bridge.oauth.clients import OFFERED, parse_scope
from keygw.bridge.oauth.consents import INTERVAL, SECONDS, shown_code
from keygw.bridge.oauth.errors import OauthError
from keygw.bridge.oauth.grants import Tokens
from keygw.bridge.oauth.records import Client
from keygw.model.base64url import decode_base64url
from keygw.model.tenant import DEFAULT_TENANT

router = APIRouter(tags=["oauth"], route_class=OauthRoute)

PAIRING_CODE = "urn:keygw:params:oauth:grant-type:pairing-code"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
INVITATION = "urn:keygw:params:oauth:grant-type:invitation"
AUTHORIZATION_CODE = "authorization_code"
GRANT_TYPES = (PAIRING_CODE, DEVICE_CODE, INVITATION, AUTHORIZATION_CODE, "refresh_token")


class NewClient(BaseModel):
    """RFC 7591 section 2; what is not named here is ignored. A client has no secret."""

    model_config = ConfigDict(
        strict=True,
        json_schema_extra={"examples": [{"client_name": "My car app", "scope": "vehicle.read command.unlock"}]},
    )
    client_name: Name
    scope: Annotated[str, StringConstraints(max_length=1024)] = Field(
        default=" ".join(sorted(OFFERED)), description="The most that it will ask for, joined by spaces"
    )
    redirect_uris: list[Annotated[str, StringConstraints(max_length=512)]] = Field(
        default_factory=list,
        max_length=8,
        description="Where a browser comes back with a code: https, http on this machine, or a scheme with a dot in it",
    )


class ClientOut(BaseModel):
    client_id: str
    client_id_issued_at: int
    client_name: str
    scope: str
    redirect_uris: list[str]
    grant_types: list[str]
    response_types: list[str]
    token_endpoint_auth_method: str
    dpop_bound_access_tokens: bool


class TokensOut(BaseModel):
    """RFC 6749 section 5.1. ``grant_id``: under which the owner sees and ends it (`/v1/grants`)."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str
    scope: str
    grant_id: str


class DeviceAuthorizationOut(BaseModel):
    """RFC 8628 section 3.2. ``user_code``: for the person to see."""

    device_code: str
    user_code: str
    verification_uri: str
    expires_in: int
    interval: int


class IntrospectionOut(BaseModel):
    model_config = ConfigDict(extra="allow")
    active: bool


@router.post(
    "/oauth2/register",
    status_code=201,
    response_model=ClientOut,
    responses=refusals(401, 403, 415, 429, 507),
    summary="Register a client",
)
async def register(body: NewClient, caller: MaybeCaller, wired: Wired, request: Request) -> dict[str, Any]:
    """One installation of an app. No token is needed; with an operator's the client belongs to that tenant. The answer
    carries the first DPoP-Nonce, so that the next request need not ask for one."""
    tenant_id = (caller.tenant_id if caller is not None else None) or DEFAULT_TENANT
    clients = wired.bridge.oauth.clients
    client = await clients.register(body.client_name, body.scope.split(), tenant_id, body.redirect_uris)
    tell_nonce(request, wired.bridge.oauth.proofs.nonce)
    return {
        "client_id": client.id,
        "client_id_issued_at": client.created_at,
        "client_name": client.name,
        "scope": " ".join(client.scopes),
        "redirect_uris": client.redirect_uris,
        "grant_types": [each for each in GRANT_TYPES if client.redirect_uris or each != AUTHORIZATION_CODE],
        "response_types": ["code"] if client.redirect_uris else [],
        "token_endpoint_auth_method": "none",
        "dpop_bound_access_tokens": True,
    }


@router.post(
    "/oauth2/token",
    response_model=TokensOut,
    responses=refusals(409, 429, 504, 507),
    openapi_extra=form_body(
        ("grant_type", "client_id"),
        {
            "grant_type": f"`{PAIRING_CODE}`, `{DEVICE_CODE}`, `{INVITATION}`, `authorization_code` or `refresh_token`",
            "client_id": "Of POST /oauth2/register",
            "scope": "Joined by spaces; by default all that the client registered with, or that the grant holds",
            "pairing_code": "The 8 digits that the car shows",
            "vehicle_name": "What the car is to be called here",
            "code": "Of the authorization endpoint",
            "redirect_uri": "That of the authorization request",
            "code_verifier": "Of PKCE (RFC 7636)",
            "device_code": "Of POST /oauth2/device_authorization",
            "invitation_id": "Of the link of an invitation",
            "secret": "What stands behind the `#` of that link",
            "refresh_token": "Of the last answer",
        },
    ),
    summary="Get tokens",
)
async def token(wired: Wired, request: Request, response: Response) -> dict[str, Any]:
    """With a proof in the header `DPoP`, to whose key the tokens are bound. A pairing code that is being tried is
    answered `authorization_pending`: send the same request again, with a fresh proof."""
    form = await read_form(request)
    kind = wanted(form, "grant_type")
    if kind not in GRANT_TYPES:
        raise OauthError(f"known grant types: {', '.join(GRANT_TYPES)}", code="unsupported_grant_type")
    oauth, base = wired.bridge.oauth, outer_base(request)
    client = await oauth.clients.known(form.get("client_id"))
    proof = await oauth.proofs.check(proof_of(request), "POST", base + request.url.path)
    tell_nonce(request, oauth.proofs.nonce)
    if kind == PAIRING_CODE:
        tokens = await _pair(wired, form, client, proof.thumbprint, base)
    elif kind == DEVICE_CODE:
        tokens = await oauth.consents.collect(client, wanted(form, "device_code"), proof.thumbprint, base)
    elif kind == INVITATION:
        tokens = await _invited(wired, form, client, proof.thumbprint, base)
    elif kind == AUTHORIZATION_CODE:
        code, verifier = wanted(form, "code"), wanted(form, "code_verifier")
        uri = wanted(form, "redirect_uri", 512)
        tokens = await oauth.codes.collect(client, code, uri, verifier, proof.thumbprint, base)
    else:
        scope = parse_scope(form["scope"], within=client.scopes) if "scope" in form else None
        text = wanted(form, "refresh_token", 4096)
        tokens = await oauth.grants.refresh(client, text, proof.thumbprint, scope, base)
    response.headers["Pragma"] = "no-cache"
    return _tokens_json(tokens)


@router.post(
    "/oauth2/device_authorization",
    response_model=DeviceAuthorizationOut,
    responses=refusals(507),
    openapi_extra=form_body(
        ("client_id",),
        {"client_id": "Of POST /oauth2/register", "scope": "By default all that the client registered with"},
    ),
    summary="Ask a person who is elsewhere",
)
async def device_authorization(wired: Wired, request: Request) -> dict[str, Any]:
    """RFC 8628: for a head unit, or whatever has no keyboard. Show `user_code`; the person types it in an app that has
    the car's owner key (`/v1/consents`)."""
    form = await read_form(request)
    oauth = wired.bridge.oauth
    client = await oauth.clients.known(form.get("client_id"))
    asked = await oauth.consents.ask(client, parse_scope(form.get("scope"), within=client.scopes))
    tell_nonce(request, oauth.proofs.nonce)
    return {
        "device_code": asked.device_code,
        "user_code": shown_code(asked.request.user_code),
        "verification_uri": f"{outer_base(request)}/device",
        "expires_in": SECONDS,
        "interval": INTERVAL,
    }


@router.post(
    "/oauth2/revoke",
    responses=refusals(507),
    openapi_extra=form_body(
        ("token", "client_id"), {"token": "An access or refresh token", "client_id": "Whose it is"}
    ),
    summary="End a grant by one of its tokens",
)
async def revoke(wired: Wired, request: Request) -> None:
    """RFC 7009. The whole grant ends: its tokens at once, its digital keys as soon as the car hears of it. Of a token
    that is unknown nothing is said."""
    form = await read_form(request)
    client = await wired.bridge.oauth.clients.known(form.get("client_id"))
    text = wanted(form, "token", 4096)
    await wired.bridge.oauth.grants.revoke_token(client, text, outer_base(request))


@router.post(
    "/oauth2/introspect",
    response_model=IntrospectionOut,
    responses={**refusals(), **problems()},
    openapi_extra=form_body(("token",), {"token": "An access or refresh token"}),
    summary="What is this token good for? (operator)",
)
async def introspect(caller: Caller, wired: Wired, request: Request) -> dict[str, object]:
    """RFC 7662."""
    form = await read_form(request)
    told = await wired.bridge.oauth.grants.introspect(wanted(form, "token", 4096), outer_base(request))
    return told if caller.platform else await _of_tenant(wired, caller.tenant_id, told)


@router.get(
    "/.well-known/oauth-authorization-server",
    responses=problems(public=True),
    response_model=dict[str, str | bool | list[str]],
    summary="What the authorization server does, and where",
)
async def metadata(request: Request) -> dict[str, Any]:
    """RFC 8414."""
    base = outer_base(request)
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}/oauth2/authorize",
        "authorization_response_iss_parameter_supported": True,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint": f"{base}/oauth2/token",
        "registration_endpoint": f"{base}/oauth2/register",
        "device_authorization_endpoint": f"{base}/oauth2/device_authorization",
        "revocation_endpoint": f"{base}/oauth2/revoke",
        "introspection_endpoint": f"{base}/oauth2/introspect",
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "scopes_supported": sorted(OFFERED),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "dpop_signing_alg_values_supported": ["ES256"],
    }


async def _pair(wired: Wired, form: dict[str, str], client: Client, thumbprint: str, base: str) -> Tokens:
    scopes = parse_scope(form.get("scope"), within=client.scopes)
    name = wanted(form, "vehicle_name", 80) if "vehicle_name" in form else "My car"
    code = wanted(form, "pairing_code", 8)
    return await wired.bridge.oauth.arrivals.arrive(client, code, name, scopes, thumbprint, base)


async def _invited(wired: Wired, form: dict[str, str], client: Client, thumbprint: str, base: str) -> Tokens:
    scopes = parse_scope(form.get("scope"), within=client.scopes)
    try:
        secret = decode_base64url(wanted(form, "secret", 64))
    except ValueError as error:
        raise OauthError("the secret is base64url without padding", code="invalid_request") from error
    guests = wired.bridge.oauth.guests
    return await guests.arrive(client, wanted(form, "invitation_id", 40), secret, scopes, thumbprint, base)


async def _of_tenant(wired: Wired, tenant_id: str | None, told: dict[str, object]) -> dict[str, object]:
    """An operator of one tenant learns nothing of another's."""
    client_id = told.get("client_id")
    client = await wired.bridge.oauth.clients.known(client_id) if isinstance(client_id, str) else None
    return told if client is not None and client.tenant_id == tenant_id else {"active": False}


def _tokens_json(tokens: Tokens) -> dict[str, Any]:
    return {
        "access_token": tokens.access_token,
        "token_type": "DPoP",
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh_token,
        "scope": " ".join(sorted(tokens.scopes)),
        "grant_id": tokens.app.id,
    }
