"""HKDF-SHA-256 (RFC 5869) in its two halves, and the hash and MAC beside it."""

from __future__ import annotations

import hashlib
import hmac

HASH_BYTES = 32
_BLOCK_BYTES = 64
_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))


def sha256(data: bytes) -> bytes:
    """32 bytes."""
    return hashlib.sha256(data).digest()


def hmac256(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA-256 (RFC 2104), 32 bytes.

    Written out over ``hashlib``: a handshake derives two dozen keys, and ``hmac.digest`` takes twice the time for each
    (it sets up OpenSSL's MAC anew). Tests hold both equal.
    """
    if len(key) > _BLOCK_BYTES:
        key = hashlib.sha256(key).digest()
    block = key.ljust(_BLOCK_BYTES, b"\0")
    inner = hashlib.sha256(block.translate(_INNER) + data).digest()
    return hashlib.sha256(block.translate(_OUTER) + inner).digest()


def constant_time_equal(left: bytes, right: bytes) -> bool:
    """Comparison whose time does not depend on where the two differ."""
    return hmac.compare_digest(left, right)


def hkdf_extract(salt: bytes, secret: bytes) -> bytes:
    """RFC 5869 section 2.2: PRK of 32 bytes."""
    return hmac256(salt or bytes(HASH_BYTES), secret)


def hkdf_expand(prk: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 section 2.3: ``length`` bytes, at most 255 * 32; ``ValueError`` beyond."""
    if not 0 <= length <= 255 * HASH_BYTES:
        raise ValueError(f"HKDF-SHA-256 gives at most {255 * HASH_BYTES} bytes")
    if length <= HASH_BYTES:  # one block is what nearly everybody asks for
        return hmac256(prk, info + b"\x01")[:length]
    out = block = b""
    counter = 0
    while len(out) < length:
        counter += 1
        block = hmac256(prk, block + info + bytes((counter,)))
        out += block
    return out[:length]
