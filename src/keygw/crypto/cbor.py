"""Deterministic CBOR (RFC 8949 section 4.2.1), strict in both directions.

What arrives must be exactly what this module would have written: a second encoding of the same value is an attack or a
defect, so it is refused. Bounds: 4 KiB an item, nesting of 8.
"""

from __future__ import annotations

import io
from typing import Any

import cbor2

from keygw.model.errors import ProtocolError

MAX_BYTES = 4096
MAX_DEPTH = 8


def encode(value: object) -> bytes:
    """The one encoding of ``value`` (shortest integers, sorted map keys, definite lengths)."""
    return cbor2.dumps(value, canonical=True)


def decode(data: bytes) -> Any:
    """The single item in ``data``. ``ProtocolError`` if malformed, trailing, oversize or not deterministic."""
    items = decode_sequence(data)
    if len(items) != 1:
        raise ProtocolError("expected exactly one CBOR item")
    return items[0]


def decode_sequence(data: bytes) -> list[Any]:
    """The items of a CBOR sequence (RFC 8742), each held to the rules of ``decode``."""
    if len(data) > MAX_BYTES:
        raise ProtocolError("CBOR too large")
    _refuse_tags(data)
    stream = io.BytesIO(data)
    items = []
    try:
        decoder = cbor2.CBORDecoder(stream, max_depth=MAX_DEPTH)
        while stream.tell() < len(data):
            items.append(decoder.decode())
        canonical = b"".join(encode(item) for item in items)
    except Exception as error:  # cbor2 raises many kinds on hostile input; the peer gets one answer
        raise ProtocolError("malformed CBOR") from error
    if canonical != data:
        raise ProtocolError("CBOR is not in its deterministic form")
    return items


def _refuse_tags(data: bytes) -> None:
    """No tag and no indefinite length anywhere: cbor2 would act on tags (compile a regex, raise a big power) unasked.

    An item's head is followed by its content, and that of arrays and maps is heads again: one flat walk sees all.
    """
    at = 0
    while at < len(data):
        major, short = data[at] >> 5, data[at] & 0x1F
        at += 1
        if major == 6 or short > 27:
            raise ProtocolError("CBOR tags and indefinite lengths are not allowed")
        extra = (1, 2, 4, 8)[short - 24] if short >= 24 else 0
        length = int.from_bytes(data[at : at + extra], "big") if extra else short
        at += extra + (length if major in (2, 3) else 0)


def is_uint(value: object, limit: int = 2**64) -> bool:
    """Whether ``value`` is a plain unsigned integer below ``limit`` (a bool is not)."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit
