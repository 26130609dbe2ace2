"""The few HCI and link-layer packets a trace needs: connections that begin and end, and the data in between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from keygw.ble.trace.packet import Kind, Packet

ACL, EVENT = 2, 4
DISCONNECTION_COMPLETE, LE_META = 0x05, 0x3E
_CONNECTION_COMPLETE = frozenset({0x01, 0x0A, 0x29})
"""LE Connection Complete, Enhanced, Enhanced v2: alike in their first 12 bytes."""
ADVERTISING = 0x8E89BED6
CONNECT_IND = 5
CRC_BYTES = 3


@dataclass(frozen=True, slots=True)
class Connected:
    """``local_is``: the role of the host of this capture; empty where the air itself was listened to."""

    link: int
    peer: str
    local_is: str


@dataclass(frozen=True, slots=True)
class Disconnected:
    """``reason``: Core 5.4, Vol 1, Part F."""

    link: int
    reason: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of an L2CAP packet. ``sent``: ``None`` where neither the capture nor the packet says who sent it."""

    link: int
    first: bool
    data: bytes
    sent: bool | None


Happening = Connected | Disconnected | Piece


class Sorter:
    """Packets to what they mean for links. Remembers, for the air, which packets were sent twice."""

    MAX_LANES = 256

    def __init__(self) -> None:
        self._last: dict[tuple[int, bool | None], object] = {}

    def sort(self, packet: Packet) -> Iterator[Happening]:
        """What cannot be read (a controller's own business, or too short) gives nothing."""
        yield from self._air(packet) if packet.kind is Kind.AIR else _hci(packet)

    def _air(self, packet: Packet) -> Iterator[Happening]:
        data = packet.data
        if len(data) < 6 + CRC_BYTES or len(data) < 6 + data[5] + CRC_BYTES:
            return
        access, header, body = int.from_bytes(data[:4], "little"), data[4], data[6 : 6 + data[5]]
        if access == ADVERTISING:
            if header & 0x0F == CONNECT_IND and len(body) == 34:
                self._last = {key: last for key, last in self._last.items() if key[0] != access}
                yield Connected(int.from_bytes(body[12:16], "little"), _address(body[6:12]), "")
            return
        kind = header & 3
        if kind == 3 or not body:
            return  # control, or empty
        if self._repeated(access, packet.sent, header, body):
            return
        yield Piece(access, kind == 2, body, packet.sent)

    def _repeated(self, access: int, sent: bool | None, header: int, body: bytes) -> bool:
        """A packet that was not acknowledged comes again, with the same sequence bit."""
        mark: object = header & 8 if sent is not None else (header & 8, body)
        again = self._last.get((access, sent)) == mark
        if (access, sent) not in self._last and len(self._last) >= self.MAX_LANES:
            del self._last[next(iter(self._last))]
        self._last[access, sent] = mark
        return again


def _hci(packet: Packet) -> Iterator[Happening]:
    data = packet.data
    if data[0] == ACL and len(data) >= 5:
        head = int.from_bytes(data[1:3], "little")
        boundary = head >> 12 & 3
        sent = packet.sent
        if sent is None and boundary in (0, 2):  # a first piece says who sent it: 00 the host, 10 the controller
            sent = boundary == 0
        size = int.from_bytes(data[3:5], "little")
        yield Piece(head & 0x0FFF, boundary != 1, data[5 : 5 + size], sent)
    elif data[0] == EVENT and len(data) >= 3:
        yield from _event(data[1], data[3:])


def _event(code: int, body: bytes) -> Iterator[Happening]:
    if code == DISCONNECTION_COMPLETE and len(body) >= 4 and body[0] == 0:
        yield Disconnected(int.from_bytes(body[1:3], "little") & 0x0FFF, body[3])
    if code == LE_META and len(body) >= 12 and body[0] in _CONNECTION_COMPLETE and body[1] == 0:
        role = "central" if body[4] == 0 else "peripheral"
        yield Connected(int.from_bytes(body[2:4], "little") & 0x0FFF, _address(body[6:12]), role)


def _address(raw: bytes) -> str:
    return raw[::-1].hex(":").upper()
