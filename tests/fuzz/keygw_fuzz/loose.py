"""CBOR as it should not be: a tree that remembers every head, so that it can be bent and written again.

Shares nothing with ``keygw.crypto.cbor``. A byte string whose content is CBOR itself is opened, so that what is nested
in a COSE message can be bent as well, with every length around it still right.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, OTHER = range(8)
NUMBERS = (0, 1, 23, 24, 255, 256, 65535, 65536, 2**31, 2**32 - 1, 2**32, 2**63, 2**64 - 1)
_WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}


@dataclass
class Node:
    """One item. ``number``: the argument of its head; ``short``: the five bits that say how wide that is."""

    major: int
    short: int
    number: int
    data: bytes = b""
    inside: list[Node] = field(default_factory=list)
    """Elements; keys and values in turn; or what a byte string holds."""

    def write(self) -> bytes:
        body = b"".join(node.write() for node in self.inside) if self.inside else self.data
        number = self.number
        if self.major in (BYTES, TEXT):
            number = len(body)
        elif self.major in (ARRAY, MAP):
            number = len(self.inside) // (2 if self.major == MAP else 1)
        if self.short == 31:
            return bytes((self.major << 5 | 31,)) + body + b"\xff"
        return head(self.major, number, self.short) + body


def head(major: int, number: int, short: int) -> bytes:
    """A head at least as wide as ``short`` says."""
    least = 0 if number < 24 else 24 if number < 2**8 else 25 if number < 2**16 else 26 if number < 2**32 else 27
    width = max(least, short if short >= 24 else 0)
    if not width:
        return bytes((major << 5 | number,))
    return bytes((major << 5 | width,)) + (number % 2**64).to_bytes(_WIDTHS[width], "big")


def parse(data: bytes) -> list[Node] | None:
    """The items of a sequence, or ``None`` if it is none (indefinite lengths count as none)."""
    nodes, at = [], 0
    try:
        while at < len(data):
            node, at = _read(data, at, 0)
            nodes.append(node)
    except (IndexError, struct.error):
        return None
    return nodes


def walk(nodes: list[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from walk(node.inside)


def _read(data: bytes, at: int, depth: int) -> tuple[Node, int]:
    if depth > 12:
        raise IndexError
    major, short = data[at] >> 5, data[at] & 31
    at += 1
    number = short
    if short >= 24:
        width = _WIDTHS.get(short)
        if width is None or at + width > len(data):
            raise IndexError
        number = int.from_bytes(data[at : at + width], "big")
        at += width
    node = Node(major, short, number)
    if major in (BYTES, TEXT):
        if at + number > len(data):
            raise IndexError
        node.data = data[at : at + number]
        if major == BYTES and number > 1:
            node.inside = parse(node.data) or []
        return node, at + number
    for _ in range({ARRAY: number, MAP: 2 * number, TAG: 1}.get(major, 0)):
        inner, at = _read(data, at, depth + 1)
        node.inside.append(inner)
    return node, at
