"""How fields are cut out of packed bytes and CBOR arrays, each with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from keygw.model.open_enum import OpenEnum
from keygw.session.trace.record import Field
from keygw.wire import cbor

TAG_BYTES = 16

Part = tuple[str, int, Callable[[bytes], object]]


def number(raw: bytes) -> object:
    return int.from_bytes(raw, "big")


def plain(raw: bytes) -> object:
    return raw


def named(kind: type[OpenEnum]) -> Callable[[Any], str]:
    """Shows a code as its word; one that is not known as ``unknown_200``."""
    return lambda code: kind(code if isinstance(code, int) else code[0]).label


def packed(parts: Sequence[Part], body: bytes, at: int) -> Iterator[Field]:
    start = 0
    for name, size, show in parts:
        yield Field(name, show(body[start : start + size]), at + start, size)
        start += size


def inside(value: object, raw: bytes) -> int:
    """A byte string's place is that of its content."""
    return len(value) if isinstance(value, bytes) else len(raw)


def string_head(size: int) -> int:
    """Bytes of the head of a byte string of that size."""
    return 1 if size < 24 else 2 if size < 256 else 3


Shape = Callable[[Any, int], Iterator[Field]]


def array(*names: str, **shows: Callable[[Any], object]) -> Shape:
    """An array whose elements have these names; ``shows``: how an element is told."""

    def read(value: Any, at: int) -> Iterator[Field]:
        at += 1
        for name, item in zip(names, value, strict=True):
            raw = cbor.encode(item)
            shown = shows[name](item) if name in shows and item is not None else item
            size = inside(item, raw)
            yield Field(name, shown, at + len(raw) - size, size)
            at += len(raw)

    return read
