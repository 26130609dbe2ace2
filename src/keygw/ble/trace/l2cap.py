"""L2CAP's basic frames (Core 5.4, Vol 3, Part A, section 3.1), put together from what the link carried."""

from __future__ import annotations

ATT = 4
HEAD = 4


class Assembler:
    """One direction of one link: at most one packet of 65539 bytes is held."""

    def __init__(self) -> None:
        self._parts = b""

    @property
    def waiting(self) -> bool:
        return bool(self._parts)

    def push(self, first: bool, data: bytes) -> tuple[int, bytes] | None:
        """``(channel, payload)`` once it is whole. A piece that fits nothing is dropped, and so is what it ends."""
        if first:
            self._parts = data
        elif self._parts:
            self._parts += data
        if len(self._parts) < HEAD:
            return None
        size, channel = int.from_bytes(self._parts[:2], "little"), int.from_bytes(self._parts[2:4], "little")
        if len(self._parts) < HEAD + size:
            return None
        payload, whole = self._parts[HEAD:], len(self._parts) == HEAD + size
        self._parts = b""
        return (channel, payload) if whole else None
