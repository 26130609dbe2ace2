"""Server-sent events, received (HTML Living Standard, section 9.2.6). Bytes in, events out; no IO."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass

MAX_PENDING = 1 << 20
"""Characters of one unfinished event; a server that sends more is not ours."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """``id``: the last one seen so far on the stream, for ``Last-Event-ID``."""

    type: str
    data: str
    id: str


class Reader:
    """``feed`` it chunks as they arrive, cut anywhere."""

    def __init__(self, last_id: str = "") -> None:
        self.last_id = last_id
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        self._pending = ""
        self._size = 0
        self._type = ""
        self._data: list[str] = []
        self._id = last_id

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """The events that this chunk completes. ``ValueError`` if one grows without end."""
        self._pending += self._decode(chunk)
        # A CR at the very end may be half of a CRLF: it waits for what follows.
        held = self._pending.endswith("\r")
        text = self._pending[:-1] if held else self._pending
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._pending = lines.pop() + ("\r" if held else "")
        for line in lines:
            event = self._line(line)
            if event is not None:
                yield event
        if len(self._pending) + self._size > MAX_PENDING:
            raise ValueError("the event stream sends an event without end")

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(value) + 1
        elif name == "event":
            self._type = value
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

    def _dispatch(self) -> ServerEvent | None:
        data, kind = self._data, self._type or "message"
        self._data, self._type, self._size = [], "", 0
        self.last_id = self._id
        return ServerEvent(kind, "\n".join(data), self.last_id) if data else None
