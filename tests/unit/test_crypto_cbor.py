"""Deterministic CBOR, strict: one encoding for each value, no tags, no surprises (RFC 8949 section 4.2.1)."""

from __future__ import annotations

import time

import pytest

from keygw.crypto.cbor import (
    MAX_BYTES,
    MAX_DEPTH,
    decode,
    decode_sequence,
    encode,
    is_uint,
    only_byte_string,
    split_sequence,
)
from keygw.model.errors import ProtocolError


@pytest.mark.parametrize(
    "value",
    [
        *(0, 23, 24, 255, 256, 2**32, 2**64 - 1, -1, -24, -25, -(2**64)),
        *(b"", b"x" * 300, "", "ü", [], [1, [2]], {}, {1: 2, -1: 3, "a": b"b"}),
        *(True, False, None, 1.5, 80.0, 100000.0, 1e300),
    ],
)
def test_values_go_there_and_back(value: object) -> None:
    again = decode(encode(value))
    assert again == value
    assert type(again) is type(value)


REFUSED = {
    "nothing": "",
    "a tag (epoch time)": "c100",
    "a tag inside an array": "81c100",
    "a tag inside a map": "a100c100",
    "a bignum": "c2490100000000000000 00".replace(" ", ""),
    "the self-described tag": "d9d9f700",
    "a regular expression": "d8236161",
    "an indefinite byte string": "5f4161ff",
    "an indefinite text": "7f6161ff",
    "an indefinite array": "9f01ff",
    "an indefinite map": "bf0101ff",
    "a lonely break": "ff",
    "1 in two bytes": "1801",
    "23 in two bytes": "1817",
    "255 in three bytes": "1900ff",
    "65535 in five bytes": "1a0000ffff",
    "2^32-1 in nine bytes": "1b00000000ffffffff",
    "a length in two bytes": "580161",
    "an array length in two bytes": "980101",
    "1.5 as a double": "fb3ff8000000000000",
    "1.5 as a single": "fa3fc00000",
    "a NaN with a payload": "f97e01",
    "false in two bytes": "f814",
    "map keys out of order": "a2020201 01".replace(" ", ""),
    "map keys in the order of RFC 7049, shorter first": "a2200018 1800".replace(" ", ""),
    "a map key that is true": "a1f500",
    "a map key that is a float": "a1f93c0000",
    "a map key that is an array": "a18000",
    "undefined": "f7",
    "a simple value": "e0",
    "a simple value in two bytes": "f8ff",
    "a truncated float": "f93c",
    "65536 - 1 as a promise in nine bytes": "9b000000000000ffff",
    "a key twice": "a201010102",
    "a key twice, as an integer and a float": "a20101f93c0001",
    "a key twice, as an integer and true": "a20101f501",
    "trailing byte": "0000",
    "a truncated integer": "19ff",
    "a truncated string": "4361",
    "a truncated array": "8201",
    "a truncated map": "a101",
    "a promise of 2^32 bytes": "5affffffff61",
    "a promise of 2^64 items": "9bffffffffffffffff",
    "a reserved length": "1c",
    "text that is not UTF-8": "62c328",
    "a surrogate": "63eda080",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_the_one_encoding_is_refused(name: str) -> None:
    with pytest.raises(ProtocolError):
        decode(bytes.fromhex(REFUSED[name]))


def test_depth_and_size_are_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b"\x81" * depth + b"\x00"

    decode(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 1000, MAX_BYTES):
        with pytest.raises(ProtocolError):
            decode(nested(depth))
    assert len(decode(encode(bytes(MAX_BYTES - 3)))) == MAX_BYTES - 3
    with pytest.raises(ProtocolError):
        decode(encode(bytes(MAX_BYTES - 2)))


def test_the_short_way_to_a_byte_string_agrees_with_the_long_one() -> None:
    """Every length at which the head changes, everything that is refused, and every change of one byte of the head."""
    sizes = (0, 1, 23, 24, 25, 255, 256, 257, 258, MAX_BYTES - 3, MAX_BYTES - 2)
    whole = [encode(bytes(size)) for size in sizes]
    cases = [
        *whole,
        *map(bytes.fromhex, REFUSED.values()),
        *(item + b"\x00" for item in whole),
        *(i[:-1] for i in whole),
    ]
    cases += [bytes((first,)) + item[1:] for item in whole for first in range(256)]
    cases += [item[:1] + bytes((second,)) + item[2:] for item in whole for second in range(256)]
    taken = 0
    for case in cases:
        try:
            value = decode(case)
        except ProtocolError:
            value = None
        assert only_byte_string(case) == (value if isinstance(value, bytes) else None), case[:4].hex()
        taken += isinstance(value, bytes)
    assert taken > len(sizes)


def test_a_hostile_item_costs_little() -> None:
    """A list of 4 KiB of empty lists, and one of big promises: milliseconds, not seconds."""
    started = time.process_time()
    decode(b"\x99\x0f\xfd" + b"\x80" * 4093)
    with pytest.raises(ProtocolError):
        decode(b"\x9b" + b"\xff" * 8 + b"\x80" * 4000)
    assert time.process_time() - started < 0.5


def test_sequences() -> None:
    assert decode_sequence(b"") == []
    assert decode_sequence(b"\x01\x41a\x80") == [1, b"a", []]
    for bad in (b"\x01\x18\x01", b"\x01\xc1\x00", b"\x01\x41"):
        with pytest.raises(ProtocolError):
            decode_sequence(bad)


def test_an_item_comes_with_its_own_bytes() -> None:
    data = bytes.fromhex("00a10441008201820203f6")
    assert split_sequence(data) == [
        (0, b"\x00"),
        ({4: b"\x00"}, bytes.fromhex("a1044100")),
        ([1, [2, 3]], bytes.fromhex("8201820203")),
        (None, b"\xf6"),
    ]


def test_what_has_no_encoding_here_is_our_own_fault() -> None:
    for value in ({True: 1}, {1.5: 1}, {None: 1}, {(1,): 1}, object(), {1, 2}):
        with pytest.raises(TypeError):
            encode(value)
    for value in (2**64, -(2**64) - 1):
        with pytest.raises(ValueError, match="64 bits"):
            encode(value)
    assert encode({24: 0, -1: 0}).hex() == "a21818002000"  # by bytes, not by length: RFC 8949 4.2.1


def test_uints_are_plain() -> None:
    assert is_uint(0)
    assert is_uint(2**64 - 1)
    assert not any(is_uint(value, 256) for value in (-1, 256, True, 1.0, "1", None))
