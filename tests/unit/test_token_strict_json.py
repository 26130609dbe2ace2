"""JSON and base64url with one spelling: the reader under the JWT, by itself."""

from __future__ import annotations

import pytest

from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.token.strict_json import MAX_NESTING, dump_object, parse_object


@pytest.mark.parametrize("data", [b"", b"\0", b"ab", b"abc", b"\xfb\xff\xfe", bytes(64)])
def test_base64url_goes_there_and_back(data: bytes) -> None:
    assert decode_base64url(encode_base64url(data)) == data


@pytest.mark.parametrize(
    "text", ["AA==", "AA=", "AB", "A", "AAAAA", "-_+/", "A A", "AA\n", "\u00c5A", "AA.A", "\ud800", "AA\0", "AAB"]
)
def test_another_spelling_of_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        decode_base64url(text)


def test_an_object_goes_there_and_back() -> None:
    value = {"a": 1, "b": [None, True, "x"], "c": {"d": 2**40}}
    assert parse_object(dump_object(value)) == value
    assert parse_object(b' { "a" : 1 } ') == {"a": 1}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"1",
        b"null",
        b'"{}"',
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":1}',
        b'{"x":{"a":1,"a":2}}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":-1}',
        b'{"a":-0}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":12345678901234}',
        b'{"a":01}',
        b'{"a":1,}',
        b"{'a':1}",
        b'{"a":1}x',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":"\xff"}',
        b'{"a":"\n"}',
        b"{" * (MAX_NESTING + 1),
        b'{"a":' * 5000,
        b"[" * 100_000,
    ],
    ids=lambda data: ascii(data[:20]),
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_object(data)
