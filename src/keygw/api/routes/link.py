"""Where a link leads when a browser opens it: that of an invitation, and that of a device which shows a code.

They are pages that say what to do, the same for every link.

No script and nothing fetched: whatever runs on that page could read the secret behind the ``#``.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response

router = APIRouter(include_in_schema=False)

CSP: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@cache
def _page(name: str) -> bytes:
    return files("keygw.web").joinpath(name, "index.html").read_bytes()


@router.get("/i/{invitation_id}")
async def page(invitation_id: str) -> Response:
    return _shown("invitation")


@router.get("/device")
async def device() -> Response:
    return _shown("device")


def _shown(name: str) -> Response:
    headers = {"Content-Security-Policy": CSP, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
    return Response(_page(name), media_type="text/html; charset=utf-8", headers=headers)
