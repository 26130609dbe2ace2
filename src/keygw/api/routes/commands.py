"""Commands as resources: they are on disk before they are answered, and they always end."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from pydantic import ConfigDict

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body, Id, Time
from keygw.api.models import CommandOut, RehearsalOut
from keygw.api.strict import StrictRoute
from keygw.api.words import ActionName
from keygw.bridge.present import command_json, rehearsal_json
from keygw.model.command import Action

router = APIRouter(prefix="/v1/vehicles/{vehicle_id}/commands", tags=["commands"], route_class=StrictRoute)

MAX_WAIT = 30
SEEN = frozenset({Action.START_ENGINE.label, Action.ALLOW_PAIRING.label})
"""What takes a person who was seen to be there a moment ago (RFC 9470)."""
_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,4})"?', re.ASCII | re.IGNORECASE)


class NewCommand(Body):
    """``expires_at``: an unlock never lives longer than 4 s; any other waits that long for an absent vehicle."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"action": "unlock"}]})
    action: ActionName
    key_id: Id | None = None
    expires_at: Time | None = None


@router.post(
    "",
    status_code=201,
    response_model=CommandOut,
    responses={
        201: {"description": "The command is settled: its `state` is final."},
        202: {"model": CommandOut, "description": "Accepted and on its way; read it, or listen to the events."},
        **problems(404, 409, 429, body=True),
    },
    summary="Ask the vehicle to do something",
)
async def create(
    vehicle_id: str,
    body: NewCommand,
    caller: Caller,
    wired: Wired,
    request: Request,
    response: Response,
    idempotency_key: Annotated[
        str, Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$", description="Fresh for each wish")
    ],
    prefer: Annotated[str | None, Header(description="`wait=N`: answer when settled, at most N (30) seconds")] = None,
) -> dict[str, Any]:
    """The same Idempotency-Key with the same body answers the same command, however it stands by then."""
    if body.action in SEEN:
        wired.bridge.oauth.grants.check_seen(caller)
    record, created = await wired.bridge.commands.create(
        caller,
        vehicle_id,
        action=body.action,
        idempotency_key=idempotency_key,
        key_id=body.key_id,
        expires_at=body.expires_at,
    )
    seconds = _wait(request.headers.getlist("prefer"))
    if seconds is not None:
        record = await wired.bridge.commands.wait(record, seconds)
        response.headers["Preference-Applied"] = f"wait={seconds}"
    response.status_code = 201 if record.state.settled else 202
    response.headers["Location"] = f"/v1/vehicles/{vehicle_id}/commands/{record.id}"
    if not created:
        response.headers["Idempotent-Replayed"] = "true"
    return command_json(record)


@router.post(
    ":check",
    response_model=RehearsalOut,
    responses=problems(404, body=True),
    summary="Ask what would become of a command",
)
async def check(vehicle_id: str, body: NewCommand, caller: Caller, wired: Wired) -> dict[str, Any]:
    """A dry run: the same questions as for the command itself, and nothing is written or sent. It promises nothing: the
    vehicle asks them once more, and has the last word."""
    told = await wired.bridge.commands.check(
        caller, vehicle_id, action=body.action, key_id=body.key_id, expires_at=body.expires_at
    )
    return rehearsal_json(told)


@router.get("/{command_id}", response_model=CommandOut, responses=problems(404), summary="How a command stands")
async def get(vehicle_id: str, command_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return command_json(await wired.bridge.commands.get(caller, vehicle_id, command_id))


@router.post(
    "/{command_id}:cancel",
    response_model=CommandOut,
    responses=problems(404, 409),
    summary="Take a command back while nothing was sent",
)
async def cancel(vehicle_id: str, command_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    return command_json(await wired.bridge.commands.cancel(caller, vehicle_id, command_id))


def _wait(values: list[str]) -> int | None:
    """RFC 7240: the first ``wait`` counts, what cannot be understood is ignored."""
    for preference in ",".join(values).split(","):
        match = _WAIT.fullmatch(preference.partition(";")[0].strip())
        if match:
            return min(int(match[1]), MAX_WAIT)
    return None
