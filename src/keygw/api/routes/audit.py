"""The audit trail, for the operator: who did what, unchanged."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from keygw.api.auth import Caller, Wired
from keygw.api.document import Responses, problems
from keygw.bridge.audit_json import line_json, record_json, report_json
from keygw.credentials.audit_ports import AuditFilter, SealedCheckpoint
from keygw.model.audit import AuditRecord

router = APIRouter(prefix="/v1", tags=["audit"])

_Word = Query(max_length=120)
_Time = Query(ge=0, le=2**53, description="Unix seconds")


class AuditEntryOut(BaseModel):
    """``at``: Unix seconds. ``outcome``: `done`, or the code of a refusal. ``hash``: base64url, of the chain up to
    here."""

    sequence: int
    at: int
    actor: str = Field(examples=["app:app_mfrggzdfmztwq2lk"])
    action: str = Field(examples=["key.issued"])
    tenant_id: str | None
    vehicle_id: str | None
    key_id: str | None
    device_id: str | None
    outcome: str
    data: dict[str, str | int | bool | None]
    hash: str


class AuditEntries(BaseModel):
    """Newest first."""

    entries: list[AuditEntryOut]


class FindingOut(BaseModel):
    sequence: int
    code: str
    meaning: str
    detail: str


class AuditReport(BaseModel):
    """``sealed_through``: the last entry that a signed checkpoint covers. ``signed_by``: kids, base64url."""

    intact: bool
    entries: int
    checkpoints: int
    sealed_through: int
    head: str
    signed_by: list[str]
    findings: list[FindingOut]


_LINES: Responses = {
    200: {
        "description": "One JSON object a line: an entry, or `{checkpoint}` behind the entry that it names",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
    }
}


@router.get("/audit", response_model=AuditEntries, responses=problems(), summary="What was done, by whom (operator)")
async def entries(
    caller: Caller,
    wired: Wired,
    actor: Annotated[str | None, _Word] = None,
    action: Annotated[str | None, _Word] = None,
    tenant_id: Annotated[str | None, _Word] = None,
    vehicle_id: Annotated[str | None, _Word] = None,
    key_id: Annotated[str | None, _Word] = None,
    device_id: Annotated[str | None, _Word] = None,
    since: Annotated[int | None, _Time] = None,
    until: Annotated[int | None, _Time] = None,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="Only entries before this sequence")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> dict[str, Any]:
    """Newest first. For the page before this one, send the last sequence as ``before``."""
    wanted = AuditFilter(tenant_id, actor, action, vehicle_id, key_id, device_id, since, until)
    found = await wired.bridge.audit.newest(caller, wanted, limit, before)
    return {"entries": [record_json(each) for each in found]}


@router.get(
    "/audit/export",
    response_class=StreamingResponse,
    responses={**_LINES, **problems()},
    summary="The whole trail as JSON lines (operator)",
)
async def export(
    caller: Caller, wired: Wired, after: Annotated[int, Query(ge=0, le=2**53, description="Only later entries")] = 0
) -> StreamingResponse:
    """`keygw audit verify --from FILE` checks what it holds, wherever it has been meanwhile."""
    found = wired.bridge.audit.export(caller, after)
    return StreamingResponse(_lines(found), media_type="application/x-ndjson")


@router.post("/audit:verify", response_model=AuditReport, responses=problems(), summary="Check the trail (operator)")
async def verify(caller: Caller, wired: Wired) -> dict[str, Any]:
    """Every entry against the chain, every checkpoint against the issuer's key, and the one kept outside the database.

    Whoever owns the gateway owns this answer: for more than that, export the trail and check it elsewhere.
    """
    return report_json(await wired.bridge.audit.check(caller))


async def _lines(found: AsyncIterator[AuditRecord | SealedCheckpoint]) -> AsyncIterator[bytes]:
    async for item in found:
        yield json.dumps(line_json(item), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
