"""The control API of simulated cars: what hands and weather do, over HTTP, and what happens, over a WebSocket.

On loopback unless told otherwise, and for holders of its token alone: ``Authorization: Bearer TOKEN``, or for a page's
WebSocket, which cannot send that, the subprotocols ``keygw-sim`` and ``bearer.TOKEN``. A page of another origin is
answered nothing.

* ``GET /cars`` -> ``{"cars": [{"number", "id", "name"}]}``
* ``POST /cars/{number, name or id}`` with an order (``orders``), such as ``{"do": "door", "open": true}``
* ``GET /events`` (WebSocket) -> one JSON object for each event; first what is kept of each car

Errors are ``{"code", "detail", "next"}``.
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
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from keygw.model.errors import BadInput, Conflict, KeygwError, NotFound
from keygw_sim.vehicle.hands import Refused, obey
from keygw_sim.vehicle.orders import read_order
from keygw_sim.vehicle.yard import Yard

FILE = "control.json"
MAX_BODY = 16_384
MAX_LISTENERS = 16
WAITING_EVENTS = 1000
ORDER_SECONDS = 30.0
SUBPROTOCOL = "keygw-sim"
TOO_SLOW, TRY_LATER, NOT_ALLOWED = 1008, 1013, 4401

_STATUS = ((BadInput, 400), (NotFound, 404), (Conflict, 409))


class Control:
    """``async with Control(yard, folder).serving() as url``: the address and token stand in ``folder/control.json``."""

    def __init__(self, yard: Yard, folder: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self._yard = yard
        self._file = folder / FILE
        self._host, self._port = host, port
        self._token = secrets.token_urlsafe(24)
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """``OSError`` when the port is taken."""
        listening = socket.create_server((self._host, self._port))
        url = f"http://{self._host}:{listening.getsockname()[1]}"
        config = uvicorn.Config(
            self.app(),
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
        for car in self._yard.cars:
            car.listeners.append(self._hear)
        try:
            await asyncio.to_thread(_write, self._file, {"url": url, "token": self._token})
            yield url
        finally:
            for car in self._yard.cars:
                car.listeners.remove(self._hear)
            server.should_exit = True
            await asyncio.wait({serving}, timeout=5)
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            self._file.unlink(missing_ok=True)

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/cars", self._cars, methods=["GET"]),
                Route("/cars/{which}", self._order, methods=["POST"]),
                WebSocketRoute("/events", self._events),
            ],
            exception_handlers={KeygwError: _refused},
        )

    @property
    def token(self) -> str:
        return self._token

    async def _cars(self, request: Request) -> JSONResponse:
        if not self._may(request):
            return _unknown()
        cars = [{"number": n, "id": car.id, "name": car.name} for n, car in enumerate(self._yard.cars, 1)]
        return JSONResponse({"cars": cars})

    async def _order(self, request: Request) -> JSONResponse:
        if not self._may(request):
            return _unknown()
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise BadInput(f"an order has at most {MAX_BODY} bytes", code="bad_order")
        try:
            data = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadInput("an order is a JSON object", code="bad_order") from error
        car = self._yard.find(request.path_params["which"])
        try:
            async with asyncio.timeout(ORDER_SECONDS):
                return JSONResponse({"car": car.id, **await obey(car, read_order(data))})
        except OSError as error:
            return _problem(500, "flash_failed", error.strerror or str(error), "look at its folder: is the disk full?")

    async def _events(self, stream: WebSocket) -> None:
        if not self._may(stream):
            await stream.close(NOT_ALLOWED)
            return
        if len(self._listeners) >= MAX_LISTENERS:
            await stream.close(TRY_LATER)
            return
        waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue(WAITING_EVENTS)
        for event in sorted((event for car in self._yard.cars for event in car.events), key=lambda event: event["at"]):
            if not waiting.full():
                waiting.put_nowait(event)
        self._listeners.add(waiting)
        try:
            await stream.accept(SUBPROTOCOL if SUBPROTOCOL in stream.scope["subprotocols"] else None)
            await self._pass_on(stream, waiting)
        finally:
            self._listeners.discard(waiting)

    async def _pass_on(self, stream: WebSocket, waiting: asyncio.Queue[dict[str, Any]]) -> None:
        async def send() -> None:
            while waiting in self._listeners or not waiting.empty():
                await stream.send_json(await waiting.get())

        async def hang_up() -> None:
            while (await stream.receive())["type"] != "websocket.disconnect":
                pass

        tasks = [asyncio.create_task(work) for work in (send(), hang_up())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not tasks[1].done():
                with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                    await stream.close(TOO_SLOW)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _hear(self, event: dict[str, Any]) -> None:
        """Give it to every listener; one that is far behind hears no more, and is sent away."""
        for waiting in list(self._listeners):
            try:
                waiting.put_nowait(event)
            except asyncio.QueueFull:
                self._listeners.discard(waiting)

    def _may(self, asked: HTTPConnection) -> bool:
        origin = asked.headers.get("origin")
        if origin is not None and origin.rsplit("//", 1)[-1] != asked.headers.get("host"):
            return False
        scheme, _, said = asked.headers.get("authorization", "").partition(" ")
        offered = [said] if scheme.lower() == "bearer" else []
        offered += [each[7:] for each in asked.scope.get("subprotocols", ()) if each.startswith("bearer.")]
        return any(hmac.compare_digest(each.encode(), self._token.encode()) for each in offered)


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


async def _refused(_: HTTPConnection, error: Exception) -> JSONResponse:
    assert isinstance(error, KeygwError)  # noqa: S101 - registered for these alone
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 503)
    cure = error.cure if isinstance(error, Refused) else _NEXT.get(error.code, "see: keygw sim --help")
    return _problem(status, error.code, str(error), cure)


_NEXT = {
    "no_such_car": "see what there is: keygw sim state",
    "which_car": "say --car NUMBER",
    "in_motion": "park it first: keygw sim park",
    "owner_exists": "an owner allows it: keygw command VEHICLE allow-pairing",
    "unknown_key": "see what there is: keygw sim keys",
    "last_owner": "pair another owner first",
}


def _unknown() -> JSONResponse:
    return _problem(401, "token_unknown", "this needs the token of these cars", f"it stands in their folder: {FILE}")


def _problem(status: int, code: str, detail: str, cure: str) -> JSONResponse:
    return JSONResponse({"code": code, "detail": detail, "next": cure}, status)
