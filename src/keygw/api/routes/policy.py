"""What keys may be: the entitlements there are, the access profiles and the limits of this deployment."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.strict import StrictRoute
from keygw.credentials.profiles import Profile
from keygw.model.device import AttestationLevel
from keygw.model.entitlement import REGISTRY

router = APIRouter(prefix="/v1", tags=["policy"], route_class=StrictRoute)


class EntitlementOut(BaseModel):
    """``actions``: the commands that need it. ``signals``: the VSS paths that it lets one read, or moves."""

    name: str
    bit: int
    description: str
    actions: list[str]
    signals: list[str]


class Entitlements(BaseModel):
    entitlements: list[EntitlementOut]


class ProfileOut(BaseModel):
    """``longest_seconds``: how long a key of it may live; null: as its role and parent allow. ``attestation``: what a
    phone's device key must have. ``hosted``: whether the gateway may hold the device key."""

    name: str
    description: str
    entitlements: list[str]
    roles: list[str]
    longest_seconds: int | None
    share_depth: int
    attestation: AttestationLevel
    hosted: bool


class Profiles(BaseModel):
    profiles: list[ProfileOut]


class LimitsOut(BaseModel):
    """``keys_per_owner``: keys that stand on one owner key. ``attestation_formats``: those that are judged here."""

    keys_per_vehicle: int
    keys_per_owner: int
    keys_per_device: int
    open_invitations_per_key: int
    devices_per_app: int
    share_depth: int
    owner_key_seconds: int
    friend_token_seconds: int
    invitation_seconds: int
    overdue_seconds: int
    label_length: int
    attestation_formats: list[str]


def profile_json(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "description": profile.description,
        "entitlements": list(profile.entitlements.names),
        "roles": [role.label for role in sorted(profile.roles)],
        "longest_seconds": profile.longest,
        "share_depth": profile.share_depth,
        "attestation": profile.attestation.value,
        "hosted": profile.hosted,
    }


@router.get("/profiles", response_model=Profiles, responses=problems(), summary="The access profiles")
async def profiles(caller: Caller, wired: Wired) -> dict[str, Any]:
    """What `profile` may name when a key is shared, and under which rules."""
    return {"profiles": [profile_json(each) for each in wired.limits.profiles]}


@router.get("/entitlements", response_model=Entitlements, responses=problems(), summary="The entitlements")
async def entitlements(caller: Caller, wired: Wired) -> dict[str, Any]:
    return {
        "entitlements": [
            {
                "name": info.name,
                "bit": info.bit,
                "description": info.description,
                "actions": list(info.actions),
                "signals": [signal.path for signal in info.signals],
            }
            for info in REGISTRY
        ]
    }


@router.get("/limits", response_model=LimitsOut, responses=problems(), summary="The limits of this deployment")
async def limits(caller: Caller, wired: Wired) -> dict[str, Any]:
    """What is refused beyond, each with a code of its own: the deployment's, or those of the caller's tenant."""
    mine = wired.limits.of_tenant(caller.tenant_id)
    said = {**mine.shown(), "label_length": mine.label_length}
    return {**said, "attestation_formats": list(wired.attestation_formats)}
