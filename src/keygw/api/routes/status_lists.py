"""The public status lists: what anybody may ask without a token, as often as they like (``protocols/status_list``)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from keygw.api.auth import Wired
from keygw.api.document import problems
from keygw.api.models import StatusListIndex
from keygw.api.problems import ApiError
from keygw.token.status_list import MEDIA_TYPE

router = APIRouter(prefix="/v1/status-lists", tags=["status lists"])

MAX_AGE = 60
"""Seconds that a cache on the way may keep an answer; the list itself says how long its reader may."""
_OPEN = {
    "Cache-Control": f"public, max-age={MAX_AGE}",
    # Public to every page in every browser: nothing here depends on who asks.
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_LIST: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The signed list (typ statuslist+jwt)",
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
        "headers": {"ETag": {"description": "Of these very bytes", "schema": {"type": "string"}}},
    },
    304: {"description": "It is the one that If-None-Match names"},
}


@router.head("", include_in_schema=False)
@router.get(
    "",
    response_model=StatusListIndex,
    responses=problems(503, public=True),
    summary="The URIs of all status lists",
)
async def index(wired: Wired, response: Response) -> dict[str, Any]:
    """For readers that fetch all of them, and so tell nobody which key they have before them (draft section 9)."""
    response.headers.update(_OPEN)
    return {"status_lists": await wired.bridge.status_lists.uris()}


@router.head("/{page}", include_in_schema=False)
@router.get(
    "/{page}",
    response_class=Response,
    responses={**_LIST, **problems(404, 501, 503, public=True)},
    summary="A signed list of the statuses of key tokens",
)
async def status_list(
    page: Annotated[int, Path(ge=1, lt=2**31)],
    wired: Wired,
    if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
    time: Annotated[str | None, Query(max_length=20, description="Not offered: the past is not told (501)")] = None,
) -> Response:
    """Token Status List, draft-ietf-oauth-status-list-21. It is compressed inside: no gzip around it."""
    if time is not None:
        raise ApiError(501, "status_history", "only the present status is told, not that of another time")
    found = await wired.bridge.status_lists.published(page)
    headers = {**_OPEN, "ETag": f'"{found.etag}"'}
    if if_none_match is not None and names(if_none_match, found.etag):
        return Response(status_code=304, headers=headers)
    return Response(found.text, media_type=MEDIA_TYPE, headers=headers)


def names(if_none_match: str, etag: str) -> bool:
    """Whether the header names that tag (RFC 9110 section 13.1.2: weak comparison)."""
    tags = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
    return any(tag in ("*", f'"{etag}"') for tag in tags)
