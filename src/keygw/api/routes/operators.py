"""Operators: who runs the gateway or one tenant of it, each with a role and a token of its own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Name, TenantId
from keygw.api.models import TimeText
from keygw.api.strict import StrictRoute
from keygw.api.words import RoleName
from keygw.bridge.apps import MAX_LIFETIME
from keygw.bridge.records import Operator
from keygw.bridge.roles import OperatorRole
from keygw.model.times import rfc3339

router = APIRouter(prefix="/v1/operators", tags=["operators"], route_class=StrictRoute)

_Lifetime = Annotated[int, Field(ge=1, le=MAX_LIFETIME, description="Of the token; 90 days by default")]


class NewOperator(Body):
    """``role``: admin, fleet, support, auditor or issuer. Without ``tenant_id`` it looks after what the caller does."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "Ada", "role": "admin"},
                {"name": "Grace", "role": "support", "tenant_id": "ten_mfrggzdfmztwq2lk"},
            ]
        }
    )
    name: Name
    role: RoleName
    tenant_id: TenantId | None = None
    lifetime_seconds: _Lifetime | None = None


class NewToken(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"lifetime_seconds": 2592000}]})
    lifetime_seconds: _Lifetime | None = None


class OperatorOut(BaseModel):
    """``tenant_id``: null for an operator of the whole gateway."""

    id: str
    name: str
    role: OperatorRole
    tenant_id: str | None
    scopes: list[str]
    created_at: TimeText
    expires_at: TimeText
    revoked: bool


class OperatorCreated(BaseModel):
    """``token`` is shown this once; only its hash is kept."""

    operator: OperatorOut
    token: str


class OperatorList(BaseModel):
    operators: list[OperatorOut]


class BootstrapOut(BaseModel):
    """``ended``: whether the token in `operator.token` is good for nothing any more."""

    ended: bool


def operator_json(operator: Operator) -> dict[str, Any]:
    return {
        "id": operator.id,
        "name": operator.name,
        "role": operator.role,
        "tenant_id": operator.tenant_id,
        "scopes": sorted(operator.caller.scopes),
        "created_at": rfc3339(operator.created_at),
        "expires_at": rfc3339(operator.expires_at),
        "revoked": operator.revoked,
    }


@router.post(
    "",
    status_code=201,
    response_model=OperatorCreated,
    responses=problems(404, body=True),
    summary="Add an operator (operator)",
)
async def add(body: NewOperator, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Answers its bearer token, once. Nobody gives away a role that may more than his own."""
    made, token = await wired.bridge.operators.add(caller, body.name, body.role, body.tenant_id, body.lifetime_seconds)
    return {"operator": operator_json(made), "token": token}


@router.get("", response_model=OperatorList, responses=problems(), summary="The operators there are (operator)")
async def list_all(caller: Caller, wired: Wired) -> dict[str, Any]:
    """Of the caller's tenant, or all; ended ones too, oldest first."""
    return {"operators": [operator_json(each) for each in await wired.bridge.operators.list(caller)]}


@router.get(
    "/bootstrap", response_model=BootstrapOut, responses=problems(), summary="The token it all began with (operator)"
)
async def bootstrap(caller: Caller, wired: Wired) -> dict[str, Any]:
    """Whether `operator.token` has been ended."""
    return {"ended": await wired.bridge.operators.bootstrap_ended(caller)}


@router.delete(
    "/bootstrap", status_code=204, responses=problems(409), summary="End the token it all began with (operator)"
)
async def end_bootstrap(caller: Caller, wired: Wired) -> Response:
    """Once there is an admin of the whole gateway with a name; `last_admin` before. Whoever may delete the file
    `operator.token` and start the gateway anew gets another one: that is the way back in."""
    await wired.bridge.operators.end_bootstrap(caller)
    return Response(status_code=204)


@router.get("/{operator_id}", response_model=OperatorOut, responses=problems(404), summary="One operator (operator)")
async def get(operator_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return operator_json(await wired.bridge.operators.get(caller, operator_id))


@router.post(
    "/{operator_id}:rotate",
    response_model=OperatorCreated,
    responses=problems(404, body=True),
    summary="Replace an operator's token (operator)",
)
async def rotate(operator_id: str, body: NewToken, caller: Caller, wired: Wired) -> dict[str, Any]:
    """The old one ends at once. For oneself it takes no scope."""
    made, token = await wired.bridge.operators.rotate(caller, operator_id, body.lifetime_seconds)
    return {"operator": operator_json(made), "token": token}


@router.delete(
    "/{operator_id}", status_code=204, responses=problems(404, 409), summary="End an operator's token (operator)"
)
async def revoke(operator_id: str, caller: Caller, wired: Wired) -> Response:
    """At once, open event streams included. `last_admin` where nobody would be left who looks after the gateway."""
    await wired.bridge.operators.revoke(caller, operator_id)
    return Response(status_code=204)
