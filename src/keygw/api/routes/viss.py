"""The way into VISS version 2 over WebSocket (docs/reference/viss.md)."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from keygw.api.auth import Wired
from keygw.api.permissions import STREAMS
from keygw.api.routes.stream import TokensOf, admitted, receiver, refuse
from keygw.api.services import Services
from keygw.api.streams.line import line_of
from keygw.api.streams.stream import Stream
from keygw.api.streams.viss import Viss
from keygw.api.streams.viss_messages import SUBPROTOCOL
from keygw.model.errors import KeygwError

router = APIRouter(tags=["status"])


@router.websocket("/viss")
async def viss(socket: WebSocket, wired: Wired) -> None:
    """The only vehicle that the app sees. The token comes in the Authorization header, or in messages."""
    await _serve(socket, wired, "viss.viss", None)


@router.websocket("/viss/{vehicle_id}")
async def viss_of(socket: WebSocket, vehicle_id: str, wired: Wired) -> None:
    """That vehicle."""
    await _serve(socket, wired, "viss.viss_of", vehicle_id)


async def _serve(socket: WebSocket, wired: Services, name: str, vehicle_id: str | None) -> None:
    trace_id, permission = wired.trace_id(), STREAMS[name]
    try:
        app = await admitted(socket, SUBPROTOCOL, permission)
    except KeygwError as error:
        await refuse(socket, trace_id, error)
        return
    await socket.accept(subprotocol=SUBPROTOCOL)
    await Viss(
        Stream(wired, TokensOf(socket), line_of(socket), trace_id, permission), receiver(socket), app, vehicle_id
    ).run()
