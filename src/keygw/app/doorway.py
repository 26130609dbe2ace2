"""What a connection may cost before it has asked for anything: time, header bytes and a place among the others.

uvicorn waits for ever for the first byte, keeps endless headers, and answers in plain text when it is full. This is its
HTTP protocol with bounds; a phone that is merely slow never meets them.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Collection
from http import HTTPStatus
from typing import Any, ClassVar

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from keygw.api.problems import problem

REQUEST_SECONDS = 20.0
"""For a whole request to arrive, header and body, from its first byte or from the beginning of the connection."""
HEADER_BYTES = 32 * 1024
"""Of request line and headers together, at most."""
MAX_CONNECTIONS = 512
MAX_STREAMS = 8192
"""Connections that have become a WebSocket; they count apart from the others."""
LINGER_SECONDS = 1.0
"""How long what a refused caller still sends is read and thrown away."""

log = structlog.get_logger(__name__)


class Doorway(HttpToolsProtocol):
    """``bounded`` makes the class for one server, with that server's bounds and its own line of those who wait."""

    seconds: ClassVar[float]
    header_bytes: ClassVar[int]
    most: ClassVar[int]
    idle: ClassVar[dict[Doorway, None]]
    """Connections with no request under way, in the order in which they fell silent."""
    streams: ClassVar[Collection[object]]
    most_streams: ClassVar[int]

    _timer: asyncio.TimerHandle | None = None
    _reading_header = True
    _header_seen = 0
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        super().connection_made(transport)
        self.idle[self] = None
        if len(self.connections) - len(self.streams) > self.most and not self._make_room():
            self._refuse(503, "overloaded", "every connection is in use: again in a second", retryable=True)
            return
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self.idle.pop(self, None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._header_seen += len(data)
        super().data_received(data)
        if self._reading_header and self._header_seen > self.header_bytes and not self._refused:
            self._too_large()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading_header = True
        self._begin()

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if self._refused or size > self.header_bytes:
            self._too_large()
            return
        self._reading_header = False
        self.idle.pop(self, None)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refused:
            return
        self._stop()
        # The next header counts from its own first byte; what came along with this message is not held against it.
        self._reading_header = True
        self._header_seen = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self.idle[self] = None

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, "bad_request", "this is not an HTTP request that can be read")

    def handle_websocket_upgrade(self) -> None:
        if self._refused:
            return
        if len(self.streams) >= self.most_streams:
            self._refuse(503, "overloaded", "every stream is in use: again in a second", retryable=True)
            return
        self._stop()
        self.idle.pop(self, None)
        super().handle_websocket_upgrade()

    def _begin(self) -> None:
        self._stop()
        self._timer = self.loop.call_later(self.seconds, self._late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        if self.transport.is_closing():
            return
        if self._reading_header and self._header_seen:
            self._refuse(408, "request_timeout", f"a request may take {self.seconds:.0f} seconds to arrive")
        else:
            # Silent, or in the middle of a body whose request is under way: there is nobody to answer.
            self.transport.close()

    def _too_large(self) -> None:
        self._refuse(431, "header_too_large", f"a header may have {self.header_bytes} bytes in all")

    def _make_room(self) -> bool:
        """End the connection that has been silent for longest, for the new one."""
        for each in self.idle:
            if each is not self:
                self.idle.pop(each)
                each._stop()
                each.transport.close()
                return True
        return False

    def _refuse(self, status: int, code: str, detail: str, *, retryable: bool = False) -> None:
        """A problem document from below the application, and the end of the connection."""
        if self._refused:
            return
        self._refused = True
        self._stop()
        trace_id = secrets.token_hex(8)
        log.info("refused", status=status, code=code, request_id=trace_id, client=(self.client or ("-",))[0])
        if self.cycle is not None and not self.cycle.response_complete:
            # An answer to an earlier request is under way; a second one would be taken for a part of it.
            self.transport.close()
            return
        answer = problem(trace_id, status, code, detail, retryable=retryable)
        fixed = {"x-request-id": trace_id, "x-trace-id": trace_id, "cache-control": "no-store", "connection": "close"}
        head = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
        head += [name + b": " + value for name, value in answer.raw_headers]
        head += [f"{name}: {value}".encode() for name, value in fixed.items()]
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + bytes(answer.body))
        if self.transport.can_write_eof():
            # Closed with unread bytes, TCP would take our answer back: let the other side read it and go.
            self.transport.write_eof()
            self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()


def bounded(
    *,
    seconds: float = REQUEST_SECONDS,
    header_bytes: int = HEADER_BYTES,
    most: int = MAX_CONNECTIONS,
    streams: Collection[object] = (),
    most_streams: int = MAX_STREAMS,
) -> type[Doorway]:
    """The protocol class of one server, for ``uvicorn.Config(http=...)``. ``streams``: those that are open."""
    bounds: dict[str, Any] = {
        "seconds": seconds,
        "header_bytes": header_bytes,
        "most": most,
        "idle": {},
        "streams": streams,
        "most_streams": most_streams,
    }
    return type("BoundedDoorway", (Doorway,), bounds)
