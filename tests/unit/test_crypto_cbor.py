"""Deterministic CBOR, strict: one encoding for each value, no tags, no surprises (RFC 8949 section 4.2.1)."""

from __future__ import annotations

import time

import pytest

from keygw.crypto.cbor import MAX_BYTES, MAX_DEPTH, decode, decode_sequence, encode, is_uint
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


def test_uints_are_plain() -> None:
    assert is_uint(0)
    assert is_uint(2**64 - 1)
    assert not any(is_uint(value, 256) for value in (-1, 256, True, 1.0, "1", None))
