"""Keeps what a car heard and said as a capture, in memory or on the air: ``keygw sim attack --trace DIR``.

Written as the car's own host would have: connections, the three characteristics, writes and notifications. So
``keygw trace`` and tshark read an attack that never left this process like one that did.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

from keygw.ble.trace.btsnoop import Writer
from keygw.ble.trace.packet import Kind, Packet
from keygw.wire import gatt
from keygw_sim.vehicle.brain import Brain

RX, TX, SUBSCRIPTION, INFO = 3, 5, 6, 8
"""Handles of the made-up attribute table."""
_NOTIFIES, _READS, _WRITES = 0x10, 0x02, 0x0C
CONNECTIONS = 0x0F00
"""HCI handles go up to 0x0EFF; later connections take them again."""


class Tape:
    """One car's capture. ``watch`` is called for each start of its brain."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
        self._writer, self._clock = Writer(self._file), clock

    def watch(self, brain: Brain) -> None:
        """Write down what this brain is told and tells, from now on."""
        connected, info, subscribed = brain.connected, brain.info, brain.subscribed
        told, outgoing, disconnected = brain.frame, brain.outgoing, brain.disconnected

        def on_connected(conn: int) -> None:
            self._connected(conn)
            connected(conn)

        def on_info(conn: int) -> bytes:
            value = info(conn)
            self._heard(conn, struct.pack("<BH", 0x0A, INFO))
            self._said(conn, b"\x0b" + value)
            return value

        def on_subscribed(conn: int) -> None:
            self._heard(conn, struct.pack("<BHH", 0x12, SUBSCRIPTION, 1))
            subscribed(conn)

        def on_frame(conn: int, frame: bytes) -> None:
            last = bool(frame) and bool(frame[0] & gatt.FRAME_LAST)
            self._heard(conn, struct.pack("<BH", 0x12 if last else 0x52, RX) + frame)
            told(conn, frame)

        def on_outgoing(conn: int, max_frame: int) -> Iterator[bytes]:
            for each in outgoing(conn, max_frame):
                self._said(conn, struct.pack("<BH", 0x1B, TX) + each)
                yield each

        def on_disconnected(conn: int) -> None:
            self._write(b"\x04\x05\x04\x00" + struct.pack("<HB", conn % CONNECTIONS, 0x13), sent=False)
            disconnected(conn)

        # As an antenna on the car's roof would hear it; the car itself has no hook for this.
        brain.connected, brain.info, brain.subscribed = on_connected, on_info, on_subscribed  # type: ignore[method-assign]
        brain.frame, brain.outgoing = on_frame, on_outgoing  # type: ignore[method-assign]
        brain.disconnected = on_disconnected  # type: ignore[method-assign]

    def close(self) -> None:
        self._file.close()

    def _connected(self, conn: int) -> None:
        head = struct.pack("<BBHBB6s", 0x01, 0, conn % CONNECTIONS, 1, 1, conn.to_bytes(6, "little"))
        self._write(b"\x04\x3e\x13" + head + struct.pack("<HHHB", 24, 0, 2000, 0), sent=False)
        for declaration, properties, value, uuid in (
            (RX - 1, _WRITES, RX, gatt.RX), (TX - 1, _NOTIFIES, TX, gatt.TX), (INFO - 1, _READS, INFO, gatt.INFO),
        ):  # fmt: skip
            raw = bytes.fromhex(uuid.replace("-", ""))[::-1]
            self._said(conn, struct.pack("<BBHBH", 0x09, 21, declaration, properties, value) + raw)

    def _heard(self, conn: int, pdu: bytes) -> None:
        self._acl(conn, pdu, boundary=2, sent=False)

    def _said(self, conn: int, pdu: bytes) -> None:
        self._acl(conn, pdu, boundary=0, sent=True)

    def _acl(self, conn: int, pdu: bytes, *, boundary: int, sent: bool) -> None:
        l2cap = struct.pack("<HH", len(pdu), 4) + pdu
        self._write(b"\x02" + struct.pack("<HH", conn % CONNECTIONS | boundary << 12, len(l2cap)) + l2cap, sent=sent)

    def _write(self, packet: bytes, *, sent: bool) -> None:
        self._writer.write(Packet(Kind.HCI, packet, self._clock(), sent))
