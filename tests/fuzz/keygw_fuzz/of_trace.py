"""Targets of the trace: whatever the air or a file holds, it becomes records, or the one error that names the place."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterable

from keygw.ble.trace import btsnoop
from keygw.ble.trace.att import Handles
from keygw.ble.trace.capture import packets
from keygw.ble.trace.packet import BrokenCapture, Kind, Packet
from keygw.ble.trace.watcher import Watcher
from keygw.cli.trace_text import Teller
from keygw.session.states import Side
from keygw.session.trace import KeyLog, LinkTrace, MalformedKeyLog
from keygw.wire.frame import Fragmenter
from keygw.wire.messages import Hello
from keygw_fuzz.script import Step, frames_of, join, steps_of
from keygw_fuzz.target import Target

HELLO = Hello(bytes(16), bytes(31) + b"\x09", 7).encode()
G_X = bytes(31) + b"\x09"
MESSAGE_1 = b"\x10\x00\x06\x58\x20" + G_X + b"\x00"
LOG = f"HANDSHAKE {G_X.hex()} {'00' * 32} {'11' * 32}\nCHANNEL {G_X.hex()} {'00' * 32} {'22' * 16} {'33' * 12} "
LOG += f"{'44' * 16} {'55' * 12}\n"
KEYS = KeyLog(LOG)


def _told(script: bytes) -> int:
    """Frames of both sides by turns, of a session whose keys are known; every record can be written as JSON."""
    link, lanes, now, told = LinkTrace(KEYS), {side: Fragmenter() for side in Side}, 0.0, 0
    for number, step in enumerate(steps_of(script)):
        side = Side.DEVICE if number % 2 else Side.VEHICLE
        now += step.pause
        for frame in frames_of(step, lanes[side]) if step.data else [b""]:
            json.dumps(link.frame(side, frame, now).to_json())
            told += 1
    link.info(script[:12])
    return told


def _watched(data: bytes) -> int:
    """A capture: its packets, written once more, and the records of all of them, as ``keygw trace`` tells them."""
    watcher, told = Watcher(KEYS, handles=Handles(3, 5, 8, 6)), 0
    copy, teller = btsnoop.Writer(io.BytesIO()), Teller(colour=False, brief=True)
    for packet in packets(io.BytesIO(data)):
        if packet.kind is Kind.HCI:
            copy.write(packet)
        for record in watcher.take(packet):
            json.dumps(record.to_json())
            teller.text(record)
            told += 1
    return told


def acl(handle: int, pdu: bytes, *, boundary: int = 2) -> bytes:
    """An ATT packet in an ACL packet, H4."""
    l2cap = struct.pack("<HH", len(pdu), 4) + pdu
    return b"\x02" + struct.pack("<HH", handle | boundary << 12, len(l2cap)) + l2cap


def btsnoop_of(data: Iterable[bytes]) -> bytes:
    output = io.BytesIO()
    writer = btsnoop.Writer(output)
    for number, each in enumerate(data):
        writer.write(Packet(Kind.HCI, each, 1_700_000_000.0 + number, number % 2 == 0))
    return output.getvalue()


def pcapng_of(link_type: int, data: Iterable[bytes], order: str = "<") -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        size = struct.pack(f"{order}I", len(body) + 12)
        return struct.pack(f"{order}I", kind) + size + body + size

    made = block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    made += block(1, struct.pack(f"{order}HHI", link_type, 0, 0) + struct.pack(f"{order}HHB3xHH", 9, 1, 6, 0, 0))
    for number, each in enumerate(data):
        at = 1_700_000_000_000_000 + number
        body = struct.pack(f"{order}IIIII", 0, at >> 32, at & 0xFFFFFFFF, len(each), len(each))
        made += block(6, body + each)
    return made


def air(pdu: bytes, *, access: int = 0x50655D3B, first: bool = True, toggle: int = 0) -> bytes:
    l2cap = struct.pack("<HH", len(pdu), 4) + pdu
    return struct.pack("<IBB", access, (2 if first else 1) | toggle << 3, len(l2cap)) + l2cap + bytes(3)


CONNECTED = b"\x04\x3e\x13\x01\x00\x40\x00\x00\x01" + bytes(6) + b"\x18\x00\x00\x00\xd0\x07\x00"
TRAFFIC = [
    CONNECTED,
    acl(0x40, b"\x02\x05\x02"),
    acl(0x40, b"\x12\x06\x00\x01\x00", boundary=0),
    acl(0x40, b"\x1b\x05\x00\xc0" + HELLO),
    acl(0x40, b"\x12\x03\x00\xc0" + MESSAGE_1, boundary=0),
    acl(0x40, b"\x16\x03\x00\x00\x00\xc1\x02", boundary=0),
    acl(0x40, b"\x18\x01", boundary=0),
    acl(0x40, b"\x01\x12\x03\x00\x0d"),
    b"\x04\x05\x04\x00\x40\x00\x13",
]


def _captures() -> list[bytes]:
    phdr = bytes(3) + b"\x01"
    return [
        btsnoop_of(TRAFFIC),
        pcapng_of(187, TRAFFIC),
        pcapng_of(201, [phdr + each for each in TRAFFIC], ">"),
        pcapng_of(251, [air(b"\x1b\x05\x00\xc0" + HELLO), air(b"\x12\x03\x00\xc0" + MESSAGE_1)]),
        pcapng_of(256, [bytes(8) + b"\x80\x01" + air(b"\x1b\x05\x00\xc0" + HELLO)]),
        pcapng_of(272, [bytes(8) + b"\x01" + bytes(8) + air(b"\x02\x05\x02")]),
    ]


def _log(data: bytes) -> int:
    return len(KeyLog(data.decode("ascii", "replace")))


TARGETS = [
    Target(
        "session.trace", _told, (),
        lambda: [join([Step.message(HELLO), Step.message(MESSAGE_1), Step.raw(b"\xc1\x30")])],
        covers=("session.trace.keylog.Handshake.open_2", "session.trace.keylog.Handshake.open_3",
                "session.trace.keylog.OpenChannel.open"),
        longest=600, steps=60_000,
    ),
    Target("session.trace.keylog", _log, (MalformedKeyLog,), lambda: [LOG.encode()], longest=600),
    Target("ble.trace.capture", _watched, (BrokenCapture,), _captures, longest=1500, steps=60_000),
]  # fmt: skip
