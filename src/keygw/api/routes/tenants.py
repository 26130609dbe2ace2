"""Tenants: the makers and fleets that share this gateway."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Name
from keygw.api.models import TimeText
from keygw.api.strict import StrictRoute
from keygw.model.tenant import Tenant
from keygw.model.times import rfc3339

router = APIRouter(prefix="/v1/tenants", tags=["tenants"], route_class=StrictRoute)


class NewTenant(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Blue Motors"}]})
    name: Name


class TenantOut(BaseModel):
    """``default`` is there from the beginning."""

    id: str
    name: str
    created_at: TimeText


class TenantList(BaseModel):
    tenants: list[TenantOut]


def tenant_json(tenant: Tenant) -> dict[str, Any]:
    return {"id": tenant.id, "name": tenant.name, "created_at": rfc3339(tenant.created_at)}


@router.post(
    "", status_code=201, response_model=TenantOut, responses=problems(body=True), summary="Add a tenant (operator)"
)
async def add(body: NewTenant, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Nothing of it can be seen by any other. Give it an operator of its own next."""
    return tenant_json(await wired.bridge.tenants.add(caller, body.name))


@router.get("", response_model=TenantList, responses=problems(), summary="The tenants there are (operator)")
async def list_all(caller: Caller, wired: Wired) -> dict[str, Any]:
    """All of them, or the operator's own."""
    return {"tenants": [tenant_json(each) for each in await wired.bridge.tenants.list(caller)]}


@router.get("/{tenant_id}", response_model=TenantOut, responses=problems(404), summary="One tenant (operator)")
async def get(tenant_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return tenant_json(await wired.bridge.tenants.get(caller, tenant_id))
