"""Bytes as lines of offset, hexadecimal and meaning, for the worked examples of ``protocols``.

A ``Field`` names a value and says what is inside it; without one the walk still shows every CBOR item. It knows CBOR
as it stands in the frozen vectors, which is deterministic, and nothing of ``keygw``: what an example says was read from
its bytes by other code than made them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

ROW = 16
HEX_WIDTH = 46
_SIMPLE = {20: ("false", False), 21: ("true", True), 22: ("nil", None)}


@dataclass(frozen=True)
class Array:
    """One field for each element."""

    fields: Sequence[Field]


@dataclass(frozen=True)
class Each:
    """The same field for all elements."""

    field: Field


@dataclass(frozen=True)
class Map:
    fields: Mapping[int, Field]


@dataclass(frozen=True)
class Embedded:
    """A byte string that is the encoding of one item."""

    field: Field


@dataclass(frozen=True)
class Packed:
    """Bytes with parts of fixed lengths. A length of ``None`` takes the rest, a negative one all but so many bytes."""

    parts: Sequence[tuple[str, int | None]]


@dataclass(frozen=True)
class Found:
    """What it is shows from its bytes: the field that ``find`` gives for them, and for what stands behind."""

    find: Callable[[bytes], Field]


@dataclass(frozen=True)
class Field:
    """``say``: what a number or a byte string means, in words."""

    name: str = ""
    inside: Array | Each | Map | Embedded | Packed | Found | None = None
    say: Callable[[Any], str] | None = None


@dataclass(frozen=True)
class Line:
    data: bytes
    text: str
    depth: int = 0


def walk(data: bytes, field: Field) -> list[Line]:
    """The lines of one CBOR item. ``ValueError`` if it is not exactly one."""
    lines, end = _item(data, 0, field, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes behind the item")
    return lines


def walk_sequence(data: bytes, fields: Sequence[Field]) -> list[Line]:
    """The lines of a CBOR sequence."""
    lines, at = [], 0
    for field in fields:
        more, at = _item(data, at, field, 0)
        lines += more
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes behind the sequence")
    return lines


def packed(data: bytes, parts: Sequence[tuple[str, int | None]], depth: int = 0) -> list[Line]:
    """The lines of a body that is no CBOR."""
    lines, at = [], 0
    for name, size in parts:
        end = len(data) if size is None else len(data) + size if size < 0 else at + size
        part = data[at:end]
        said = f"{name}: {int.from_bytes(part, 'big')}" if len(part) <= 4 else _sized(name, part)
        lines.append(Line(part, said, depth))
        at = end
    if at != len(data):
        raise ValueError(f"the parts end at {at}, not at {len(data)}")
    return lines


def render(lines: Sequence[Line]) -> str:
    """Text of a code block: ``0000  82  array of 2``, long strings in rows of 16 bytes."""
    return "\n".join(_rows(lines))


def _rows(lines: Sequence[Line]) -> Iterator[str]:
    at = 0
    for line in lines:
        row = min(ROW, HEX_WIDTH // 2 - 1 - line.depth)
        for start in range(0, max(len(line.data), 1), row):
            part = line.data[start : start + row]
            text = line.text if start == 0 else ""
            yield f"{at:04x}  {'  ' * line.depth + part.hex():<{HEX_WIDTH}}{text}".rstrip()
            at += len(part)


def head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, argument, and where the head ends."""
    first = data[at]
    major, short = first >> 5, first & 31
    if short < 24:
        return major, short, at + 1
    size = 1 << short - 24
    return major, int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size


def _item(data: bytes, at: int, field: Field, depth: int) -> tuple[list[Line], int]:
    major, number, end = head(data, at)
    if isinstance(field.inside, Found):
        found = field.inside.find(data[at:])
        field = replace(found, name=f"{field.name}: {found.name}" if field.name else found.name)
    match major:
        case 0 | 1:
            value = number if major == 0 else -1 - number
            said = f"{value}" if field.say is None else f"{value}, {field.say(value)}"
            return [Line(data[at:end], _named(field.name, said), depth)], end
        case 2:
            return _bytes(data, at, end, number, field, depth), end + number
        case 3:
            text = data[end : end + number].decode()
            return [Line(data[at : end + number], _named(field.name, f'"{text}"'), depth)], end + number
        case 4:
            return _array(data, at, field, depth)
        case 5:
            return _map(data, at, field, depth)
        case _:
            return _simple(data, at, field, depth)


def _bytes(data: bytes, at: int, start: int, size: int, field: Field, depth: int) -> list[Line]:
    content = data[start : start + size]
    said = _sized(field.name, content)
    match field.inside:
        case Packed(parts):
            return [Line(data[at:start], said, depth), *packed(content, parts, depth + 1)]
        case Embedded(inner):
            lines = [replace(line, depth=line.depth + depth + 1) for line in walk(content, inner)]
            return [Line(data[at:start], f"{said}, holding", depth), *lines]
        case _:
            more = "" if field.say is None else f", {field.say(content)}"
            return [Line(data[at : start + size], said + more, depth)]


def _array(data: bytes, at: int, field: Field, depth: int) -> tuple[list[Line], int]:
    _, count, end = head(data, at)
    lines = [Line(data[at:end], _named(field.name, f"array of {count}"), depth)]
    inside: Any = field.inside
    if isinstance(inside, Array) and len(inside.fields) != count:
        raise ValueError(f"{field.name} has {count} elements, and {len(inside.fields)} are named")
    for index in range(count):
        element = inside.field if isinstance(inside, Each) else Field()
        named = inside.fields[index] if isinstance(inside, Array) else element
        more, end = _item(data, end, named, depth + 1)
        lines += more
    return lines, end


def _map(data: bytes, at: int, field: Field, depth: int) -> tuple[list[Line], int]:
    _, count, end = head(data, at)
    lines = [Line(data[at:end], _named(field.name, "empty map" if count == 0 else f"map of {count}"), depth)]
    for _ in range(count):
        start, (major, number, key_end) = end, head(data, end)
        key = number if major == 0 else -1 - number
        named = field.inside.fields[key] if isinstance(field.inside, Map) else Field()
        (first, *rest), end = _item(data, key_end, named, depth + 1)
        lines += [Line(data[start:key_end] + first.data, f"{key}: {first.text}", depth + 1), *rest]
    return lines, end


def _simple(data: bytes, at: int, field: Field, depth: int) -> tuple[list[Line], int]:
    short = data[at] & 31
    if short in _SIMPLE:
        return [Line(data[at : at + 1], _named(field.name, _SIMPLE[short][0]), depth)], at + 1
    size, form = {25: (2, ">e"), 26: (4, ">f"), 27: (8, ">d")}[short]
    end = at + 1 + size
    (value,) = struct.unpack(form, data[at + 1 : end])
    return [Line(data[at:end], _named(field.name, f"{value}"), depth)], end


def _named(name: str, said: str) -> str:
    return f"{name}: {said}" if name else said


def _sized(name: str, data: bytes) -> str:
    return _named(name, f"{len(data)} byte{'' if len(data) == 1 else 's'}")
