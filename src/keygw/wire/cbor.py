"""Deterministic CBOR for the messages; the codec itself lives with the cryptography that signs over it."""

from __future__ import annotations

from keygw.crypto.cbor import decode, decode_sequence, encode, is_uint

__all__ = ["decode", "decode_sequence", "encode", "is_uint"]
