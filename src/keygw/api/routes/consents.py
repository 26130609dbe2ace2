"""What a person is asked by a device that shows a code, and the answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.models import TimeText
from keygw.api.strict import StrictRoute
from keygw.bridge.oauth.consents import Consent, shown_code
from keygw.bridge.oauth.records import Answer
from keygw.model.times import rfc3339

router = APIRouter(prefix="/v1/consents", tags=["consents"], route_class=StrictRoute)

UserCode = Annotated[str, Path(description="As the device shows it; spelling and dashes do not matter")]


class ConsentOut(BaseModel):
    """``client_name``: as the client calls itself, which proves nothing; the code that both show does."""

    user_code: str
    client_id: str
    client_name: str
    scopes: list[str]
    answer: Answer
    created_at: TimeText
    expires_at: TimeText


@router.get("/{user_code}", response_model=ConsentOut, responses=problems(404), summary="Who asks, and for what?")
async def get(user_code: UserCode, caller: Caller, wired: Wired) -> dict[str, Any]:
    return _json(await wired.bridge.oauth.consents.look(caller, user_code))


@router.post(
    "/{user_code}:approve",
    response_model=ConsentOut,
    responses=problems(404, 409),
    summary="Let it in",
)
async def approve(user_code: UserCode, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Its grant gets keys of the caller's vehicles, no wider than these scopes. Takes a person who was seen a moment
    ago."""
    return _json(await wired.bridge.oauth.consents.approve(caller, user_code))


@router.post("/{user_code}:deny", response_model=ConsentOut, responses=problems(404, 409), summary="Turn it away")
async def deny(user_code: UserCode, caller: Caller, wired: Wired) -> dict[str, Any]:
    return _json(await wired.bridge.oauth.consents.deny(caller, user_code))


def _json(consent: Consent) -> dict[str, Any]:
    request = consent.request
    return {
        "user_code": shown_code(request.user_code),
        "client_id": consent.client.id,
        "client_name": consent.client.name,
        "scopes": list(request.scopes),
        "answer": request.answer.value,
        "created_at": rfc3339(request.created_at),
        "expires_at": rfc3339(request.expires_at),
    }
