"""Deterministic CBOR for the messages; the codec itself lives with the cryptography that signs over it."""

from __future__ import annotations

from keygw.crypto.cbor import (
    byte_string,
    decode,
    decode_sequence,
    encode,
    integer,
    is_uint,
    only_byte_string,
    split_sequence,
)

__all__ = [
    "byte_string",
    "decode",
    "decode_sequence",
    "encode",
    "integer",
    "is_uint",
    "only_byte_string",
    "split_sequence",
]
