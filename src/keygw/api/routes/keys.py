"""Digital keys: issue, share, suspend, resume, revoke, read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import ConfigDict

from keygw.api.auth import Caller, MaybeCaller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Id, Label, PublicKey, Signed
from keygw.api.idempotency import Repeatable
from keygw.api.models import KeyOut, Keys, OverdueKeys, OwnerKeyOut, Receipts, TokenOut
from keygw.api.present import issuer_json, key_json, overdue_json, token_json
from keygw.api.rights import SAYS_ONCE, Rights
from keygw.api.strict import StrictRoute
from keygw.bridge.apps import Unauthenticated
from keygw.credentials.receipts import receipt_json
from keygw.crypto.signer import thumbprint
from keygw.model.base64url import encode_base64url

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=StrictRoute)

_CHANGE = problems(404, 409)


class NewKey(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"vehicle_id": "veh_mfrggzdfmztwq2lk", "role": "owner", "label": "My phone"}]}
    )
    vehicle_id: Id
    role: Literal["owner"]
    label: Label = ""


class GiveBack(Body):
    """``proof``: COSE_Sign1 by the device key, ``dkds`` of ``protocols/key_token``."""

    public_key: PublicKey
    proof: Signed


class Share(Rights):
    """Either a ``grant``, which says everything, or rights and an end: exactly one of ``profile`` and ``entitlements``,
    exactly one of ``expires_at`` and ``lifetime_seconds``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "public_key": "Ao2RVdM-mJz3gV-h4y1Xb2yJ3jJ8zB1o2C8yTgq0xq5v",
                    "profile": "access",
                    "lifetime_seconds": 86400,
                    "label": "Friend",
                }
            ],
            "oneOf": [
                {"allOf": SAYS_ONCE, "properties": {"grant": {"type": "null"}}},
                {
                    "required": ["grant"],
                    "properties": {
                        "grant": {"type": "string"},
                        **{name: {"type": "null"} for name in Rights.model_fields},
                    },
                },
            ],
        }
    )
    public_key: PublicKey
    grant: Signed | None = None
    label: Label = ""

    def check(self) -> None:
        if self.grant is None:
            super().check()
        elif (self.profile, self.entitlements, self.expires_at, self.lifetime_seconds) != (None,) * 4:
            raise ValueError("a grant says what is shared and until when; leave the rest out")


