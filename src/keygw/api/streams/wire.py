"""uvicorn's WebSocket protocol with bounds, and with the direct way out that ``line`` describes.

No compression is agreed on, ever: a frame of a few bytes cannot become megabytes, and what is sent can be encoded once
for all (RFC 7692 compresses with the history of each connection).
"""

from __future__ import annotations

import os
from asyncio import BaseTransport
from collections.abc import Callable
from typing import Any, ClassVar

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from keygw.api.streams.line import EXTENSION

MAX_FRAME = 64 * 1024
"""Bytes of a message that a client sends, at most; a larger one ends the connection with 1009."""
BUFFER = 64 * 1024
"""Bytes that may wait in memory for one connection before events wait in its own queue, where they coalesce."""
FLOOD = 4 * BUFFER
"""With as many waiting, and the client still sending (pings that want an answer), the connection is cut."""
PING_SECONDS = 20.0
SHUT_SECONDS = 5.0
"""For the client to answer a close, before the connection is cut."""


class Wire(WebSocketsSansIOProtocol):
    """``streams``: all of one server that are open; ``wire`` makes the class with a set of its own."""

    streams: ClassVar[set[Wire]]
    shut_seconds: ClassVar[float] = SHUT_SECONDS

    def __init__(self, config: Config, *args: Any, **kwargs: Any) -> None:
        super().__init__(config, *args, **kwargs)
        self._tell: Callable[[], None] | None = None
        self._descriptor: int | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=BUFFER)
        self.streams.add(self)
        plain = transport.get_extra_info("ssl_object") is None
        found = transport.get_extra_info("socket")
        self._descriptor = found.fileno() if plain and found is not None and os.name == "posix" else None

    def connection_lost(self, exc: Exception | None) -> None:
        self.streams.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.get_write_buffer_size() > FLOOD:
            self.transport.abort()
            return
        super().data_received(data)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._tell is not None:
            self._tell()

    async def run_asgi(self) -> None:
        self.scope["extensions"][EXTENSION] = {"line": self}
        await super().run_asgi()

    @property
    def free(self) -> bool:
        return self.writable.is_set()

    def write(self, frame: bytes) -> None:
        """Into the socket at once where nothing waits before it: uvloop would begin with the first byte for anybody
        only when the frames for all have been handed over."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        if self._descriptor is not None and not self.transport.get_write_buffer_size():
            try:
                sent = os.write(self._descriptor, frame)
            except BlockingIOError:
                sent = 0
            except OSError:  # the connection has broken, and the transport will hear of it, too
                self.transport.abort()
                return
            if sent == len(frame):
                return
            frame = frame[sent:]
        self.transport.write(frame)

    def on_free(self, call: Callable[[], None]) -> None:
        self._tell = call

    async def drained(self) -> None:
        await self.writable.wait()

    def shut(self, code: int, reason: str) -> None:
        if self.close_sent or self.disconnected:
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        if self.read_paused:  # the answer to our close shall be read
            self.read_paused = False
            self.transport.resume_reading()
        self._cut_later()

    def handle_close(self, event: Frame) -> None:
        super().handle_close(event)
        self._cut_later()

    def handle_parser_exception(self) -> None:
        super().handle_parser_exception()
        self._cut_later()

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self._cut_later()

    def _cut_later(self) -> None:
        """A transport that closes first sends what waits, for ever if nobody reads it."""
        if self.close_timer is None and not self.disconnected:
            self.close_timer = self.loop.call_later(self.shut_seconds, self.transport.abort)


def wire() -> type[Wire]:
    """The protocol class of one server, for ``uvicorn.Config(ws=...)``."""
    return type("OneServersWire", (Wire,), {"streams": set()})


def ws_options(ping_seconds: float = PING_SECONDS) -> dict[str, Any]:
    """All that ``uvicorn.Config`` has to be told for streams."""
    return {
        "ws": wire(),
        "ws_max_size": MAX_FRAME,
        "ws_ping_interval": ping_seconds,
        "ws_ping_timeout": ping_seconds,
        "ws_per_message_deflate": False,
    }
