"""Opens a capture, whichever of the two forms it has."""

from __future__ import annotations

from collections.abc import Iterator

from keygw.ble.trace import btsnoop, pcapng
from keygw.ble.trace.packet import LAST_TIME, BrokenCapture, CutShort, Packet, Source


def packets(source: Source) -> Iterator[Packet]:
    """The packets of btsnoop or pcapng, as they are read. ``BrokenCapture`` names the byte where it breaks."""
    for packet in _packets(source):
        if abs(packet.at) > LAST_TIME:
            raise BrokenCapture(packet.offset, f"a time of {packet.at:.3g} s since 1970, which no calendar has")
        yield packet


def _packets(source: Source) -> Iterator[Packet]:
    magic = source.read(4)
    if magic == b"\n\r\r\n":
        yield from pcapng.read(source, 0)
        return
    magic += source.read(4)
    if magic == btsnoop.MAGIC:
        yield from btsnoop.read(source, len(magic))
        return
    if btsnoop.MAGIC.startswith(magic):
        raise CutShort(0, "it holds no more than the beginning of a header")
    raise BrokenCapture(0, "neither btsnoop nor pcapng")
