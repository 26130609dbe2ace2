"""Cards of app sessions: put there by apps, shown and pressed in the car."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Id
from keygw.api.strict import StrictRoute
from keygw.bridge.card_ports import Button, Card
from keygw.bridge.cards import card_json
from keygw.bridge.driving import STANDING, Driving, Template
from keygw.model.errors import BadInput
from keygw.model.label import SIGN

router = APIRouter(prefix="/v1", tags=["cards"], route_class=StrictRoute)

Word = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
Title = Annotated[str, StringConstraints(min_length=1, max_length=STANDING.title, pattern=f"^{SIGN}+$")]
Line = Annotated[str, StringConstraints(max_length=STANDING.line, pattern=f"^{SIGN}*$")]
ButtonLabel = Annotated[str, StringConstraints(min_length=1, max_length=20, pattern=f"^{SIGN}+$")]
InPath = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]


class ButtonIn(Body):
    name: Word
    label: ButtonLabel


class CardIn(Body):
    """``lines``: shown below the title; ``buttons``: what may be pressed. `media` and `call` are refused for now."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"template": "status", "title": "Parked", "lines": ["Level 2, 14"]}]}
    )
    template: Literal["status", "key", "navigation"]
    title: Title
    lines: Annotated[list[Line], Field(max_length=STANDING.lines, default_factory=list)]
    buttons: Annotated[list[ButtonIn], Field(max_length=STANDING.buttons, default_factory=list)]


class ButtonOut(BaseModel):
    name: str
    label: str


class CardOut(BaseModel):
    session_id: str
    app_id: str
    name: str
    template: Template
    title: str
    lines: list[str]
    buttons: list[ButtonOut]


class ShownCardOut(CardOut):
    """``app_name``: for people, in place of an id."""

    app_name: str


class HeadUnitOut(BaseModel):
    """``cards``: the newest last."""

    driving: Driving
    cards: list[ShownCardOut]


class Press(Body):
    session_id: Id
    card: Word
    button: Word


@router.put(
    "/sessions/{session_id}/cards/{card}",
    response_model=CardOut,
    responses=problems(404, 409, 423, body=True),
    summary="Show a card in the car",
)
async def put(session_id: str, card: InPath, body: CardIn, caller: Caller, wired: Wired) -> dict[str, Any]:
    """In the place of the one of that name. What the car does decides what may be shown. What it may not show when it
    moves off is hidden, and comes back when it stands."""
    buttons = tuple(Button(each.name, each.label) for each in body.buttons)
    if len({each.name for each in buttons}) < len(buttons):
        raise BadInput("two buttons have one name", code="same_button")
    template, lines = Template(body.template), tuple(body.lines)
    return card_json(
        await wired.bridge.cards.put(
            caller, session_id, lambda app_id: Card(session_id, app_id, card, template, body.title, lines, buttons)
        )
    )


@router.delete(
    "/sessions/{session_id}/cards/{card}", status_code=204, responses=problems(404), summary="Take a card away"
)
async def remove(session_id: str, card: InPath, caller: Caller, wired: Wired) -> None:
    """Nothing happens if it is not there."""
    await wired.bridge.cards.remove(caller, session_id, card)


@router.get(
    "/vehicles/{vehicle_id}/head-unit",
    response_model=HeadUnitOut,
    responses=problems(404),
    summary="What the car's head unit shows",
)
async def shown(vehicle_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """For the head unit itself: the app that has the vehicle, or an operator."""
    state, cards = await wired.bridge.cards.shown(caller, vehicle_id)
    return {"driving": state.value, "cards": [{**card_json(each), "app_name": each.app_name} for each in cards]}


@router.post(
    "/vehicles/{vehicle_id}/head-unit:press",
    status_code=204,
    responses=problems(404, body=True),
    summary="A button of a card was pressed",
)
async def press(vehicle_id: str, body: Press, caller: Caller, wired: Wired) -> None:
    """The app whose card it is hears `keygw.card.action`."""
    await wired.bridge.cards.press(caller, vehicle_id, body.session_id, body.card, body.button)
