"""Apps: registered by the operator, each with its own bearer token and scopes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import ConfigDict, Field, StringConstraints

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Name, TenantId
from keygw.api.idempotency import Repeatable
from keygw.api.models import AppCreated, AppOut, Apps
from keygw.api.present import app_json
from keygw.api.strict import StrictRoute
from keygw.api.words import ScopeName
from keygw.bridge.access import require
from keygw.bridge.apps import MAX_LIFETIME
from keygw.bridge.scopes import Scope
from keygw.credentials.once import Replayed

router = APIRouter(prefix="/v1/apps", tags=["apps"], route_class=StrictRoute)


Thumbprint = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"),
    Field(description="Of the P-256 key to which the token is bound (RFC 7638): 32 bytes in base64url"),
]


class NewApp(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "My car app", "scopes": ["vehicle.read", "command.unlock"]}]}
    )
    name: Name
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=32)]
    lifetime_seconds: Annotated[int, Field(ge=1, le=MAX_LIFETIME, description="Of the token; 90 days by default")] | (
        None
    ) = None
    tenant_id: TenantId | None = None
    dpop_jkt: Thumbprint | None = None
    machine: bool = Field(
        default=False, description="May command cars with a bearer token: for machines and tests; not with `dpop_jkt`"
    )


@router.post(
    "",
    status_code=201,
    response_model=AppCreated,
    responses=problems(404, body=True),
    summary="Register an app (operator)",
)
async def register(body: NewApp, caller: Caller, wired: Wired, once: Repeatable) -> dict[str, Any]:
    """Answers the app's bearer token, once. Where that answer was lost, the app is known by the key of the request, and
    can be removed. A command to a car takes a proof (RFC 9449) by the key that `dpop_jkt` names, or a `machine`."""
    require(caller, Scope.APP_MANAGE)
    tenant_id = await wired.bridge.tenants.chosen(caller, body.tenant_id)
    try:
        app, token = await wired.bridge.apps.register(
            body.name,
            body.scopes,
            body.lifetime_seconds,
            tenant_id=tenant_id,
            by=caller,
            once=once,
            machine=body.machine,
            thumbprint=body.dpop_jkt,
        )
    except Replayed as again:
        return {"app": app_json(await wired.bridge.apps.get(caller, again.resource)), "token": None}
    return {"app": app_json(app), "token": token}


@router.get("", response_model=Apps, responses=problems(), summary="The apps there are (operator)")
async def list_all(caller: Caller, wired: Wired) -> dict[str, Any]:
    """Removed ones too. Nobody can read a token again."""
    return {"apps": [app_json(each) for each in await wired.bridge.apps.list(caller)]}


@router.get("/self", response_model=AppOut, responses=problems(), summary="Who am I?")
async def own(caller: Caller) -> dict[str, Any]:
    """The app, or the operator, that this token belongs to."""
    return app_json(caller)


@router.get("/{app_id}", response_model=AppOut, responses=problems(404), summary="One app (operator)")
async def get(app_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return app_json(await wired.bridge.apps.get(caller, app_id))


@router.delete("/{app_id}", status_code=204, responses=problems(404), summary="End an app's token (operator)")
async def revoke(app_id: str, caller: Caller, wired: Wired) -> None:
    """At once, open event streams included. Digital keys of the app's hosted devices stay as they are."""
    require(caller, Scope.APP_MANAGE)
    await wired.bridge.apps.revoke(app_id, by=caller)
