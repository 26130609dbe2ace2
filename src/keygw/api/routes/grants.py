"""Grants: which clients a person has let in, and the way to put them out again."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.models import TimeText
from keygw.api.strict import StrictRoute
from keygw.bridge.oauth.grants import GrantView
from keygw.bridge.oauth.records import GrantKind
from keygw.model.times import rfc3339

router = APIRouter(prefix="/v1/grants", tags=["grants"], route_class=StrictRoute)


class GrantOut(BaseModel):
    """``seen_at``: when the person was last seen to be there. ``thumbprint``: of the key that its tokens are bound to
    (RFC 7638). ``key_ids``: digital keys that were shared to it. ``expires_at``: unless it is refreshed before."""

    id: str
    client_id: str
    client_name: str
    kind: GrantKind
    scopes: list[str]
    created_at: TimeText
    seen_at: TimeText
    expires_at: TimeText | None
    thumbprint: str
    key_ids: list[str]


class GrantsOut(BaseModel):
    grants: list[GrantOut]


@router.get("", response_model=GrantsOut, responses=problems(), summary="The grants that the caller may see")
async def list_all(caller: Caller, wired: Wired) -> dict[str, Any]:
    """Its own; with `key.manage` all of its person's. Those that have ended are not among them."""
    return {"grants": [grant_json(each) for each in await wired.bridge.oauth.grants.list(caller)]}


@router.get("/{grant_id}", response_model=GrantOut, responses=problems(404), summary="One grant")
async def get(grant_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return grant_json(await wired.bridge.oauth.grants.get(caller, grant_id))


@router.delete("/{grant_id}", status_code=204, responses=problems(404), summary="End a grant")
async def end(grant_id: str, caller: Caller, wired: Wired) -> None:
    """Its tokens and streams end at once; its digital keys are revoked, and dead as soon as their cars say so."""
    await wired.bridge.oauth.grants.end(caller, grant_id)


def grant_json(view: GrantView) -> dict[str, Any]:
    grant, app = view.grant, view.app
    return {
        "id": grant.app_id,
        "client_id": grant.client_id,
        "client_name": app.name,
        "kind": grant.kind.value,
        "scopes": sorted(app.scopes),
        "created_at": rfc3339(grant.created_at),
        "seen_at": rfc3339(grant.auth_time),
        "expires_at": None if app.expires_at is None else rfc3339(app.expires_at),
        "thumbprint": grant.thumbprint,
        "key_ids": list(grant.key_ids),
    }
