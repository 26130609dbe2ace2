"""Bent inputs: what a careless or hostile peer makes of a good one. Every edit is a few numbers, so a run repeats."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from keygw_fuzz import loose
from keygw_fuzz.loose import ARRAY, BYTES, MAP, NUMBERS, TEXT, Node


@dataclass(frozen=True)
class Edit:
    """``kind`` picks the edit, ``at`` where, ``size`` and ``byte`` with what; each taken modulo what there is."""

    kind: int
    at: int
    size: int
    byte: int


def apply(data: bytes, edits: Sequence[Edit], other: bytes = b"") -> bytes:
    """``data`` with these edits, in order; ``other`` is what is spliced in."""
    for edit in edits:
        kind = KINDS[edit.kind % len(KINDS)]
        data = kind(data, edit, other)
    return data


def draw(random: Random) -> Edit:
    return Edit(random.randrange(2**16), random.randrange(2**16), random.randrange(2**16), random.randrange(256))


def _at(data: bytes, edit: Edit, more: int = 0) -> int:
    return edit.at % (len(data) + more) if len(data) + more else 0


def flip(data: bytes, edit: Edit, other: bytes) -> bytes:
    at = _at(data, edit)
    return data[:at] + bytes((data[at] ^ 1 << edit.byte % 8,)) + data[at + 1 :] if data else data


def put(data: bytes, edit: Edit, other: bytes) -> bytes:
    at = _at(data, edit)
    return data[:at] + bytes((edit.byte,)) + data[at + 1 :]


def truncate(data: bytes, edit: Edit, other: bytes) -> bytes:
    return data[: _at(data, edit, 1)]


def extend(data: bytes, edit: Edit, other: bytes) -> bytes:
    return data + bytes((edit.byte,)) * (1 + edit.size % 8)


def bloat(data: bytes, edit: Edit, other: bytes) -> bytes:
    """One part over and over, to beyond what any limit allows."""
    at = _at(data, edit, 1)
    return data[:at] + data[at : at + 1 + edit.byte % 16] * (edit.size % 80) + data[at:]


def cut(data: bytes, edit: Edit, other: bytes) -> bytes:
    at = _at(data, edit, 1)
    return data[:at] + data[at + 1 + edit.size % 40 :]


def repeat(data: bytes, edit: Edit, other: bytes) -> bytes:
    at = _at(data, edit, 1)
    return data[:at] + data[at : at + 1 + edit.size % 40] + data[at:]


def splice(data: bytes, edit: Edit, other: bytes) -> bytes:
    at, back = _at(data, edit, 1), edit.size % (len(other) + 1)
    return data[:at] + other[back:]


def insert(data: bytes, edit: Edit, other: bytes) -> bytes:
    at, back = _at(data, edit, 1), edit.size % (len(other) + 1)
    return data[:at] + other[back : back + 1 + edit.byte % 40] + data[at:]


def bend(data: bytes, edit: Edit, other: bytes) -> bytes:
    """Something that only a decoder of CBOR notices; what is no CBOR after up to three bytes is flipped instead."""
    for skip in (0, 1, 3, 2):
        nodes = loose.parse(data[skip:])
        if nodes:
            every = list(loose.walk(nodes))
            BENDS[edit.size % len(BENDS)](every[edit.at % len(every)], edit)
            return data[:skip] + b"".join(node.write() for node in nodes)
    return flip(data, edit, other)


def bend_json(data: bytes, edit: Edit, other: bytes) -> bytes:
    """A JSON document with one value of another kind, gone, or under another name; what is none is bent as CBOR."""
    if data[:1] != b"{":
        return bend(data, edit, other)
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return flip(data, edit, other)
    places = list(_places(document))
    if not places:
        return data
    holder, key = places[edit.at % len(places)]
    if edit.size % 4 == 0:
        del holder[key]
    elif edit.size % 4 == 1 and isinstance(holder, dict):
        holder[f"{key}_"] = holder.pop(key)
    else:
        holder[key] = VALUES[edit.byte % len(VALUES)]
    return json.dumps(document, separators=(",", ":")).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every ``(dict or list, key or place)`` in a document."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _widen(node: Node, edit: Edit) -> None:
    """The next longer form of the same number or length."""
    node.short = min(27, max(24, node.short + 1)) if node.short != 31 else 31


def _renumber(node: Node, edit: Edit) -> None:
    node.number, node.short = NUMBERS[edit.byte % len(NUMBERS)], 0


def _negate(node: Node, edit: Edit) -> None:
    if node.major in (0, 1):
        node.major ^= 1


def _retype(node: Node, edit: Edit) -> None:
    if node.major in (BYTES, TEXT):
        node.major ^= BYTES ^ TEXT
    elif node.major in (ARRAY, MAP):
        node.major ^= ARRAY ^ MAP
    else:
        node.major, node.short = 7, 20 + edit.byte % 4


def _as_float(node: Node, edit: Edit) -> None:
    node.major, node.short, node.data, node.inside = 7, 25 + edit.byte % 3, b"", []
    node.number = {25: 0x3C00, 26: 0x3F800000, 27: 0x3FF0000000000000}[node.short]


def _indefinite(node: Node, edit: Edit) -> None:
    if node.major in (BYTES, TEXT, ARRAY, MAP):
        node.short = 31


def _twice(node: Node, edit: Edit) -> None:
    """An element, or a whole entry of a map, a second time."""
    step, inside = (2 if node.major == MAP else 1), node.inside
    at = edit.byte % (len(inside) // step) * step if len(inside) >= step else 0
    node.inside = inside[: at + step] + inside[at:]


def _without(node: Node, edit: Edit) -> None:
    step, inside = (2 if node.major == MAP else 1), node.inside
    at = edit.byte % (len(inside) // step) * step if len(inside) >= step else 0
    node.inside = inside[:at] + inside[at + step :]


def _swap(node: Node, edit: Edit) -> None:
    step, inside = (2 if node.major == MAP else 1), node.inside
    node.inside = inside[step:] + inside[:step]


def _nest(node: Node, edit: Edit) -> None:
    for _ in range(1 + edit.byte % 12):
        node.inside = [Node(node.major, node.short, node.number, node.data, node.inside)]
        node.major, node.short, node.number, node.data = ARRAY, 1, 1, b""


def _tag(node: Node, edit: Edit) -> None:
    node.inside = [Node(node.major, node.short, node.number, node.data, node.inside)]
    node.major, node.short, node.number, node.data = 6, 0, edit.byte, b""


VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**64, 10**30, "", "x", "AAAA", "\ud800", [], {}, [0], {"a": []}, [[[]]],
)  # fmt: skip
BENDS: tuple[Callable[[Node, Edit], None], ...] = (
    _widen, _renumber, _negate, _retype, _as_float, _indefinite, _twice, _without, _swap, _nest, _tag,
)  # fmt: skip
KINDS: tuple[Callable[[bytes, Edit, bytes], bytes], ...] = (
    flip, put, truncate, extend, cut, repeat, splice, insert, bloat, bend, bend, bend, bend, bend_json, bend_json,
)  # fmt: skip
