"""Apps: registered by the operator, each with its own bearer token and scopes."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Name
from keygw.api.models import AppCreated, AppOut
from keygw.api.present import app_json
from keygw.api.strict import StrictRoute
from keygw.api.words import ScopeName
from keygw.bridge.access import require
from keygw.bridge.apps import MAX_LIFETIME
from keygw.bridge.scopes import Scope

router = APIRouter(prefix="/v1/apps", tags=["apps"], route_class=StrictRoute)


class NewApp(Body):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "My car app", "scopes": ["vehicle.read", "command.unlock"]}]}
    )
    name: Name
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=32)]
    lifetime_seconds: Annotated[int, Field(ge=1, le=MAX_LIFETIME, description="Of the token; 90 days by default")] | (
        None
    ) = None


@router.post(
    "", status_code=201, response_model=AppCreated, responses=problems(body=True), summary="Register an app (operator)"
)
async def register(body: NewApp, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Answers the app's bearer token, once."""
    require(caller, Scope.APP_MANAGE)
    app, token = await wired.bridge.apps.register(body.name, body.scopes, body.lifetime_seconds)
    return {"app": app_json(app), "token": token}


@router.get("/self", response_model=AppOut, responses=problems(), summary="Who am I?")
async def own(caller: Caller) -> dict[str, Any]:
    return app_json(caller)


@router.delete("/{app_id}", status_code=204, responses=problems(404), summary="End an app's token (operator)")
async def revoke(app_id: str, caller: Caller, wired: Wired) -> None:
    """At once, open event streams included. Digital keys of the app's hosted devices stay as they are."""
    require(caller, Scope.APP_MANAGE)
    await wired.bridge.apps.revoke(app_id)
