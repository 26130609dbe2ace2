"""Invitations: offered by an app, answered by whoever holds the link. The secret travels in bodies, never in a URL."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from keygw.api.auth import Caller, MaybeCaller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Label, PublicKey, Secret, Signed
from keygw.api.idempotency import Repeatable
from keygw.api.models import KeyOut, TimeText, TokenOut
from keygw.api.outer import outer_base
from keygw.api.present import key_json, token_json
from keygw.api.rights import SAYS_ONCE, Rights
from keygw.api.routes.devices import AttestationIn
from keygw.api.strict import StrictRoute
from keygw.bridge.invitations import Offer
from keygw.credentials.invitation import MOST_TRIES, Invitation, InvitationState, key_stage
from keygw.model.base64url import encode_base64url
from keygw.model.times import rfc3339

router = APIRouter(prefix="/v1", tags=["invitations"], route_class=StrictRoute)

WEEK = 7 * 86400


class NewInvitation(Rights):
    """``expires_at`` or ``lifetime_seconds`` (from the claim on) is the key's; ``open_seconds`` is how long the
    invitation may be claimed: a day unless told otherwise."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"profile": "access", "lifetime_seconds": 2592000, "label": "Friend", "activation_code": True}
            ],
            "allOf": SAYS_ONCE,
        }
    )
    label: Label = ""
    activation_code: bool = False
    open_seconds: Annotated[int, Field(ge=1, le=WEEK)] | None = None


class InvitationAnswer(Body):
    """``secret``: what stands behind the ``#`` of the link."""

    secret: Secret


class Claim(InvitationAnswer):
    """``proof``: COSE_Sign1 by the device key, ``dkip`` of ``protocols/key_token``. ``attestation``: where the profile
    asks for one."""

    public_key: PublicKey
    proof: Signed
    attestation: AttestationIn | None = None
    activation_code: Annotated[str, StringConstraints(pattern=r"^[0-9]{6}$")] | None = None


class Decline(InvitationAnswer):
    """Key and proof only once the device has claimed it."""

    public_key: PublicKey | None = None
    proof: Signed | None = None


class GrantIn(Body):
    """``grant``: COSE_Sign1 by the device key of the parent key, ``dkgr`` of ``protocols/key_token``."""

    grant: Signed


class InvitationOut(BaseModel):
    """For who made it. ``public_key``: of the device that claimed it. ``other_claims``: tries of further devices."""

    id: str
    state: InvitationState
    key_stage: str | None = Field(
        description="How far the key is that it asks for: requested, issued, declined; null before the claim",
        examples=["requested"],
    )
    vehicle_id: str
    parent_id: str
    key_id: str | None
    public_key: str | None
    label: str
    profile: str | None
    entitlements: list[str]
    key_expires_at: TimeText | None
    key_lifetime_seconds: int | None
    needs_activation_code: bool
    wrong_codes: int
    other_claims: int
    created_at: TimeText
    expires_at: TimeText


class InvitationCreated(InvitationOut):
    """``link`` and ``activation_code`` are shown this once. Send the one, say the other aloud.

    A request that is repeated under its Idempotency-Key is answered without them: cancel it and make another, if the
    first answer is lost.
    """

    link: str | None
    activation_code: str | None


class InvitationList(BaseModel):
    invitations: list[InvitationOut]


class OfferOut(BaseModel):
    """For the friend. ``tries_left``: activation codes that may still be wrong."""

    id: str
    state: InvitationState
    vehicle_name: str
    label: str
    profile: str | None
    entitlements: list[str]
    key_expires_at: TimeText | None
    key_lifetime_seconds: int | None
    needs_activation_code: bool
    tries_left: int | None
    expires_at: TimeText


class ClaimOut(BaseModel):
    """``key`` and ``token`` once the key has been issued; until then the state is ``claimed``."""

    invitation: OfferOut
    key: KeyOut | None
    token: TokenOut | None


def invitation_json(invitation: Invitation) -> dict[str, Any]:
    return {
        **_shared_json(invitation),
        "key_stage": key_stage(invitation.state),
        "vehicle_id": invitation.vehicle_id,
        "parent_id": invitation.parent_id,
        "key_id": invitation.key_id,
        "public_key": None if invitation.device_key is None else encode_base64url(invitation.device_key),
        "wrong_codes": invitation.wrong_codes,
        "other_claims": invitation.other_claims,
        "created_at": rfc3339(invitation.created_at),
    }


def offer_json(offer: Offer) -> dict[str, Any]:
    left = MOST_TRIES - offer.invitation.wrong_codes
    return {
        **_shared_json(offer.invitation),
        "vehicle_name": offer.vehicle.name,
        "tries_left": None if offer.invitation.code_hash is None else left,
    }


def _shared_json(invitation: Invitation) -> dict[str, Any]:
    end = invitation.key_expires_at
    return {
        "id": invitation.id,
        "state": invitation.state.value,
        "label": invitation.label,
        "profile": invitation.profile or None,
        "entitlements": list(invitation.entitlements.names),
        "key_expires_at": None if end is None else rfc3339(end),
        "key_lifetime_seconds": invitation.key_lifetime,
        "needs_activation_code": invitation.code_hash is not None,
        "expires_at": rfc3339(invitation.expires_at),
    }


