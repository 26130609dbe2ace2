"""The way into ``keygw.frames.v1`` (protocols/bridge_api/asyncapi.yaml)."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from keygw.api.auth import Wired
from keygw.api.permissions import STREAMS
from keygw.api.routes.stream import TokensOf, admitted, refuse
from keygw.api.streams.frames import SUBPROTOCOL, Frames, Receive
from keygw.api.streams.line import line_of
from keygw.api.streams.stream import Stream
from keygw.model.errors import KeygwError

router = APIRouter(prefix="/v1", tags=["vehicles"])


@router.websocket("/vehicles/{vehicle_id}/frames")
async def frames(socket: WebSocket, vehicle_id: str, wired: Wired) -> None:
    """The vehicle's link, for the phone that holds the key itself. The token comes in the Authorization header or in
    the first message."""
    trace_id, permission = wired.trace_id(), STREAMS["frames.frames"]
    try:
        app = await admitted(socket, SUBPROTOCOL, permission)
    except KeygwError as error:
        await refuse(socket, trace_id, error)
        return
    await socket.accept(subprotocol=SUBPROTOCOL)
    one = Stream(wired, TokensOf(socket), line_of(socket), trace_id, permission)
    await Frames(one, _receiver(socket), app, vehicle_id).run()


def _receiver(socket: WebSocket) -> Receive:
    async def receive() -> str | bytes | None:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        text: str | None = message.get("text")
        content: bytes | None = message.get("bytes")
        return text if text is not None else content

    return receive
