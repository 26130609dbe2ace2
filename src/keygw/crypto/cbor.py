"""Deterministic CBOR (RFC 8949 section 4.2.1), strict in both directions.

What arrives must be exactly what this module would have written: a second encoding of the same value is an attack or a
defect, so it is refused, in one pass over the bytes. Values: integers of 64 bits, byte and text strings, arrays, maps
whose keys are integers or strings, booleans, null and floats; no tags. Bounds: 4 KiB an item, nesting of 8.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

import cbor2

from keygw.model.errors import ProtocolError

MAX_BYTES = 4096
MAX_DEPTH = 8
_KEYS = (int, str, bytes)
_FLOAT_BYTES = {25: 3, 26: 5, 27: 9}
_SIMPLE = {20: False, 21: True, 22: None}


def encode(value: object) -> bytes:
    """The one encoding of ``value`` (shortest forms, map keys in the order of their encoded bytes).

    ``TypeError`` for a kind of value that has none here, ``ValueError`` for an integer beyond 64 bits.
    """
    if isinstance(value, str):
        text = value.encode()
        return _head(0x60, len(text)) + text
    if isinstance(value, bytes):
        return byte_string(value)
    if value is None or isinstance(value, bool):
        return b"\xf6" if value is None else b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return integer(value)
    if isinstance(value, list | tuple):
        return b"".join([_head(0x80, len(value)), *map(encode, value)])
    if isinstance(value, dict):
        pairs = []
        for key, item in value.items():
            if not isinstance(key, _KEYS) or isinstance(key, bool):
                raise TypeError("map keys are integers or strings")
            pairs.append((encode(key), encode(item)))
        return _head(0xA0, len(pairs)) + b"".join([key + item for key, item in sorted(pairs)])
    if isinstance(value, float):
        return cbor2.dumps(value, canonical=True)
    raise TypeError(f"no CBOR for a {type(value).__name__}")


def byte_string(data: bytes) -> bytes:
    """``data`` as a byte string: ``encode`` without a look at its type, for what is built on every message."""
    size = len(data)
    if size < 24:
        return b"%c%b" % (0x40 | size, data)
    if size < 256:
        return b"\x58%c%b" % (size, data)
    return _head(0x40, size) + data


def only_byte_string(data: bytes) -> bytes | None:
    """What ``decode`` gives where that is a byte string, for what is read from every message; ``None`` otherwise."""
    size = len(data)
    content = data[1 if size < 25 else 2 if size < 258 else 3 :]
    return content if size <= MAX_BYTES and byte_string(content) == data else None


@lru_cache(maxsize=1024)
def integer(value: int) -> bytes:
    """``value`` in its shortest form. A memo: labels and lengths are the same few in every message."""
    return _head(0x00, value) if value >= 0 else _head(0x20, -1 - value)


def decode(data: bytes) -> Any:
    """The single item in ``data``. ``ProtocolError`` if malformed, trailing, oversize or not deterministic."""
    items = split_sequence(data)
    if len(items) != 1:
        raise ProtocolError("expected exactly one CBOR item")
    return items[0][0]


def decode_sequence(data: bytes) -> list[Any]:
    """The items of a CBOR sequence (RFC 8742), each held to the rules of ``decode``."""
    return [value for value, _ in split_sequence(data)]


def split_sequence(data: bytes) -> list[tuple[Any, bytes]]:
    """Like ``decode_sequence``, each item with the bytes it came in (which are its one encoding)."""
    if len(data) > MAX_BYTES:
        raise ProtocolError("CBOR too large")
    items = []
    at, size = 0, len(data)
    try:
        while at < size:
            start = at
            value, at = _read(data, at, 0)
            items.append((value, data[start:at]))
    except (IndexError, UnicodeDecodeError) as error:
        raise ProtocolError("malformed CBOR") from error
    return items


def is_uint(value: object, limit: int = 2**64) -> bool:
    """Whether ``value`` is a plain unsigned integer below ``limit`` (a bool is not)."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit


def _read(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """``(value, where the next item starts)``; ``IndexError`` where the bytes end too early."""
    first = data[at]
    if first < 0x18:
        return first, at + 1
    major, number = first & 0xE0, first & 0x1F
    if major == 0xE0:
        return _read_simple(data, at, number)
    at += 1
    if number >= 24:
        number, at = _read_number(data, at, number)
    if major in (0x40, 0x60):
        end = at + number
        if end > len(data):
            raise IndexError
        return (data[at:end] if major == 0x40 else data[at:end].decode()), end
    if major == 0x00:
        return number, at
    if major == 0x20:
        return -1 - number, at
    if major == 0xC0:
        raise ProtocolError("CBOR tags are not allowed")
    if depth == MAX_DEPTH:
        raise ProtocolError("CBOR is nested too deep")
    if number > len(data) - at:  # every element takes a byte or more: a promise is no reason to go on
        raise IndexError
    if major == 0x80:
        elements = []
        for _ in range(number):
            value, at = _read(data, at, depth + 1)
            elements.append(value)
        return elements, at
    return _read_map(data, at, number, depth + 1)


def _read_map(data: bytes, at: int, size: int, depth: int) -> tuple[dict[Any, Any], int]:
    """Keys must come in ascending order of their bytes, which also means that none comes twice."""
    pairs: dict[Any, Any] = {}
    last = b""
    for _ in range(size):
        if data[at] >= 0x80:
            raise ProtocolError("CBOR map keys are integers or strings")
        start = at
        key, at = _read(data, at, depth)
        if data[start:at] <= last:
            raise ProtocolError("CBOR map keys are not in their order")
        last = data[start:at]
        pairs[key], at = _read(data, at, depth)
    return pairs, at


def _read_number(data: bytes, at: int, short: int) -> tuple[int, int]:
    if short == 24 and data[at] >= 24:  # most lengths there are
        return data[at], at + 1
    if short > 27:
        raise ProtocolError("CBOR of indefinite length, or of a reserved one, is not allowed")
    extra = 1 << short - 24
    number, end = int.from_bytes(data[at : at + extra], "big"), at + extra
    if end > len(data):
        raise IndexError
    if number < (24 if extra == 1 else 1 << extra * 4):
        raise ProtocolError("a CBOR number is not in its shortest form")
    return number, end


def _read_simple(data: bytes, at: int, short: int) -> tuple[Any, int]:
    if short in _SIMPLE:
        return _SIMPLE[short], at + 1
    if short not in _FLOAT_BYTES:
        raise ProtocolError("a CBOR simple value that is not allowed")
    end = at + _FLOAT_BYTES[short]
    if end > len(data):
        raise IndexError
    (value,) = struct.unpack({25: ">e", 26: ">f", 27: ">d"}[short], data[at + 1 : end])
    if encode(value) != data[at:end]:
        raise ProtocolError("a CBOR number is not in its shortest form")
    return value, end


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes((major | number,))
    if number < 2**8:
        return bytes((major | 24, number))
    if number < 2**16:
        return struct.pack(">BH", major | 25, number)
    if number < 2**32:
        return struct.pack(">BI", major | 26, number)
    if number >= 2**64:
        raise ValueError("CBOR integers have at most 64 bits")
    return struct.pack(">BQ", major | 27, number)
