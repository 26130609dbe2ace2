"""The room: what the console's page may see and do, over HTTP, on loopback and for holders of its token alone.

The page is opened with a launch code behind ``#``, which no server is sent; ``POST /studio/enter`` gives the token for
it, once. From then on the token goes in ``Authorization``, which no page of another origin can send. ``Host`` must be
loopback, so that no foreign name can be made to lead here. Errors are ``{"code", "detail", "next"}``.

* ``GET /studio`` -> what there is; ``POST /studio/codes`` -> a launch code for one more tab
* ``GET /studio/stream?after=N`` -> JSON lines: entries of the ring after number N, as they come; ``{"lost": n}`` where
  the ring was too short; an empty line every 10 s
* ``POST /studio/car``, ``/studio/phone``, ``/studio/radio`` with an order -> its answer
* ``GET /studio/attacks``, ``POST /studio/attacks/{name}``
* ``GET /studio/capture`` -> the car's btsnoop; ``POST /studio/decode`` (btsnoop or pcapng) -> ``{"records", "broken"}``
* ``/gateway/...`` -> the gateway's ``/v1/...``, asked with the world's token
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from keygw.model.errors import BadInput, Conflict, KeygwError, NotFound
from keygw_sim.processes import ChildFailed
from keygw_sim.served import Served, page_routes, problem, read_json, unknown
from keygw_sim.studio.air import Ring, decode
from keygw_sim.studio.attacks import Attacks
from keygw_sim.studio.doorway import METHODS, Doorway

Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
LOOKS = frozenset({"status", "where", "keys"})
"""Orders that change nothing: the page gives them every second, and the ring does not tell of them."""
MAX_CODES = 8
MAX_LISTENERS = 16
MAX_DECODE = 32 << 20
MAX_BODY = 1 << 16
BEAT_SECONDS = 10.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_STATUS = ((BadInput, 400), (NotFound, 404), (Conflict, 409))


@dataclass(frozen=True, slots=True)
class Things:
    """What a studio has under its hands. ``None`` where this one has none."""

    about: Callable[[], dict[str, Any]]
    car: Ask
    phone: Ask | None
    radio: Ask | None
    gateway: Doorway
    capture: Path


class Room:
    """``async with Room(things, ring, folder).serving() as url``; ``link()`` opens the page."""

    def __init__(self, things: Things, ring: Ring, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self._things, self._ring = things, ring
        self._served = Served(folder, host, port)
        self._codes: list[str] = []
        self._attacks = Attacks()
        self._listeners = 0
        self.url = ""

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """``OSError`` when the port is taken."""
        async with self._served.serving(self.app()) as self.url:
            yield self.url

    def link(self) -> str:
        """An address that opens the console once."""
        return f"{self.url}/console/#enter={self.new_code()}"

    def new_code(self) -> str:
        """Good for one tab. Of more than ``MAX_CODES`` that nobody used, the oldest is dead."""
        self._codes = [*self._codes, secrets.token_urlsafe(18)][-MAX_CODES:]
        return self._codes[-1]

    @property
    def token(self) -> str:
        return self._served.token

    def app(self) -> ASGIApp:
        """The ASGI application."""
        routes = [
            Route("/studio/enter", self._enter, methods=["POST"]),
            Route("/studio/codes", self._held(self._code), methods=["POST"]),
            Route("/studio", self._held(self._about), methods=["GET"]),
            Route("/studio/stream", self._held(self._stream), methods=["GET"]),
            Route("/studio/car", self._held(self._order("car", self._things.car)), methods=["POST"]),
            Route("/studio/phone", self._held(self._order("phone", self._things.phone)), methods=["POST"]),
            Route("/studio/radio", self._held(self._order("radio", self._things.radio)), methods=["POST"]),
            Route("/studio/attacks", self._held(self._book), methods=["GET"]),
            Route("/studio/attacks/{name}", self._held(self._attack), methods=["POST"]),
            Route("/studio/capture", self._held(self._capture), methods=["GET"]),
            Route("/studio/decode", self._held(self._decode), methods=["POST"]),
            Route("/gateway/v1/{path:path}", self._held(self._gateway), methods=list(METHODS)),
            *page_routes("console"),
        ]
        return _Loopback(Starlette(routes=routes, exception_handlers={KeygwError: _refused, ChildFailed: _failed}))

    def _held(self, then: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            return await then(request) if self._served.may(request) else unknown()

        return guarded

    async def _enter(self, request: Request) -> Response:
        origin = request.headers.get("origin")
        if origin is not None and origin.rsplit("//", 1)[-1] != request.headers.get("host"):
            return unknown()
        said = await read_json(request)
        code = said.get("code") if isinstance(said, dict) else None
        if not isinstance(code, str):
            raise BadInput('it takes {"code": ...}', code="bad_order")
        known = [each for each in self._codes if hmac.compare_digest(each.encode(), code.encode())]
        if not known:
            return problem(401, "code_unknown", "this code opens nothing, or has been used", "open a new one there")
        self._codes.remove(known[0])
        return JSONResponse({"token": self.token}, headers={"Cache-Control": "no-store"})

    async def _code(self, _: Request) -> Response:
        return JSONResponse({"code": self.new_code()}, headers={"Cache-Control": "no-store"})

    async def _about(self, _: Request) -> Response:
        things = self._things
        told = {"phone": things.phone is not None, "radio": things.radio is not None, "newest": self._ring.newest}
        return JSONResponse({"simulator": True, **told, **things.about()})

    async def _stream(self, request: Request) -> Response:
        asked = request.query_params.get("after", "0")
        if not (asked.isascii() and asked.isdigit() and len(asked) < 16):
            raise BadInput("after is a number", code="bad_order")
        if self._listeners >= MAX_LISTENERS:
            return problem(503, "too_many_listeners", f"{MAX_LISTENERS} pages are listening", "close one")
        head = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        return StreamingResponse(self._lines(int(asked)), headers=head, media_type="application/x-ndjson")

    async def _lines(self, seen: int) -> AsyncIterator[bytes]:
        self._listeners += 1
        try:
            if seen > self._ring.newest:
                yield b'{"fresh":true}\n'  # the studio was started anew
                seen = 0
            while True:
                lost, entries = self._ring.after(seen)
                if lost:
                    yield json.dumps({"lost": lost}).encode() + b"\n"
                if entries:
                    seen = entries[-1]["s"]
                    yield b"".join(json.dumps(each).encode() + b"\n" for each in entries)
                else:
                    yield b"\n"
                await self._ring.changed(seen, BEAT_SECONDS)
        finally:
            self._listeners -= 1

    def _order(self, whose: str, ask: Ask | None) -> Callable[[Request], Awaitable[Response]]:
        async def obey(request: Request) -> Response:
            if ask is None:
                raise NotFound("this studio has none", code="not_here")
            order = await read_json(request)
            if not isinstance(order, dict) or not isinstance(order.get("do"), str):
                raise BadInput('an order is a JSON object with "do"', code="bad_order")
            began, at = time.perf_counter(), time.time()
            told = await ask(order)
            if order["do"] not in LOOKS:
                ms = round((time.perf_counter() - began) * 1000, 1)
                said = {name: told[name] for name in ("outcome", "ok", "why") if name in told}
                self._ring.put("order", {"at": at, "ms": ms, "whose": whose, "order": order, "told": said})
            return JSONResponse(told)

        return obey

    async def _book(self, _: Request) -> Response:
        return JSONResponse({"attacks": await self._attacks.listed()})

    async def _attack(self, request: Request) -> Response:
        return JSONResponse(await self._attacks.run(request.path_params["name"]))

    async def _capture(self, _: Request) -> Response:
        data = await asyncio.to_thread(self._things.capture.read_bytes)
        head = {"Content-Disposition": 'attachment; filename="keygw.btsnoop"', "Cache-Control": "no-store"}
        return Response(data[-MAX_DECODE:] if len(data) <= MAX_DECODE else data[:MAX_DECODE], headers=head)

    async def _decode(self, request: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(decode, await _body(request, MAX_DECODE)))

    async def _gateway(self, request: Request) -> Response:
        path = f"v1/{request.path_params['path']}"
        body = await _body(request, MAX_BODY)
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, told, said = await self._things.gateway.ask(request.method, path, request.url.query, headers, body)
        return Response(said, status, {**told, "cache-control": "no-store"})


class _Loopback:
    """Asked by a name that is not loopback's: by a page of somebody who has made his name lead here."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            host = HTTPConnection(scope).headers.get("host", "").rsplit(":", 1)[0]
            if host not in _LOOPBACK:
                await problem(421, "wrong_host", "a studio answers on loopback alone", "ask 127.0.0.1")(
                    scope, receive, send
                )
                return
        await self._app(scope, receive, send)


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise BadInput(f"a body has at most {most} bytes", code="body_too_large")
    return bytes(body)


async def _refused(_: HTTPConnection, error: Exception) -> JSONResponse:
    assert isinstance(error, KeygwError)  # noqa: S101 - registered for these alone
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 503)
    return problem(status, error.code, str(error), "look at the terminal that the studio runs in")


async def _failed(_: HTTPConnection, error: Exception) -> JSONResponse:
    told = str(error)
    if "cannot do that" in told:
        return problem(400, "bad_order", told, "see: keygw sim --help")
    return problem(503, "simulator_failed", told, "look at the terminal that the studio runs in")
