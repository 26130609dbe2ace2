"""A simulator's own small API over HTTP, on loopback unless told otherwise, and for holders of its token alone.

``Authorization: Bearer TOKEN``, or for a page's WebSocket, which cannot send that, the subprotocols ``keygw-sim`` and
``bearer.TOKEN``. A page of another origin is answered nothing. Errors are ``{"code", "detail", "next"}``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import os
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from keygw.model.errors import BadInput
from keygw.web import assets

FILE = "control.json"
MAX_BODY = 16_384
SUBPROTOCOL = "keygw-sim"


class Served:
    """Its address and token stand in ``folder/control.json`` while it is served."""

    def __init__(self, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self._file = folder / FILE
        self._host, self._port = host, port
        self.token = secrets.token_urlsafe(24)

    @contextlib.asynccontextmanager
    async def serving(self, app: ASGIApp) -> AsyncIterator[str]:
        """The address. ``OSError`` when the port is taken."""
        listening = socket.create_server((self._host, self._port))
        url = f"http://{self._host}:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=MAX_BODY,
            server_header=False,
            timeout_graceful_shutdown=2,
            limit_concurrency=64,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve([listening]), name="control API")
        try:
            await asyncio.to_thread(_write, self._file, {"url": url, "token": self.token})
            yield url
        finally:
            server.should_exit = True
            await asyncio.wait({serving}, timeout=5)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            self._file.unlink(missing_ok=True)

    def may(self, asked: HTTPConnection) -> bool:
        """Whether it comes with the token, and from no page of another origin."""
        origin = asked.headers.get("origin")
        if origin is not None and origin.rsplit("//", 1)[-1] != asked.headers.get("host"):
            return False
        scheme, _, said = asked.headers.get("authorization", "").partition(" ")
        offered = [said] if scheme.lower() == "bearer" else []
        offered += [each[7:] for each in asked.scope.get("subprotocols", ()) if each.startswith("bearer.")]
        return any(hmac.compare_digest(each.encode(), self.token.encode()) for each in offered)


def page_routes(*pages: str) -> list[Route]:
    """These pages of the wheel and what they share, for anybody: they hold nothing."""
    routes = [Route(f"/{shelf}/{{name:path}}", _page) for shelf in assets.SHELVES]
    for page in pages:
        routes += [Route(f"/{page}", _slash), Route(f"/{page}/{{name:path}}", _page)]
    return routes


async def _slash(request: Request) -> Response:
    return RedirectResponse(f"{request.url.path.rsplit('/', 1)[-1]}/", status_code=308)


async def _page(request: Request) -> Response:
    wants = request.headers
    found = assets.answer(
        request.url.path.removeprefix("/"), wants.get("accept-encoding", ""), wants.get("if-none-match", "")
    )
    if found is None:
        return problem(404, "no_route", "there is no such page", "see /head-unit/")
    return Response(found.body, found.status, found.headers)


async def read_json(request: Request) -> Any:
    """The body. ``BadInput`` bad_order where it is too long, or no JSON."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BadInput(f"an order has at most {MAX_BODY} bytes", code="bad_order")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInput("an order is a JSON object", code="bad_order") from error


def unknown() -> JSONResponse:
    """For who comes without the token."""
    return problem(401, "token_unknown", "this needs a token", f"it stands in the simulator's folder: {FILE}")


def problem(status: int, code: str, detail: str, cure: str) -> JSONResponse:
    return JSONResponse({"code": code, "detail": detail, "next": cure}, status)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the program's that serves this beside its work."""
        yield


def _write(file: Path, told: dict[str, str]) -> None:
    """For its owner's eyes alone, from the first byte on."""
    new = file.with_suffix(".tmp")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
        json.dump(told, out)
    new.replace(file)
