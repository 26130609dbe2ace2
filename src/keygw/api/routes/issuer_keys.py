"""The issuer's keys: the set that verifiers fetch, and their rotation by the operator."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response
from fastapi.responses import JSONResponse
from pydantic import ConfigDict, Field

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body
from keygw.api.models import IssuerKeyOut, IssuerKeysOut, JwkSet
from keygw.api.present import issuer_key_json, jwk_json
from keygw.api.strict import StrictRoute
from keygw.credentials.rotation import MAX_OVERLAP

JWKS_SECONDS = 300
"""How long a verifier may keep the set: a prepared key is known everywhere after that."""

public = APIRouter(tags=["gateway"], responses=problems(public=True))
router = APIRouter(prefix="/v1/admin/issuer-keys", tags=["issuer keys"], route_class=StrictRoute)


class JwkSetResponse(JSONResponse):
    """RFC 7517 section 8.5.2."""

    media_type = "application/jwk-set+json"


class NewIssuerKey(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"place": "pkcs11:token=keygw;object=issuer-2026"}]})
    place: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=512,
                description="`file`, or a PKCS#11 URI (RFC 7512) without PIN and module; by default where the gateway "
                "keeps its keys",
            ),
        ]
        | None
    ) = None


class Activation(Body):
    overlap_seconds: (
        Annotated[
            int,
            Field(
                ge=0,
                le=MAX_OVERLAP,
                description="How long what the former key signed still counts; by default until its last token ends",
            ),
        ]
        | None
    ) = None


@public.get(
    "/.well-known/jwks.json",
    response_model=JwkSet,
    response_class=JwkSetResponse,
    responses={304: {"description": "It is the one that If-None-Match names"}},
    summary="The public keys that key tokens are signed with (RFC 7517)",
)
async def jwks(wired: Wired, if_none_match: Annotated[str | None, Header(max_length=400)] = None) -> Response:
    """The next, the current and the retiring keys. A `kid` that is not there is signed by nobody here."""
    found = {"keys": [jwk_json(record) for record in wired.bridge.issuer_keys.announced()]}
    text = json.dumps(found, separators=(",", ":")).encode()
    tag = f'"{hashlib.sha256(text).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": f"public, max-age={JWKS_SECONDS}"}
    known = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    if tag in known or known == ["*"]:
        return Response(status_code=304, headers=headers)
    return Response(text, headers=headers, media_type=JwkSetResponse.media_type)


@router.get("", response_model=IssuerKeysOut, responses=problems(), summary="Every key there ever was (operator)")
async def every(caller: Caller, wired: Wired) -> dict[str, Any]:
    return {"keys": [issuer_key_json(record) for record in await wired.bridge.issuer_keys.list(caller)]}


@router.get("/{kid}", response_model=IssuerKeyOut, responses=problems(404), summary="One of them (operator)")
async def one(kid: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return issuer_key_json(await wired.bridge.issuer_keys.get(caller, kid))


@router.post(
    "",
    status_code=201,
    response_model=IssuerKeyOut,
    responses=problems(409, body=True),
    summary="Make the next key and announce it (operator)",
)
async def prepare(body: NewIssuerKey, caller: Caller, wired: Wired) -> dict[str, Any]:
    return issuer_key_json(await wired.bridge.issuer_keys.prepare(caller, body.place))


@router.post(
    "/{kid}/activate",
    response_model=IssuerKeyOut,
    responses=problems(404, 409, body=True),
    summary="Sign with it from now on (operator)",
)
async def activate(kid: str, body: Activation, caller: Caller, wired: Wired) -> dict[str, Any]:
    """The former key retires by itself at the end of the overlap; what it has signed is signed anew before."""
    return issuer_key_json(await wired.bridge.issuer_keys.activate(caller, kid, body.overlap_seconds))


@router.post(
    "/{kid}/retire",
    response_model=IssuerKeyOut,
    responses=problems(404, 409),
    summary="End it now (operator)",
)
async def retire(kid: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Answers when all that it has signed and is in force is signed anew: at a million keys after minutes. Who does not
    wait loses nothing: it goes on."""
    return issuer_key_json(await wired.bridge.issuer_keys.retire(caller, kid))
