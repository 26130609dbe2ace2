"""What apps send into cars, and what people there answer and say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Id
from keygw.api.models import TimeText
from keygw.api.strict import StrictRoute
from keygw.bridge.driving import STANDING
from keygw.bridge.offer_ports import Destination, OfferKind, OfferState, Voice
from keygw.bridge.offers import offer_json
from keygw.model.errors import BadInput
from keygw.model.label import SIGN

router = APIRouter(prefix="/v1", tags=["session events"], route_class=StrictRoute)

PlaceName = Annotated[str, StringConstraints(min_length=1, max_length=STANDING.title, pattern=f"^{SIGN}+$")]
Intent = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Said = Annotated[str, StringConstraints(max_length=200, pattern=f"^{SIGN}*$")]


class Place(Body):
    """``latitude``, ``longitude``: degrees, WGS 84."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Harbour Street 5", "latitude": 53.5459, "longitude": 9.9695}]}
    )
    name: PlaceName
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class Spoken(Body):
    """``intent``: what was meant, in the app's own words, such as ``navigation.home``; ``text``: what was said."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"intent": "navigation.home", "text": "take me home"}]})
    intent: Intent
    text: Said = ""


class SessionEventIn(Body):
    """``destination`` goes with the type ``destination``, ``voice`` with ``voice``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "destination",
                    "destination": {"name": "Harbour Street 5", "latitude": 53.5459, "longitude": 9.9695},
                }
            ]
        }
    )
    type: Literal["destination", "voice"]
    destination: Place | None = None
    voice: Spoken | None = None


class PlaceOut(BaseModel):
    name: str
    latitude: float
    longitude: float


class SpokenOut(BaseModel):
    intent: str
    text: str


class SessionEventOut(BaseModel):
    """``state``: of a destination, what somebody in the car has made of it."""

    id: str
    session_id: str
    app_id: str
    app_name: str
    vehicle_id: str
    type: OfferKind
    state: OfferState
    destination: PlaceOut | None
    voice: SpokenOut | None
    created_at: TimeText
    expires_at: TimeText


class SessionEventsOut(BaseModel):
    """``events``: the newest last."""

    events: list[SessionEventOut]


class Decision(Body):
    event_id: Id
    accept: bool


class Utterance(Spoken):
    model_config = ConfigDict(json_schema_extra={"examples": []})
    session_id: Id


@router.post(
    "/sessions/{session_id}/events",
    status_code=201,
    response_model=SessionEventOut,
    responses=problems(404, 409, 423, body=True),
    summary="Send a destination or words into the car",
)
async def send(session_id: str, body: SessionEventIn, caller: Caller, wired: Wired) -> dict[str, Any]:
    """In the place of the session's last one of that type; the same once more is the one that waits. It is kept for
    ten minutes. Somebody in the car takes a destination, or does not: `keygw.session.answered`."""
    return offer_json(await wired.bridge.offers.send(caller, session_id, _what(body)))


@router.get(
    "/sessions/{session_id}/events/{event_id}",
    response_model=SessionEventOut,
    responses=problems(404),
    summary="What became of it",
)
async def get(session_id: str, event_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return offer_json(await wired.bridge.offers.get(caller, session_id, event_id))


@router.get(
    "/vehicles/{vehicle_id}/head-unit/events",
    response_model=SessionEventsOut,
    responses=problems(404),
    summary="What apps have sent and nobody has answered",
)
async def shown(vehicle_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """For the head unit itself: the app that has the vehicle, or an operator."""
    return {"events": [offer_json(each) for each in await wired.bridge.offers.shown(caller, vehicle_id)]}


@router.post(
    "/vehicles/{vehicle_id}/head-unit:answer",
    status_code=204,
    responses=problems(404, 409, body=True),
    summary="A destination was taken, or was not",
)
async def answer(vehicle_id: str, body: Decision, caller: Caller, wired: Wired) -> None:
    """The app that sent it hears `keygw.session.answered`. The same answer once more is a success."""
    await wired.bridge.offers.answer(caller, vehicle_id, body.event_id, body.accept)


@router.post(
    "/vehicles/{vehicle_id}/head-unit:say",
    status_code=204,
    responses=problems(404, body=True),
    summary="Somebody in the car has spoken to an app",
)
async def say(vehicle_id: str, body: Utterance, caller: Caller, wired: Wired) -> None:
    """The app of that session hears `keygw.session.voice`."""
    await wired.bridge.offers.say(caller, vehicle_id, body.session_id, Voice(body.intent, body.text))


def _what(body: SessionEventIn) -> Destination | Voice:
    if body.type == "destination" and body.destination is not None and body.voice is None:
        place = body.destination
        return Destination(place.name, place.latitude, place.longitude)
    if body.type == "voice" and body.voice is not None and body.destination is None:
        return Voice(body.voice.intent, body.voice.text)
    raise BadInput(f"the type {body.type} goes with the field {body.type} alone", code="wrong_event")
