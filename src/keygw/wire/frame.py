"""Framing: messages of up to 4 KiB over writes and notifications of 20 to 512 bytes.

Each frame has one header byte: bit 7 FIRST, bit 6 LAST, bits 5..0 a sequence that counts every frame of a direction
modulo 64 from 0 at the start of the link, so that a lost, repeated or reordered frame shows at once.
"""

from __future__ import annotations

from collections.abc import Iterator

from keygw.model.errors import ProtocolError

FIRST, LAST, SEQUENCE = 0x80, 0x40, 0x3F
MIN_FRAME = 2
MAX_FRAME = 512
"""An attribute value has at most 512 bytes (Bluetooth Core, Vol 3, Part F, 3.2.9), whatever MTU was agreed."""
BEFORE_AUTHENTICATION = 512
AFTER_AUTHENTICATION = 4096
INACTIVITY_SECONDS = 2.0


class Fragmenter:
    """The sending half of one direction of one link."""

    def __init__(self) -> None:
        self._sequence = 0

    def split(self, message: bytes, max_frame: int) -> Iterator[bytes]:
        """The frames of one message, each at most ``max_frame`` bytes."""
        if not message:
            raise ValueError("an empty message has no frames")
        room = min(max_frame, MAX_FRAME) - 1
        if room < MIN_FRAME - 1:
            raise ValueError(f"a frame needs at least {MIN_FRAME} bytes")
        for start in range(0, len(message), room):
            header = self._sequence
            header |= FIRST if start == 0 else 0
            header |= LAST if start + room >= len(message) else 0
            self._sequence = (self._sequence + 1) & SEQUENCE
            yield bytes((header,)) + message[start : start + room]


class Reassembler:
    """The receiving half. Any ``ProtocolError`` is final: the link must be closed."""

    def __init__(self) -> None:
        self.limit = BEFORE_AUTHENTICATION
        """The largest message accepted; the session raises it to ``AFTER_AUTHENTICATION``."""
        self._sequence = 0
        self._parts = b""
        self._last_at = 0.0

    def push(self, frame: bytes, now: float) -> bytes | None:
        """Take one frame; the whole message when it was the last of one, else ``None``."""
        if not MIN_FRAME <= len(frame) <= MAX_FRAME:
            raise ProtocolError(f"a frame has {MIN_FRAME} to {MAX_FRAME} bytes")
        header = frame[0]
        if header & SEQUENCE != self._sequence:
            raise ProtocolError("a frame was lost, repeated or reordered")
        self._sequence = (self._sequence + 1) & SEQUENCE
        if self._parts and now - self._last_at > INACTIVITY_SECONDS:
            raise ProtocolError("a message stayed unfinished for too long")
        if bool(header & FIRST) == bool(self._parts):
            raise ProtocolError("a message began inside another, or a middle came first")
        message = self._parts + frame[1:]
        if len(message) > self.limit:
            raise ProtocolError(f"a message is larger than {self.limit} bytes")
        self._last_at = now
        if not header & LAST:
            self._parts = message
            return None
        self._parts = b""
        return message

    @property
    def deadline(self) -> float | None:
        """When an unfinished message must be given up, or ``None``."""
        return self._last_at + INACTIVITY_SECONDS if self._parts else None
