"""The interactive API page, from files in the wheel alone: no CDN, no inline script."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response

router = APIRouter(include_in_schema=False)

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_ASSETS: Final = {
    "index.html": ("docs/index.html", "text/html; charset=utf-8"),
    "init.js": ("docs/init.js", "text/javascript; charset=utf-8"),
    "swagger-ui.css": ("vendor/swagger-ui/swagger-ui.css", "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": ("vendor/swagger-ui/swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
}


@cache
def _read(name: str) -> bytes:
    return files("keygw.web").joinpath(*_ASSETS[name][0].split("/")).read_bytes()


def _serve(name: str) -> Response:
    headers = {"Content-Security-Policy": CSP, "Cache-Control": "no-cache"}
    return Response(_read(name), media_type=_ASSETS[name][1], headers=headers)


@router.get("/docs")
async def page() -> Response:
    return _serve("index.html")


@router.get("/docs/init.js")
async def init() -> Response:
    return _serve("init.js")


@router.get("/docs/swagger-ui.css")
async def style() -> Response:
    return _serve("swagger-ui.css")


@router.get("/docs/swagger-ui-bundle.js")
async def bundle() -> Response:
    return _serve("swagger-ui-bundle.js")
