"""The pages: the phone, the console, the head unit, and what they share. All of it comes from the wheel."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from keygw.api.problems import ApiError
from keygw.web import assets

router = APIRouter(include_in_schema=False)

_METHODS: Final = ["GET", "HEAD"]


@router.api_route("/", methods=_METHODS)
async def home(request: Request) -> Response:
    return _served(request, "")


@router.api_route("/phone", methods=_METHODS)
@router.api_route("/console", methods=_METHODS)
@router.api_route("/head-unit", methods=_METHODS)
async def slash(request: Request) -> Response:
    """What is relative in a page counts from the slash at its end."""
    return RedirectResponse(f"{request.url.path.rsplit('/', 1)[-1]}/", status_code=308)


@router.api_route("/phone/{name:path}", methods=_METHODS)
@router.api_route("/console/{name:path}", methods=_METHODS)
@router.api_route("/head-unit/{name:path}", methods=_METHODS)
@router.api_route("/shared/{name:path}", methods=_METHODS)
@router.api_route("/js/{name:path}", methods=_METHODS)
@router.api_route("/vendor/{name:path}", methods=_METHODS)
@router.api_route("/authorize/{name:path}", methods=_METHODS)
async def asset(request: Request, name: str) -> Response:
    return _served(request, request.url.path.removeprefix("/"))


def _served(request: Request, path: str) -> Response:
    found = assets.answer(path, request.headers.get("accept-encoding", ""), request.headers.get("if-none-match", ""))
    if found is None:
        raise ApiError(404, "no_route", "there is no such page; / has the list")
    return Response(found.body, status_code=found.status, headers=found.headers)
