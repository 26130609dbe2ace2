"""btsnoop, the capture format of Android and BlueZ, which tshark and Wireshark open.

``"btsnoop\\0" | version (4) | datalink (4)``, then records ``original length (4) | included length (4) | flags (4) |
drops (4) | time (8) | packet``, all big-endian. Flags: bit 0 received by the host, bit 1 command or event. Time:
microseconds since the year 0, proleptic. Source: RFC 1761, on which it is built, and Bumble's and BlueZ's own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from keygw.ble.trace.packet import MAX_PACKET, BrokenCapture, CutShort, Kind, Packet, Source

MAGIC = b"btsnoop\0"
H1, H4 = 1001, 1002
_HEADER = struct.Struct(">8sII")
_RECORD = struct.Struct(">IIIIq")
_EPOCH_US = 0x00E03AB44A676000 - 946684800 * 1_000_000
"""1970 in that count: its anchor is 2000."""
_INDICATORS = {(False, True): 1, (True, True): 4, (False, False): 2, (True, False): 2}
"""(received, command or event) -> H4 indicator, for files that leave it out (H1)."""
RECEIVED, CONTROL = 1, 2
_COMMAND, _EVENT = 1, 4


class Writer:
    """Writes packets of kind HCI; each is whole on disk when ``write`` returns. Flushing is the caller's file's."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        output.write(_HEADER.pack(MAGIC, 1, H4))

    def write(self, packet: Packet) -> None:
        """``ValueError`` for a packet of another kind, or an empty one."""
        if packet.kind is not Kind.HCI or not packet.data:
            raise ValueError("btsnoop holds HCI packets")
        received = packet.sent is False or (packet.sent is None and packet.data[0] == _EVENT)
        flags = (RECEIVED if received else 0) | (CONTROL if packet.data[0] in (_COMMAND, _EVENT) else 0)
        size = len(packet.data)
        time = round(packet.at * 1_000_000) + _EPOCH_US
        self._output.write(_RECORD.pack(size, size, flags, 0, time) + packet.data)


def read(source: Source, offset: int) -> Iterator[Packet]:
    """The packets behind the magic, which has been read. ``BrokenCapture``, ``CutShort``."""
    head = source.read(8)
    if len(head) < 8:
        raise CutShort(offset, "the header of btsnoop has 16 bytes")
    version, datalink = struct.unpack(">II", head)
    if version != 1 or datalink not in (H1, H4):
        raise BrokenCapture(offset, f"btsnoop of version {version}, datalink {datalink}; known: 1, with 1001 and 1002")
    offset += 8
    while head := source.read(_RECORD.size):
        if len(head) < _RECORD.size:
            raise CutShort(offset, "the head of a record is cut short")
        original, size, flags, _, time = _RECORD.unpack(head)
        if size > MAX_PACKET or size > original:
            raise BrokenCapture(offset, f"a record of {size} bytes (of {original}); {MAX_PACKET} are the limit")
        data = source.read(size)
        if len(data) < size:
            raise CutShort(offset, f"a record of {size} bytes has {len(data)}")
        received, control = bool(flags & RECEIVED), bool(flags & CONTROL)
        if datalink == H1:
            data = bytes((_INDICATORS[received, control],)) + data
        if data:
            yield Packet(Kind.HCI, data, (time - _EPOCH_US) / 1_000_000, not received, offset)
        offset += _RECORD.size + size
