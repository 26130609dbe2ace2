"""Passkeys: the person behind a grant registers them, and is seen again by them (Web Authentication)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, CredentialId, Name, PasskeyPart
from keygw.api.models import TimeText
from keygw.api.outer import outer_base
from keygw.api.routes.grants import GrantOut, grant_json
from keygw.api.strict import StrictRoute
from keygw.bridge.oauth.records import Passkey
from keygw.model.times import rfc3339
from keygw.token.passkey import Assertion

router = APIRouter(prefix="/v1/passkeys", tags=["passkeys"], route_class=StrictRoute)


class NewPasskey(Body):
    """Of the answer of ``navigator.credentials.create``. ``name``: what the person calls it."""

    name: Name
    client_data: PasskeyPart
    attestation_object: PasskeyPart


class AssertionIn(Body):
    """Of the answer of ``navigator.credentials.get``."""

    credential_id: CredentialId
    client_data: PasskeyPart
    authenticator_data: PasskeyPart
    signature: PasskeyPart

    def assertion(self) -> Assertion:
        return Assertion(self.credential_id, self.client_data, self.authenticator_data, self.signature)


class OptionsOut(BaseModel):
    """For ``PublicKeyCredential.parseCreationOptionsFromJSON``, or ``parseRequestOptionsFromJSON``. Good once, for five
    minutes, for this caller."""

    model_config = ConfigDict(extra="allow")
    challenge: str


class PasskeyOut(BaseModel):
    """``synced``: the same passkey may be on other devices of that person."""

    id: str
    name: str
    synced: bool
    created_at: TimeText
    used_at: TimeText | None


class PasskeysOut(BaseModel):
    passkeys: list[PasskeyOut]


@router.post(":options", response_model=OptionsOut, responses=problems(409), summary="What a new passkey is made of")
async def options(caller: Caller, wired: Wired, request: Request) -> dict[str, Any]:
    """Takes a person who was seen a moment ago."""
    return await wired.bridge.oauth.passkeys.offer(caller, outer_base(request))


@router.post(
    "", status_code=201, response_model=PasskeyOut, responses=problems(409, body=True), summary="Register a passkey"
)
async def add(body: NewPasskey, caller: Caller, wired: Wired, request: Request) -> dict[str, Any]:
    """P-256 or Ed25519, with the person verified; attestation is not looked at."""
    made = await wired.bridge.oauth.passkeys.add(
        caller, body.name, body.client_data, body.attestation_object, outer_base(request)
    )
    return passkey_json(made)


@router.post(
    ":challenge", response_model=OptionsOut, responses=problems(409), summary="What a passkey is asked to sign"
)
async def challenge(caller: Caller, wired: Wired, request: Request) -> dict[str, Any]:
    """By one of the passkeys of the person behind the caller."""
    return await wired.bridge.oauth.passkeys.challenge(caller, outer_base(request))


@router.post(":verify", response_model=GrantOut, responses=problems(404, 409, body=True), summary="The person is here")
async def verify(body: AssertionIn, caller: Caller, wired: Wired, request: Request) -> dict[str, Any]:
    """The step-up of RFC 9470, in place of the car's code: the next access token (`refresh_token`) says that the person
    was seen now."""
    view = await wired.bridge.oauth.passkeys.see(caller, body.assertion(), outer_base(request))
    return grant_json(view)


@router.get("", response_model=PasskeysOut, responses=problems(), summary="The passkeys of the caller's person")
async def list_all(caller: Caller, wired: Wired) -> dict[str, Any]:
    return {"passkeys": [passkey_json(each) for each in await wired.bridge.oauth.passkeys.list(caller)]}


@router.get("/{passkey_id}", response_model=PasskeyOut, responses=problems(404), summary="One passkey")
async def get(passkey_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return passkey_json(await wired.bridge.oauth.passkeys.get(caller, passkey_id))


@router.delete("/{passkey_id}", status_code=204, responses=problems(404), summary="Remove a passkey")
async def remove(passkey_id: str, caller: Caller, wired: Wired) -> None:
    """At once. What was granted with it is ended by itself (`/v1/grants`)."""
    await wired.bridge.oauth.passkeys.remove(caller, passkey_id)


def passkey_json(passkey: Passkey) -> dict[str, Any]:
    return {
        "id": passkey.id,
        "name": passkey.name,
        "synced": passkey.synced,
        "created_at": rfc3339(passkey.created_at),
        "used_at": None if passkey.used_at is None else rfc3339(passkey.used_at),
    }
