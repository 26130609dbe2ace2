"""What is known of a vehicle: its signals and its receipts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from keygw.api.auth import Caller, Wired
from keygw.api.document import problems
from keygw.api.models import Receipts, Signals
from keygw.credentials.receipts import receipt_json
from keygw.model.errors import BadInput

router = APIRouter(prefix="/v1/vehicles/{vehicle_id}", tags=["status"])

MAX_PATHS = 100


@router.get("/signals", response_model=Signals, response_model_exclude_unset=True, responses=problems(404))
async def signals(
    vehicle_id: str,
    caller: Caller,
    wired: Wired,
    paths: Annotated[str | None, Query(max_length=8000, description="VSS paths, separated by commas")] = None,
) -> dict[str, Any]:
    """One answer per path, in order; without ``paths`` all that the app may read.

    Not heard of yet (``quality: unknown``), not there (``error: unsupported``) and not yours to read
    (``error: forbidden``) are three different answers.
    """
    view = await wired.bridge.access.view(caller, vehicle_id)
    wanted = None if paths is None else [path.strip() for path in paths.split(",")]
    if wanted is not None and len(wanted) > MAX_PATHS:
        raise BadInput(f"at most {MAX_PATHS} paths at once", code="too_many_paths")
    return {"vehicle_id": vehicle_id, "signals": wired.bridge.signals.answers(view, wanted, wired.clock())}


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