@router.post(
    "",
    status_code=201,
    response_model=OwnerKeyOut,
    responses=problems(404, 409, body=True),
    summary="Issue an owner key to a hosted device of this app",
)
async def issue(body: NewKey, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """``provisioning`` is for the vehicle: whoever installs it there makes this key's device its owner."""
    view, public_key = await wired.bridge.keys.issue_owner(caller, body.vehicle_id, body.label, once)
    provisioning = {
        "v": 1,
        "vehicle_id": body.vehicle_id,
        "issuer": issuer_json(wired.issuer),
        "owner_thumbprint": encode_base64url(thumbprint(public_key)),
    }
    return {**key_json(view), "provisioning": provisioning}


@router.get("", response_model=Keys, responses=problems(404), summary="The keys that the app may know of")
async def list_all(
    caller: Caller, wired: Wired, vehicle_id: Annotated[str | None, Query(max_length=40)] = None
) -> dict[str, Any]:
    return {"keys": [key_json(view) for view in await wired.bridge.keys.list(caller, vehicle_id)]}


@router.get(
    ":overdue",
    response_model=OverdueKeys,
    responses=problems(),
    summary="Changes that vehicles are slow to acknowledge",
)
async def overdue(
    caller: Caller, wired: Wired, older_than_seconds: Annotated[int | None, Query(ge=0, le=366 * 86400)] = None
) -> dict[str, Any]:
    """Revoked, suspended or resumed longer ago than that (by default `overdue_seconds` of the limits), and the vehicle
    has not said that it knows."""
    now = wired.clock()
    found = await wired.bridge.keys.overdue(caller, older_than_seconds)
    return {"count": len(found), "keys": [overdue_json(view, late, now) for view, late in found]}


@router.get("/{key_id}", response_model=KeyOut, responses=problems(404), summary="One key")
async def get(key_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return key_json(await wired.bridge.keys.get(caller, key_id))


@router.post(
    "/{key_id}:share",
    status_code=201,
    response_model=KeyOut,
    responses=problems(404, 409, body=True),
    summary="Share a key with the device of a friend",
)
async def share(key_id: str, body: Share, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """Never wider, never longer, never deeper than its parent. Where a phone holds the parent, it signs a ``grant``."""
    if body.grant is not None:
        granted = await wired.bridge.keys.share_granted(
            caller, key_id, device_public_key=body.public_key, grant=body.grant, label=body.label, once=once
        )
        return key_json(granted)
    view = await wired.bridge.keys.share(
        caller,
        key_id,
        device_public_key=body.public_key,
        entitlements=body.rights(wired.limits.profiles),
        expires_at=body.end(wired.clock()),
        label=body.label,
        once=once,
        profile=body.profile or "",
    )
    return key_json(view)


@router.post("/{key_id}:suspend", response_model=KeyOut, responses=_CHANGE, summary="Suspend a key")
async def suspend(key_id: str, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """The vehicle refuses it once ``list.acknowledged`` has reached the ``list.current`` of this answer."""
    return key_json(await wired.bridge.keys.suspend(caller, key_id, once))


@router.post("/{key_id}:resume", response_model=KeyOut, responses=_CHANGE, summary="Lift a suspension")
async def resume(key_id: str, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    return key_json(await wired.bridge.keys.resume(caller, key_id, once))


@router.post("/{key_id}:revoke", response_model=KeyOut, responses=_CHANGE, summary="Revoke a key, for good")
async def revoke(key_id: str, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """``revoking`` until the vehicle itself has acknowledged, then ``revoked``; an event tells."""
    return key_json(await wired.bridge.keys.revoke(caller, key_id, once))


@router.post(
    "/{key_id}:give-back",
    response_model=KeyOut,
    responses=problems(404, 409, body=True),
    summary="Give a key back, for good",
)
async def give_back(key_id: str, caller: MaybeCaller, wired: Wired, body: GiveBack | None = None) -> dict[str, Any]:
    """By its holder: the app whose device it is, with its token; or a phone without one, with the word of its device
    key. What was shared from the key ends with it. ``revoking`` until the vehicle has acknowledged."""
    if body is not None:
        return key_json(await wired.bridge.keys.give_back_proven(key_id, body.public_key, body.proof))
    if caller is None:
        raise Unauthenticated("send the app's token, or the device's own word", code="token_missing")
    return key_json(await wired.bridge.keys.give_back(caller, key_id))


@router.get("/{key_id}/token", response_model=TokenOut, responses=problems(404), summary="The key token")
async def token(key_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Both forms, and what the device needs to find and know the vehicle. For the holder of the device key.

    Signed anew when a third of its life, or less, is left. ``chain``: for a shared key, what the vehicle asks for when
    it meets the key first; nearest parent first.
    """
    return token_json(*await wired.bridge.keys.token(caller, key_id))


@router.post("/{key_id}:renew", response_model=TokenOut, responses=_CHANGE, summary="A key token signed now")
async def renew(key_id: str, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """As long as grant and parent allow, 72 hours at most for a shared key. One that would last no longer than the
    present one is not signed; the present one is answered."""
    return token_json(*await wired.bridge.keys.renew(caller, key_id, once))


@router.get("/{key_id}/receipts", response_model=Receipts, responses=problems(404), summary="What the key has done")
async def receipts(
    key_id: str,
    caller: Caller,
    wired: Wired,
    after: Annotated[int, Query(ge=0, le=2**32)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Vehicle-signed, ascending. ``after``: the last sequence already seen."""
    found = await wired.bridge.keys.key_receipts(caller, key_id, after, limit)
    return {"receipts": [receipt_json(receipt) for receipt in found]}
