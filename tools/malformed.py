"""Values that no reader may take, made of a good one: for the makers of frozen vectors."""

from __future__ import annotations

from typing import Any

from keygw.crypto import cbor

Refusal = tuple[str, bytes]
"""Why it must be refused, and a plaintext or body."""


def malformed(good: list[Any]) -> list[Refusal]:
    """What no array of the protocol may look like, made of a good one."""
    plain = cbor.encode(good)
    return [
        ("nothing", b""),
        ("the last byte is missing", plain[:-1]),
        ("one byte too many", plain + b"\x00"),
        ("two items", plain + plain),
        ("one element too few", cbor.encode(good[:-1])),
        ("one element too many", cbor.encode([*good, None])),
        ("an array of indefinite length", b"\x9f" + plain[1:] + b"\xff"),
        ("the array's length not in its shortest form", bytes((0x98, len(good))) + plain[1:]),
        ("a tagged array", b"\xc1" + plain),
        ("a map", b"\xa0"),
        ("an array inside a byte string", cbor.byte_string(plain)),
    ]


def numbers(good: list[Any], at: int, limit: int, what: str, *, nil: bool = False) -> list[Refusal]:
    """What that element, an unsigned integer below ``limit``, may not be."""

    def put(value: object) -> bytes:
        return cbor.encode([*good[:at], value, *good[at + 1 :]])

    others: list[tuple[str, object]] = [
        (f"{what} is {limit}", limit),
        (f"{what} is negative", -1),
        (f"{what} is true", True),
        (f"{what} is a float", 1.0),
        (f"{what} is a text", "1"),
    ]
    if not nil:
        others.append((f"{what} is nil", None))
    head = cbor.encode(good[:at])
    rest = b"".join(cbor.encode(item) for item in good[at + 1 :])
    long = bytes((head[0] - at + len(good),)) + head[1:] + b"\x1b" + bytes(7) + b"\x01" + rest
    return [*((why, put(value)) for why, value in others), (f"{what} is not in its shortest form", long)]


def texts(good: list[Any], at: int, what: str) -> list[Refusal]:
    """What that element, a byte string of a fixed length, may not be."""
    value = good[at]
    return [
        (why, cbor.encode([*good[:at], other, *good[at + 1 :]]))
        for why, other in (
            (f"{what} is a byte short", value[:-1]),
            (f"{what} is a byte long", value + b"\x00"),
            (f"{what} is a text", "x" * len(value)),
            (f"{what} is nil", None),
        )
    ]
