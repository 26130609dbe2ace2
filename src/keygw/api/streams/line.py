"""The WebSocket below a stream, as the stream needs it: frames that were made once, and word of when there is room.

ASGI hands every message to every connection anew, in a coroutine each. A thousand of them take longer for that than the
kernel does for the bytes. So the server offers this beside ASGI, as the extension ``EXTENSION`` of the scope.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from starlette.websockets import WebSocket

EXTENSION = "x-line"


class Line(Protocol):
    """``free``: what is written leaves soon; else it only waits in memory."""

    @property
    def free(self) -> bool: ...

    def write(self, frame: bytes) -> None:
        """A whole frame, as it travels. Nothing happens once the line is shut."""

    def on_free(self, call: Callable[[], None]) -> None:
        """Called whenever there is room again."""

    async def drained(self) -> None:
        """Until it is free, or gone."""

    def shut(self, code: int, reason: str) -> None:
        """Close with that code (RFC 6455, section 7.4) and reason; who does not read is cut off soon after."""


class NoLine(RuntimeError):
    """The server below does not offer it."""


def line_of(socket: WebSocket) -> Line:
    """``NoLine`` under a server that is not ours."""
    found = (socket.scope.get("extensions") or {}).get(EXTENSION)
    if found is None:
        raise NoLine("streams need the WebSocket protocol of keygw.api.streams.wire below them")
    line: Line = found["line"]
    return line


def text_frame(text: bytes) -> bytes:
    """One unmasked text frame, as every server sends it (RFC 6455, section 5.2): the same bytes for all."""
    return _frame(0x81, text)


def binary_frame(content: bytes) -> bytes:
    """The same for bytes."""
    return _frame(0x82, content)


def _frame(first: int, content: bytes) -> bytes:
    size = len(content)
    if size < 126:
        return bytes((first, size)) + content
    if size < 1 << 16:
        return bytes((first, 0x7E)) + size.to_bytes(2, "big") + content
    return bytes((first, 0x7F)) + size.to_bytes(8, "big") + content
