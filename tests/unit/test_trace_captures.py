"""Captures: every form is read alike, what is written is read again, and what is broken is named with its byte."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Iterable

import pytest

from keygw.ble.trace.att import Handles
from keygw.ble.trace.btsnoop import Writer
from keygw.ble.trace.capture import packets
from keygw.ble.trace.packet import BrokenCapture, CutShort, Kind, Packet
from keygw.ble.trace.watcher import MAX_LINKS, Watcher
from keygw.session.trace import Record
from keygw_fuzz.of_trace import CONNECTED, HELLO, MESSAGE_1, TRAFFIC, acl, air, btsnoop_of, pcapng_of

GIVEN = Handles(3, 5, 8, 6)


def told(data: bytes, handles: Handles | None = GIVEN) -> list[Record]:
    watcher = Watcher(handles=handles)
    return [record for packet in packets(io.BytesIO(data)) for record in watcher.take(packet)]


def in_short(records: Iterable[Record]) -> list[str]:
    return [record.message.name if record.message else record.kind for record in records]


ALL = ["connected", "mtu", "subscribed", "HELLO", "MESSAGE_1", "att", "HELLO_REQ", "att", "disconnected"]


@pytest.mark.parametrize(
    "data",
    [
        btsnoop_of(TRAFFIC),
        pcapng_of(187, TRAFFIC),
        pcapng_of(187, TRAFFIC, ">"),
        pcapng_of(201, [bytes(3) + b"\x01" + each for each in TRAFFIC]),
    ],
    ids=["btsnoop", "pcapng", "pcapng big-endian", "pcapng with direction"],
)
def test_every_form_tells_the_same(data: bytes) -> None:
    records = told(data)
    assert in_short(records) == ALL
    assert [record.number for record in records] == list(range(1, len(ALL) + 1))
    assert records[0].at >= 1_700_000_000
    assert {record.link for record in records} == {"0040"}


@pytest.mark.parametrize("link_type", [251, 256, 272])
def test_the_air_itself(link_type: int) -> None:
    pdus = [b"\x12\x06\x00\x01\x00", b"\x1b\x05\x00\xc0" + HELLO, b"\x12\x03\x00\xc0" + MESSAGE_1]

    def head(sent: bool) -> bytes:
        by_type = {256: bytes(8) + ((2 if sent else 3) << 7).to_bytes(2, "little")}
        by_type[272] = bytes(8) + bytes((1 | 2 * sent,)) + bytes(8)
        return by_type.get(link_type, b"")

    data = []
    for number, pdu in enumerate(pdus):
        packet = air(pdu, toggle=number // 2)
        if link_type == 272:
            packet = packet[:6] + b"\x00" + packet[6:]
        data += [head(pdu[0] != 0x1B) + packet] * 2  # once more: it was not acknowledged
    assert in_short(told(pcapng_of(link_type, data))) == ["subscribed", "HELLO", "MESSAGE_1"]


def test_handles_are_learnt_from_discovery() -> None:
    def declared(handle: int, short: int) -> bytes:
        uuid = bytes.fromhex("6b657967" + f"{short:04x}" + "4b478f2c5d1e0a93c4b2")[::-1]
        return handle.to_bytes(2, "little") + b"\x0c" + (handle + 1).to_bytes(2, "little") + uuid

    found = b"\x09\x15" + declared(0x20, 0x7702) + declared(0x22, 0x7703) + declared(0x25, 0x7704)
    traffic = [CONNECTED, acl(0x40, found), acl(0x40, b"\x05\x01\x24\x00\x02\x29")]
    traffic += [acl(0x40, b"\x12\x24\x00\x01\x00"), acl(0x40, b"\x1b\x23\x00\xc0" + HELLO)]
    records = told(btsnoop_of(traffic), None)
    assert in_short(records) == ["connected", "mapped", "subscribed", "HELLO"]
    assert records[-1].frame == {
        "sequence": 0,
        "first": True,
        "last": True,
        "operation": "notification",
        "handle": 0x23,
    }


def test_without_handles_it_says_how_to_give_them() -> None:
    records = told(btsnoop_of(TRAFFIC), None)
    (unmapped,) = [record for record in records if record.kind == "unmapped"]
    assert "--rx" in unmapped.verdict.detail


def test_a_notification_before_the_subscription_is_a_breach() -> None:
    records = told(btsnoop_of([TRAFFIC[0], TRAFFIC[3]]))
    assert records[-1].verdict.code == "notification_unsubscribed"


def test_pieces_of_several_links_are_put_together() -> None:
    """Two links and both directions at once, every ACL packet torn into pieces of at most 27 bytes."""
    whole = {0x40: acl(0x40, b"\x1b\x05\x00\xc0" + HELLO), 0x41: acl(0x41, b"\x12\x03\x00\xc0" + MESSAGE_1, boundary=0)}
    pieces: dict[int, list[bytes]] = {}
    for handle, packet in whole.items():
        body = packet[5:]
        for start in range(0, len(body), 27):
            part = body[start : start + 27]
            flags = 1 if start else 2 if handle == 0x40 else 0
            head = (handle | flags << 12).to_bytes(2, "little") + len(part).to_bytes(2, "little")
            pieces.setdefault(handle, []).append(b"\x02" + head + part)
    mixed = [piece for pair in zip(*pieces.values(), strict=False) for piece in pair]
    mixed += [piece for torn in pieces.values() for piece in torn[len(mixed) // 2 :]]
    records = told(pcapng_of(187, mixed))
    assert sorted((record.link, record.message.name) for record in records if record.message) == [
        ("0040", "HELLO"),
        ("0041", "MESSAGE_1"),
    ]


def test_links_are_bounded_and_a_handle_that_comes_again_is_another_link() -> None:
    watcher = Watcher()
    for number in range(3 * MAX_LINKS):
        list(watcher.take(Packet(Kind.HCI, acl(number, b"\x02\x05\x02"), 0.0)))
    assert len(watcher._links) == MAX_LINKS
    assert {record.link for record in told(btsnoop_of([*TRAFFIC, *TRAFFIC]))} == {"0040", "0040#2"}


def test_what_is_written_is_read_again() -> None:
    first = btsnoop_of(TRAFFIC)
    read = list(packets(io.BytesIO(first)))
    assert [packet.data for packet in read] == TRAFFIC
    output = io.BytesIO()
    writer = Writer(output)
    for packet in read:
        writer.write(packet)
    assert output.getvalue() == first
    with pytest.raises(ValueError, match="HCI"):
        writer.write(Packet(Kind.AIR, b"\x00", 0.0))


def broken(data: bytes) -> BrokenCapture | None:
    try:
        told(data)
    except BrokenCapture as error:
        return error
    return None


# -- broken files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [btsnoop_of(TRAFFIC), pcapng_of(187, TRAFFIC), pcapng_of(187, TRAFFIC, ">")])
def test_a_file_that_is_cut_anywhere_names_the_place(data: bytes) -> None:
    ends = 0
    for end in range(len(data)):
        error = broken(data[:end])
        if error is None:
            ends += 1
            continue
        assert 0 <= error.offset <= end
        assert f"byte {error.offset}" in str(error)
        assert isinstance(error, CutShort) or end < 4
    assert ends <= len(TRAFFIC) + 2


@pytest.mark.parametrize(
    ("data", "offset"),
    [
        (b"", 0),
        (b"not a capture at all", 0),
        (b"btsnoop\0\0\0\0\2\0\0\3\xea", 8),
        (b"btsnoop\0\0\0\0\1\0\0\3\xeb", 8),
        (btsnoop_of([])[:16] + b"\xff" * 24, 16),
        (btsnoop_of([])[:16] + b"\0\0\0\1\0\0\0\2" + bytes(18), 16),
        (b"\n\r\r\n" + bytes(24), 0),
        (b"\n\r\r\n\x1c\0\0\0" + bytes(20), 0),
        (pcapng_of(187, [])[:-4] + bytes(4), 28),
        (pcapng_of(187, []) + b"\6\0\0\0\x20\0\0\0\1\0\0\0" + bytes(16) + b"\x20\0\0\0", 60),
    ],
)
def test_a_broken_file_names_the_byte(data: bytes, offset: int) -> None:
    with pytest.raises(BrokenCapture) as caught:
        list(packets(io.BytesIO(data)))
    assert caught.value.offset == offset


def test_a_packet_of_no_bytes_is_passed_over() -> None:
    """A capture may be told to keep none of them."""
    whole = btsnoop_of(TRAFFIC)
    assert in_short(told(whole[:16] + struct.pack(">IIIIq", 4, 0, 0, 0, 0) + whole[16:])) == ALL


@pytest.mark.parametrize("time", [2**63 - 1, -(2**63)])
def test_a_time_that_no_calendar_has_is_broken(time: int) -> None:
    found = broken(btsnoop_of([])[:16] + struct.pack(">IIIIq", 1, 1, 0, 0, time) + b"\x02")
    assert found is not None
    assert (found.offset, "calendar" in str(found)) == (16, True)
    wide = bytearray(pcapng_of(187, [b"\x02"]))
    at = wide.index(struct.pack("<II", 6, 36)) + 12
    wide[at : at + 4] = b"\xff" * 4
    found = broken(bytes(wide))
    assert found is not None
    assert "calendar" in str(found)


def test_files_of_chance_give_records_or_the_one_error(rng: random.Random) -> None:
    good = [btsnoop_of(TRAFFIC), pcapng_of(187, TRAFFIC), pcapng_of(251, [air(b"\x1b\x05\x00\xc0" + HELLO)])]
    for _ in range(300):
        data = bytearray(rng.choice(good))
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        error = broken(bytes(data))
        assert error is None or error.offset <= len(data)
