"""App sessions: what an app and the bridge have to do with each other about one vehicle."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Id
from keygw.api.models import CapabilityOut, KeyOut, SignalRefused, SignalUnknown, SignalValueOut, TimeText, VehicleOut
from keygw.api.present import capability_json, key_json, vehicle_json
from keygw.api.services import Services
from keygw.api.strict import StrictRoute
from keygw.bridge.app_session import CloseReason, SessionState
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.bridge.sessions import Opened, session_json

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=StrictRoute)

CapabilityId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._]+$")]


class NewSession(Body):
    """``vehicle_id`` may be left out where the app has one vehicle. ``capabilities``: ids as in
    `GET /v1/vehicles/{id}/capabilities`; all of them by default. ``closes_on``: what ends the session by itself; the
    link is lost when it has been away for half a minute."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"capabilities": ["command.unlock"]}]})
    vehicle_id: Id | None = None
    capabilities: Annotated[list[CapabilityId], Field(max_length=200, default_factory=list)]
    closes_on: Annotated[list[Literal["ignition_off", "link_lost"]], Field(max_length=2, default_factory=list)]


class Negotiation(Body):
    model_config = ConfigDict(json_schema_extra={"examples": [{"capabilities": ["command.unlock", "command.lock"]}]})
    capabilities: Annotated[list[CapabilityId], Field(max_length=200)]


class SessionOut(BaseModel):
    """``wanted``: the capabilities that the app asked for. ``resume_until``: of a suspended one."""

    id: str
    app_id: str
    vehicle_id: str
    state: SessionState
    reason: CloseReason | None
    wanted: list[str]
    closes_on: list[CloseReason]
    created_at: TimeText
    updated_at: TimeText
    resume_until: TimeText | None


class OpenedOut(BaseModel):
    """The session, and how everything stands. ``keys``: with `key.read`. ``events_after``: go on from there with
    `GET /v1/events` (`Last-Event-ID`) or the stream (`resume`), and nothing is missed between."""

    session: SessionOut
    vehicle: VehicleOut
    keys: list[KeyOut]
    capabilities: list[CapabilityOut]
    signals: list[SignalValueOut | SignalUnknown | SignalRefused]
    events_after: str


class SessionsOut(BaseModel):
    sessions: list[SessionOut]


@router.post(
    "",
    status_code=201,
    response_model=OpenedOut,
    responses=problems(404, 409, body=True),
    summary="Open a session",
)
async def create(body: NewSession, caller: Caller, wired: Wired) -> dict[str, Any]:
    """What the app can do with the vehicle, with a reason where it cannot; its keys there; and what is known of the
    vehicle, with the age of each value."""
    ends = [CloseReason(each) for each in body.closes_on]
    opened = await wired.bridge.sessions.open(caller, body.vehicle_id, body.capabilities, ends)
    return await _opened(wired, caller, opened)


@router.get("", response_model=SessionsOut, responses=problems(), summary="The app's sessions")
async def list_all(caller: Caller, wired: Wired) -> dict[str, Any]:
    """The newest closed ones too."""
    return {"sessions": [session_json(each) for each in await wired.bridge.sessions.list(caller)]}


@router.get("/{session_id}", response_model=SessionOut, responses=problems(404), summary="One session")
async def get(session_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return session_json(await wired.bridge.sessions.get(caller, session_id))


@router.patch(
    "/{session_id}",
    response_model=OpenedOut,
    responses=problems(404, 409, body=True),
    summary="Ask for other capabilities",
)
async def negotiate(session_id: str, body: Negotiation, caller: Caller, wired: Wired) -> dict[str, Any]:
    return await _opened(wired, caller, await wired.bridge.sessions.negotiate(caller, session_id, body.capabilities))


@router.delete("/{session_id}", response_model=SessionOut, responses=problems(404), summary="Close a session")
async def close(session_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Again: a success that changes nothing."""
    return session_json(await wired.bridge.sessions.close(caller, session_id))


@router.post(
    "/{session_id}:suspend",
    response_model=SessionOut,
    responses=problems(404, 409),
    summary="The app goes into the background",
)
async def suspend(session_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return session_json(await wired.bridge.sessions.suspend(caller, session_id))


@router.post(
    "/{session_id}:resume",
    response_model=OpenedOut,
    responses=problems(404, 409),
    summary="The app is back",
)
async def resume(session_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """How everything stands now, as when it was opened."""
    return await _opened(wired, caller, await wired.bridge.sessions.resume(caller, session_id))


async def _opened(wired: Services, caller: App, opened: Opened) -> dict[str, Any]:
    bridge, vehicle = wired.bridge, opened.view.vehicle
    keys = await bridge.keys.list(caller, vehicle.id) if Scope.KEY_READ in caller.scopes else []
    return {
        "session": session_json(opened.session),
        "vehicle": vehicle_json(vehicle),
        "keys": [key_json(each) for each in keys],
        "capabilities": [capability_json(each) for each in opened.capabilities],
        "signals": bridge.signals.answers(opened.view, None, wired.clock()),
        "events_after": opened.position,
    }
