"""Limits that a tenant has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body
from keygw.api.strict import StrictRoute
from keygw.credentials.values import Limits

router = APIRouter(prefix="/v1/tenants/{tenant_id}/limits", tags=["tenants"], route_class=StrictRoute)

_Number = Annotated[int, Field(ge=0, le=2**53)]


class LimitChanges(Body):
    """By the names of `GET /v1/limits`; what is not named stays, ``null`` is the deployment's again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"keys_per_vehicle": 20, "share_depth": None}]})
    keys_per_vehicle: _Number | None = None
    keys_per_owner: _Number | None = None
    keys_per_device: _Number | None = None
    open_invitations_per_key: _Number | None = None
    devices_per_app: _Number | None = None
    share_depth: _Number | None = None
    owner_key_seconds: _Number | None = None
    friend_token_seconds: _Number | None = None
    invitation_seconds: _Number | None = None


class TenantLimitsOut(BaseModel):
    """``limits``: what holds. ``own``: which of it is the tenant's own, in place of the deployment's."""

    limits: dict[str, int]
    own: dict[str, int]


def _shown(found: tuple[Limits, Mapping[str, int]]) -> dict[str, Any]:
    limits, own = found
    return {"limits": limits.shown(), "own": dict(own)}


@router.get("", response_model=TenantLimitsOut, responses=problems(404), summary="The limits of a tenant (operator)")
async def show(tenant_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return _shown(await wired.bridge.limits.get(caller, tenant_id))


@router.patch("", response_model=TenantLimitsOut, responses=problems(404, body=True), summary="Change them (operator)")
async def change(tenant_id: str, body: LimitChanges, caller: Caller, wired: Wired) -> dict[str, Any]:
    """In force at once. Keys that are there stay. An operator of the tenant may go below the deployment's, one of the
    whole gateway above them too."""
    wanted = {name: getattr(body, name) for name in sorted(body.model_fields_set)}
    return _shown(await wired.bridge.limits.change(caller, tenant_id, wanted))
