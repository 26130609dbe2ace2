"""pcapng (draft-ietf-opsawg-pcapng): section header, interfaces, enhanced and simple packets, in either byte order.

Link types: 187 HCI with H4, 201 the same behind a direction, 251 link layer, 256 the same behind a radio header, 272
what Nordic's sniffer writes. Blocks of other kinds and interfaces of other types are passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from keygw.ble.trace.packet import MAX_PACKET, BrokenCapture, CutShort, Kind, Packet, Source

SECTION = 0x0A0D0D0A
INTERFACE, SIMPLE, ENHANCED = 1, 3, 6
MAX_BLOCK = 1 << 20
MAX_INTERFACES = 64
HCI_H4, HCI_H4_PHDR, AIR, AIR_PHDR, NORDIC = 187, 201, 251, 256, 272
_KNOWN = frozenset({HCI_H4, HCI_H4_PHDR, AIR, AIR_PHDR, NORDIC})
_AIR_PHDR_BYTES = 10
_CENTRAL, _PERIPHERAL = 2, 3
"""Kinds of PDU in bits 7..9 of that header's flags: data, from the central or from the peripheral."""
_ORDER = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}


@dataclass(frozen=True, slots=True)
class _Interface:
    link_type: int
    second: int
    """Units of its clock in a second."""


def read(source: Source, offset: int) -> Iterator[Packet]:
    """The packets behind the first block's type, which has been read. ``BrokenCapture``, ``CutShort``."""
    order, interfaces = "", list[_Interface]()
    kind_bytes = struct.pack("<I", SECTION)
    while kind_bytes:
        head = source.read(4)
        if len(kind_bytes) < 4 or len(head) < 4:
            raise CutShort(offset, "the head of a block is cut short")
        begun = b""
        if kind_bytes == b"\n\r\r\n":
            begun = source.read(4)
            if begun not in _ORDER:
                raise _wrong(begun, offset)
            order, interfaces = _ORDER[begun], []
        (kind,), (size,) = struct.unpack(f"{order}I", kind_bytes), struct.unpack(f"{order}I", head)
        if size % 4 or not 12 + len(begun) <= size <= MAX_BLOCK:
            raise BrokenCapture(offset, f"a block of {size} bytes; {MAX_BLOCK} are the limit")
        body = source.read(size - 12 - len(begun))
        tail = source.read(4)
        if len(body) < size - 12 - len(begun) or len(tail) < 4:
            raise CutShort(offset, f"a block of {size} bytes ends too early")
        if tail != head:
            raise BrokenCapture(offset, "the two lengths of a block differ")
        if kind == INTERFACE:
            if len(interfaces) >= MAX_INTERFACES:
                raise BrokenCapture(offset, f"more than {MAX_INTERFACES} interfaces")
            interfaces.append(_interface(body, order, offset))
        elif kind in (ENHANCED, SIMPLE):
            packet = _packet(kind, body, order, interfaces, offset)
            if packet is not None:
                yield packet
        offset += size
        kind_bytes = source.read(4)


def _wrong(begun: bytes, offset: int) -> BrokenCapture:
    if len(begun) < 4:
        return CutShort(offset, "the section header is cut short")
    return BrokenCapture(offset, "a section header without its byte-order magic")


def _interface(body: bytes, order: str, offset: int) -> _Interface:
    if len(body) < 8:
        raise BrokenCapture(offset, "an interface description has 8 bytes or more")
    (link_type,) = struct.unpack_from(f"{order}H", body)
    second, at = 1_000_000, 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(f"{order}HH", body, at)
        if code == 0:
            break
        if code == 9 and size == 1 and at + 4 < len(body):  # if_tsresol: a power of 10, or of 2 with the top bit set
            raw = body[at + 4]
            exponent = raw & 0x7F
            if exponent > (63 if raw & 0x80 else 18):
                raise BrokenCapture(offset, "a clock that is finer than any")
            second = (2 if raw & 0x80 else 10) ** exponent
        at += 4 + (size + 3) // 4 * 4
    return _Interface(link_type, second)


def _packet(kind: int, body: bytes, order: str, interfaces: list[_Interface], offset: int) -> Packet | None:
    head = 20 if kind == ENHANCED else 4
    if len(body) < head:
        raise BrokenCapture(offset, "a packet block is too short for its own head")
    number, at, flags = 0, 0, 0
    if kind == ENHANCED:
        number, high, low, size, _ = struct.unpack_from(f"{order}IIIII", body)
        at = high << 32 | low
        flags = _flags(body[head + (size + 3) // 4 * 4 :], order)
    else:
        (size,) = struct.unpack_from(f"{order}I", body)
        size = min(size, len(body) - head)
    if number >= len(interfaces):
        raise BrokenCapture(offset, f"a packet of interface {number}, which was not described")
    if size > len(body) - head or size > MAX_PACKET:
        raise BrokenCapture(offset, f"a packet of {size} bytes in a block of {len(body) + 12}")
    interface = interfaces[number]
    if interface.link_type not in _KNOWN:
        return None
    sent = {1: False, 2: True}.get(flags & 3)
    return _of_type(interface.link_type, body[head : head + size], at / interface.second, sent, offset)


def _flags(options: bytes, order: str) -> int:
    """epb_flags: bits 0 and 1 say inbound (1) or outbound (2)."""
    at = 0
    while at + 4 <= len(options):
        code, size = struct.unpack_from(f"{order}HH", options, at)
        if code == 2 and size == 4 and at + 8 <= len(options):
            return int(struct.unpack_from(f"{order}I", options, at + 4)[0])
        if code == 0:
            break
        at += 4 + (size + 3) // 4 * 4
    return 0


def _of_type(link_type: int, data: bytes, at: float, sent: bool | None, offset: int) -> Packet | None:
    """``None`` for one that is too short to be what it should be, or of no use."""
    if link_type == HCI_H4:
        return Packet(Kind.HCI, data, at, sent, offset) if data else None
    if link_type == HCI_H4_PHDR:  # direction, big-endian: 0 sent, 1 received
        return Packet(Kind.HCI, data[4:], at, data[3] == 0, offset) if len(data) > 4 else None
    if link_type == AIR:
        return Packet(Kind.AIR, data, at, None, offset)
    if link_type == AIR_PHDR:
        if len(data) < _AIR_PHDR_BYTES:
            return None
        pdu = int.from_bytes(data[8:10], "little") >> 7 & 7
        who = {_CENTRAL: True, _PERIPHERAL: False}.get(pdu)
        return Packet(Kind.AIR, data[_AIR_PHDR_BYTES:], at, who, offset)
    return _nordic(data, at, offset)


def _nordic(data: bytes, at: float, offset: int) -> Packet | None:
    """board (1) | length (2) | version (1) | counter (2) | id (1) | 10 bytes of radio, the second of them flags.

    Flags: bit 0 CRC good, bit 1 from the central. Then the packet, with a byte of padding behind its header.
    """
    if len(data) < 17 + 7 or not data[8] & 1:
        return None
    air = data[17:]
    return Packet(Kind.AIR, air[:6] + air[7:], at, bool(data[8] & 2), offset)
