"""Bytes as text, the way JSON documents, links and JWTs carry them: base64url without padding, in one spelling."""

from __future__ import annotations

import base64
from binascii import b2a_base64

_URLSAFE = bytes.maketrans(b"+/", b"-_")


def encode_base64url(data: bytes) -> str:
    return b2a_base64(data, newline=False).translate(_URLSAFE, b"=").decode("ascii")


def decode_base64url(text: str) -> bytes:
    """RFC 7515 appendix C: no padding, no foreign character, unused bits zero; ``ValueError`` otherwise."""
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # Python's decoder skips what it does not know; encoding again shows whether it skipped anything.
    if encode_base64url(data) != text:
        raise ValueError("not canonical base64url")
    return data