def claim_json(offer: Offer) -> dict[str, Any]:
    got = offer.received
    if got is None:
        return {"invitation": offer_json(offer), "key": None, "token": None}
    return {
        "invitation": offer_json(offer),
        "key": key_json(got.key),
        "token": token_json(got.token, got.chain, offer.vehicle, got.revocations),
    }


# With an app's token


@router.post(
    "/keys/{key_id}/invitations",
    status_code=201,
    response_model=InvitationCreated,
    responses=problems(404, 409, body=True),
    summary="Offer a key by a link",
)
async def create(
    key_id: str, body: NewInvitation, caller: Caller, wired: Wired, request: Request, once: Repeatable
) -> dict[str, Any]:
    """The secret is in the fragment of the link, which no server ever sees. The first device that claims it has it."""
    invited = await wired.bridge.invitations.create(
        caller,
        key_id,
        entitlements=body.rights(wired.limits.profiles),
        profile=body.profile or "",
        key_expires_at=None if body.expires_at is None else int(body.expires_at),
        key_lifetime=body.lifetime_seconds,
        label=body.label,
        activation_code=body.activation_code,
        lifetime=body.open_seconds,
        once=once,
    )
    if isinstance(invited, Invitation):
        return {**invitation_json(invited), "link": None, "activation_code": None}
    link = f"{outer_base(request)}/i/{invited.invitation.id}#{encode_base64url(invited.secret)}"
    return {**invitation_json(invited.invitation), "link": link, "activation_code": invited.code}


@router.get(
    "/keys/{key_id}/invitations",
    response_model=InvitationList,
    responses=problems(404),
    summary="The invitations made with one key",
)
async def of_key(key_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return {
        "invitations": [invitation_json(each) for each in await wired.bridge.invitations.list(caller, None, key_id)]
    }


@router.get(
    "/invitations",
    response_model=InvitationList,
    responses=problems(404),
    summary="The invitations that the app may know of",
)
async def list_all(
    caller: Caller, wired: Wired, vehicle_id: Annotated[str | None, Query(max_length=40)] = None
) -> dict[str, Any]:
    return {"invitations": [invitation_json(each) for each in await wired.bridge.invitations.list(caller, vehicle_id)]}


@router.get(
    "/invitations/{invitation_id}", response_model=InvitationOut, responses=problems(404), summary="One invitation"
)
async def get(invitation_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return invitation_json(await wired.bridge.invitations.get(caller, invitation_id))


@router.post(
    "/invitations/{invitation_id}:cancel",
    response_model=InvitationOut,
    responses=problems(404, 409),
    summary="Take an invitation back",
)
async def cancel(invitation_id: str, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """Before there is a key; after that, revoke the key."""
    return invitation_json(await wired.bridge.invitations.cancel(caller, invitation_id, once))


@router.post(
    "/invitations/{invitation_id}:grant",
    response_model=InvitationOut,
    responses=problems(404, 409, body=True),
    summary="Allow it to the device that claimed",
)
async def grant(invitation_id: str, body: GrantIn, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Where a phone holds the key that is shared: it signs for `public_key`, and the friend's key is issued."""
    return invitation_json(await wired.bridge.invitations.grant(caller, invitation_id, body.grant))


# With the secret of the link


@router.post(
    "/invitations/{invitation_id}:view",
    response_model=OfferOut,
    responses=problems(404, 429, 503, body=True, public=True),
    summary="What the link offers (no token)",
)
async def view(invitation_id: str, body: InvitationAnswer, wired: Wired) -> dict[str, Any]:
    return offer_json(await wired.bridge.invitations.look(invitation_id, body.secret))


@router.post(
    "/invitations/{invitation_id}:claim",
    response_model=ClaimOut,
    responses=problems(401, 403, 404, 409, 429, 503, body=True, public=True),
    summary="Claim a key by its link (no token)",
)
async def claim(invitation_id: str, body: Claim, caller: MaybeCaller, wired: Wired) -> dict[str, Any]:
    """Binds the invitation to this device; no other can have it any more. The same device may ask again at any time: it
    gets the same key with its newest token and the newest revocation list. With an app's token, the device is that
    app's from now on."""
    evidence = None if body.attestation is None else body.attestation.value()
    offer = await wired.bridge.invitations.claim(
        invitation_id, body.secret, body.public_key, body.proof, body.activation_code, caller, evidence
    )
    return claim_json(offer)


@router.post(
    "/invitations/{invitation_id}:decline",
    response_model=OfferOut,
    responses=problems(404, 409, 429, 503, body=True, public=True),
    summary="Say no (no token)",
)
async def decline(invitation_id: str, body: Decline, wired: Wired) -> dict[str, Any]:
    return offer_json(await wired.bridge.invitations.decline(invitation_id, body.secret, body.public_key, body.proof))
