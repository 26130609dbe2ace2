"""The control API of simulated cars: what hands and weather do, over HTTP, and what happens, over a WebSocket.

Who may, and how errors look: ``keygw_sim.served``.

* ``GET /cars`` -> ``{"cars": [{"number", "id", "name"}]}``
* ``POST /cars/{number, name or id}`` with an order (``orders``), such as ``{"do": "door", "open": true}``
* ``GET /events`` (WebSocket) -> one JSON object for each event; first what is kept of each car
* ``/cars/{...}/screen`` and ``/head-unit/``: the head unit (``keygw_sim.head_unit.served``)
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from keygw.model.errors import BadInput, Conflict, KeygwError, NotFound
from keygw_sim.head_unit.head_unit import HeadUnit
from keygw_sim.head_unit.served import Screens
from keygw_sim.served import SUBPROTOCOL, Served, page_routes, problem, read_json, unknown
from keygw_sim.vehicle.hands import Refused, obey
from keygw_sim.vehicle.orders import read_order
from keygw_sim.vehicle.yard import Yard

MAX_LISTENERS = 16
WAITING_EVENTS = 1000
ORDER_SECONDS = 30.0
TOO_SLOW, TRY_LATER, NOT_ALLOWED = 1008, 1013, 4401

_STATUS = ((BadInput, 400), (NotFound, 404), (Conflict, 409))


class Control:
    """``async with Control(yard, folder).serving() as url``: the address and token stand in ``folder/control.json``.

    ``units``: the head units of the cars, in the yard's order."""

    def __init__(
        self, yard: Yard, folder: Path, host: str = "127.0.0.1", port: int = 0, units: Sequence[HeadUnit] = ()
    ) -> None:
        self._yard = yard
        self._units = dict(zip((car.id for car in yard.cars), units, strict=False))
        self._served = Served(folder, host, port)
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """``OSError`` when the port is taken."""
        for car in self._yard.cars:
            car.listeners.append(self._hear)
        try:
            async with self._served.serving(self.app()) as url:
                yield url
        finally:
            for car in self._yard.cars:
                car.listeners.remove(self._hear)

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Route("/cars", self._cars, methods=["GET"]),
                Route("/cars/{which}", self._order, methods=["POST"]),
                WebSocketRoute("/events", self._events),
                *Screens(self._served, self._unit).routes(),
                *page_routes("head-unit"),
            ],
            exception_handlers={KeygwError: _refused},
        )

    @property
    def token(self) -> str:
        return self._served.token

    def _unit(self, which: str) -> tuple[str, HeadUnit]:
        car = self._yard.find(which)
        if car.id not in self._units:
            raise NotFound("that car has no head unit here", code="no_screen")
        return car.name, self._units[car.id]

    async def _cars(self, request: Request) -> JSONResponse:
        if not self._served.may(request):
            return unknown()
        cars = [{"number": n, "id": car.id, "name": car.name} for n, car in enumerate(self._yard.cars, 1)]
        return JSONResponse({"cars": cars})

    async def _order(self, request: Request) -> JSONResponse:
        if not self._served.may(request):
            return unknown()
        data = await read_json(request)
        car = self._yard.find(request.path_params["which"])
        try:
            async with asyncio.timeout(ORDER_SECONDS):
                return JSONResponse({"car": car.id, **await obey(car, read_order(data))})
        except OSError as error:
            return problem(500, "flash_failed", error.strerror or str(error), "look at its folder: is the disk full?")

    async def _events(self, stream: WebSocket) -> None:
        if not self._served.may(stream):
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


async def _refused(_: HTTPConnection, error: Exception) -> JSONResponse:
    assert isinstance(error, KeygwError)  # noqa: S101 - registered for these alone
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 503)
    cure = error.cure if isinstance(error, Refused) else _NEXT.get(error.code, "see: keygw sim --help")
    return problem(status, error.code, str(error), cure)


_NEXT = {
    "no_such_car": "see what there is: keygw sim state",
    "which_car": "say --car NUMBER",
    "in_motion": "park it first: keygw sim park",
    "owner_exists": "an owner allows it: keygw command VEHICLE allow-pairing",
    "unknown_key": "see what there is: keygw sim keys",
    "last_owner": "pair another owner first",
}
