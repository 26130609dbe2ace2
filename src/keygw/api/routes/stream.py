"""The way into ``keygw.v1`` (protocols/bridge_api/asyncapi.yaml)."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from keygw.api.auth import Wired, caller_by, caller_of, caller_still
from keygw.api.permissions import STREAMS, Permission
from keygw.api.problems import problem, status_of
from keygw.api.streams.conversation import Conversation, Receive
from keygw.api.streams.line import line_of
from keygw.api.streams.messages import SUBPROTOCOL, BadMessage
from keygw.api.streams.session_stream import SessionConversation
from keygw.api.streams.stream import Stream
from keygw.api.streams.wire import PING_SECONDS
from keygw.bridge.records import App
from keygw.model.errors import KeygwError

router = APIRouter(prefix="/v1", tags=["events"])


@router.websocket("/stream")
async def stream(socket: WebSocket, wired: Wired) -> None:
    """Everything about the vehicles that the client names, as it happens. The token comes in the Authorization header
    or in the first message."""
    trace_id, permission = wired.trace_id(), STREAMS["stream.stream"]
    try:
        app = await admitted(socket, SUBPROTOCOL, permission)
    except KeygwError as error:
        await refuse(socket, trace_id, error)
        return
    await socket.accept(subprotocol=SUBPROTOCOL)
    one = Stream(wired, TokensOf(socket), line_of(socket), trace_id, permission)
    await Conversation(one, receiver(socket), app, PING_SECONDS).run()


@router.websocket("/sessions/{session_id}/stream")
async def session_stream(socket: WebSocket, session_id: str, wired: Wired) -> None:
    """The same under an app session: its vehicle alone. It ends with the session, and says why."""
    trace_id, permission = wired.trace_id(), STREAMS["stream.session_stream"]
    try:
        app = await admitted(socket, SUBPROTOCOL, permission)
    except KeygwError as error:
        await refuse(socket, trace_id, error)
        return
    await socket.accept(subprotocol=SUBPROTOCOL)
    one = Stream(wired, TokensOf(socket), line_of(socket), trace_id, permission)
    await SessionConversation(one, receiver(socket), app, PING_SECONDS, session_id).run()


class TokensOf:
    """``streams.stream.Tokens`` of one connection."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def first(self, token: str, proof: str | None) -> App:
        return await caller_by(self._socket, token, proof)

    async def newer(self, token: str, before: App) -> App:
        return await caller_still(self._socket, token, before)


class NotThisWay(KeygwError):
    """The connection was asked for in a way that this route does not take."""

    code = "bad_request"


async def admitted(socket: WebSocket, subprotocol: str, permission: Permission) -> App | None:
    """Who asks, if the header says it. ``Unauthenticated``, ``ScopeRequired``, ``NotThisWay``."""
    if socket.scope["query_string"]:
        raise NotThisWay("a stream takes nothing in its URL: others read it in logs; send the token in the header")
    if subprotocol not in socket.scope["subprotocols"]:
        raise NotThisWay(f"offer the subprotocol {subprotocol} in Sec-WebSocket-Protocol")
    socket.app.state.services.clients.check(socket.headers)
    if "authorization" not in socket.headers:
        return None
    app = await caller_of(socket)
    permission.check(app)
    return app


async def refuse(socket: WebSocket, trace_id: str, error: KeygwError) -> None:
    """An HTTP answer in the place of the WebSocket."""
    status = 400 if isinstance(error, NotThisWay) else status_of(error)
    await socket.send_denial_response(problem(trace_id, status, error.code, str(error)))


def receiver(socket: WebSocket) -> Receive:
    """The client's messages, one after the other."""

    async def receive() -> str | None:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        text = message.get("text")
        if text is None:
            raise BadMessage("messages are text")
        return str(text)

    return receive
