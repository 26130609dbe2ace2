"""What is known of a vehicle: its signals and its receipts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field, StringConstraints
from pydantic_core import to_json

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.fields import Body
from keygw.api.models import Capabilities, Receipts, Signals
from keygw.api.present import capability_json
from keygw.api.strict import StrictRoute
from keygw.bridge.units import Units
from keygw.credentials.receipts import receipt_json
from keygw.model.errors import BadInput

router = APIRouter(prefix="/v1/vehicles/{vehicle_id}", tags=["status"], route_class=StrictRoute)

MAX_PATHS = 100
Path = Annotated[str, StringConstraints(min_length=1, max_length=200)]
UnitsName = Literal["vss", "metric", "imperial"]


@router.get("/signals", response_model=Signals, response_model_exclude_unset=True, responses=problems(404))
async def signals(
    vehicle_id: str,
    caller: Caller,
    wired: Wired,
    paths: Annotated[str | None, Query(max_length=8000, description="VSS paths, separated by commas")] = None,
    units: Annotated[UnitsName, Query(description="by default the catalog's own, those of VSS")] = "vss",
) -> Response:
    """One answer per path, in order; without ``paths`` all that the app may read.

    Not heard of yet (``quality: unknown``), not there (``error: unsupported``) and not yours to read
    (``error: forbidden``) are three different answers.
    """
    view = await wired.bridge.access.view(caller, vehicle_id)
    wanted = None if paths is None else [path.strip() for path in paths.split(",")]
    if wanted is not None and len(wanted) > MAX_PATHS:
        raise BadInput(f"at most {MAX_PATHS} paths at once", code="too_many_paths")
    answers = wired.bridge.signals.answers(view, wanted, wired.clock(), Units(units))
    return _as_json({"vehicle_id": vehicle_id, "signals": answers})


class SignalQuery(Body):
    """``units``: `metric` and `imperial` turn what the catalog measures otherwise; by default the catalog's own."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"paths": ["Vehicle.Speed"], "units": "imperial"}]})
    paths: Annotated[list[Path], Field(min_length=1, max_length=MAX_PATHS)]
    units: UnitsName = "vss"


@router.post(
    "/signals:batchGet",
    response_model=Signals,
    response_model_exclude_unset=True,
    responses=problems(404, body=True),
    summary="Read many signals at once",
)
async def batch(vehicle_id: str, body: SignalQuery, caller: Caller, wired: Wired) -> Response:
    """As `GET` of the signals, for paths that no URL has room for."""
    view = await wired.bridge.access.view(caller, vehicle_id)
    answers = wired.bridge.signals.answers(view, body.paths, wired.clock(), Units(body.units))
    return _as_json({"vehicle_id": vehicle_id, "signals": answers})


def _as_json(told: dict[str, Any]) -> Response:
    """What apps read most, and a hundred values of it, at once: the model of the route is its document alone here.
    Tests hold the answers to it."""
    return Response(to_json(told, inf_nan_mode="null"), media_type="application/json")


@router.get(
    "/capabilities",
    response_model=Capabilities,
    responses=problems(404),
    summary="What the app can do with the vehicle now",
)
async def capabilities(vehicle_id: str, caller: Caller, wired: Wired) -> dict[str, Any]:
    """Every command and every signal, with the reason where it cannot be had."""
    view = await wired.bridge.access.view(caller, vehicle_id)
    found = wired.bridge.capabilities.of(view, wired.clock())
    return {"vehicle_id": vehicle_id, "capabilities": [capability_json(each) for each in found]}


@router.get("/receipts", response_model=Receipts, responses=problems(404))
async def receipts(
    vehicle_id: str,
    caller: Caller,
    wired: Wired,
    after: Annotated[int, Query(ge=0, le=2**32)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Vehicle-signed, ascending, of the keys that the app may know of. ``after``: the last sequence already seen."""
    found = await wired.bridge.keys.receipts(caller, vehicle_id, after, limit)
    return {"receipts": [receipt_json(receipt) for receipt in found]}
