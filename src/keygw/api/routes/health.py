"""For who keeps it running: is it alive, and can it do its work."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from keygw.api.auth import Wired
from keygw.api.document import problems
from keygw.api.problems import problem

router = APIRouter(tags=["gateway"])


class Alive(BaseModel):
    status: Literal["ok"]


class Ready(BaseModel):
    """``checks``: each thing that the gateway stands on: ``ok``, or what keeps it from a part of its work, and what to
    do about that."""

    ready: Literal[True]
    checks: dict[str, str]


@router.get("/healthz", response_model=Alive, summary="Does the process answer?")
async def healthz() -> dict[str, str]:
    """Looks at nothing: where this fails, start it anew."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    response_model=Ready,
    responses={503: problems(503)[503]},
    summary="Can the gateway do its work?",
)
async def readyz(wired: Wired, request: Request) -> Any:
    """Where this fails, send it no requests, and look into its log. The problem has the same ``checks``."""
    checks = dict(await wired.ready())
    if "failed" not in checks.values():
        return {"ready": True, "checks": checks}
    state = request.scope["state"]
    state["code"] = "not_ready"
    detail = "something that the gateway stands on cannot be used now; its log says why"
    return problem(state["trace_id"], 503, "not_ready", detail, retryable=True, checks=checks)
