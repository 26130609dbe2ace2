"""Head units over HTTP, for a page: what is seen, what is pressed, and a WebSocket that tells what is seen anew.

* ``GET /cars/{which}/screen`` -> ``{"name": ..., "screen": HeadUnit.view()}``
* ``POST /cars/{which}/screen`` with an order of ``keygw_sim.head_unit.orders`` -> its answer
* ``/cars/{which}/screen/stream`` (WebSocket) -> the same as the GET, now and whenever it has changed
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from keygw.model.errors import BadInput, NotFound
from keygw_sim.head_unit.head_unit import HeadUnit
from keygw_sim.head_unit.orders import obey
from keygw_sim.served import SUBPROTOCOL, Served, read_json, unknown

LOOK_SECONDS = 0.1
"""How often the screen is compared with what was told: people do not see more."""
MAX_VIEWERS = 16
NOT_ALLOWED, NO_CAR, TRY_LATER = 4401, 4404, 1013


class Screens:
    """``find`` gives the name of a car and its head unit; ``NotFound`` no_such_car, no_screen, ``BadInput``."""

    def __init__(self, served: Served, find: Callable[[str], tuple[str, HeadUnit]]) -> None:
        self._served = served
        self._find = find
        self._viewers = 0

    def routes(self) -> list[BaseRoute]:
        return [
            Route("/cars/{which}/screen", self._look, methods=["GET"]),
            Route("/cars/{which}/screen", self._press, methods=["POST"]),
            WebSocketRoute("/cars/{which}/screen/stream", self._stream),
        ]

    async def _look(self, request: Request) -> JSONResponse:
        if not self._served.may(request):
            return unknown()
        return JSONResponse(self._seen(request.path_params["which"]))

    async def _press(self, request: Request) -> JSONResponse:
        if not self._served.may(request):
            return unknown()
        order = await read_json(request)
        _, unit = self._find(request.path_params["which"])
        try:
            return JSONResponse(obey(unit, order))
        except (ValueError, TypeError, KeyError) as error:
            raise BadInput(f"a head unit cannot do that: {error!r}", code="bad_order") from error

    async def _stream(self, stream: WebSocket) -> None:
        if not self._served.may(stream):
            await stream.close(NOT_ALLOWED)
            return
        which = stream.path_params["which"]
        try:
            self._find(which)
        except (NotFound, BadInput):
            await stream.close(NO_CAR)
            return
        if self._viewers >= MAX_VIEWERS:
            await stream.close(TRY_LATER)
            return
        self._viewers += 1
        try:
            await stream.accept(SUBPROTOCOL if SUBPROTOCOL in stream.scope["subprotocols"] else None)
            telling = asyncio.create_task(self._tell(stream, which))
            try:
                while (await stream.receive())["type"] != "websocket.disconnect":
                    pass
            finally:
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
        finally:
            self._viewers -= 1

    async def _tell(self, stream: WebSocket, which: str) -> None:
        told: dict[str, Any] = {}
        try:
            while True:
                if (seen := self._seen(which)) != told:
                    told = seen
                    await stream.send_json(seen)
                await asyncio.sleep(LOOK_SECONDS)
        except (WebSocketDisconnect, RuntimeError):
            pass  # it has gone; the receiver sees that as well

    def _seen(self, which: str) -> dict[str, Any]:
        name, unit = self._find(which)
        return {"name": name, "screen": unit.view()}
