"""Deterministic CBOR (RFC 8949, 4.2.1), read and written, and the shapes of the CDDL."""

import math
import struct
from collections.abc import Callable
from typing import Any


class Refused(Exception):
    """The bytes are not what the pages allow."""


def demand(holds: bool, what: str) -> None:
    if not holds:
        raise Refused(what)


def head(major: int, value: int) -> bytes:
    if value < 24:
        return bytes([major << 5 | value])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if value < 1 << 8 * size:
            return bytes([major << 5 | code]) + value.to_bytes(size, "big")
    raise Refused("integer of more than 64 bits")


def encode(value: Any) -> bytes:
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(encode, value))
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(sorted(encode(key) + encode(entry) for key, entry in value.items()))
    for code, form in ((b"\xf9", ">e"), (b"\xfa", ">f")):
        try:
            if struct.unpack(form, struct.pack(form, value))[0] == value:
                return code + struct.pack(form, value)
        except OverflowError:
            continue
    return b"\xfb" + struct.pack(">d", value)


def read(data: bytes, at: int = 0, depth: int = 1) -> tuple[Any, int]:
    """One item and where it ends. Form alone: whether it is deterministic shows when it is written again."""
    demand(depth <= 8 and at < len(data), "nested too deep, or nothing there")
    major, low, at = data[at] >> 5, data[at] & 31, at + 1
    demand(low < 28, "indefinite length or reserved")
    size = 0 if low < 24 else 1 << low - 24
    demand(at + size <= len(data), "cut short")
    raw, at = data[at : at + size], at + size
    number = int.from_bytes(raw, "big") if size else low
    if major < 2:
        return (number if major == 0 else -1 - number), at
    if major < 4:
        demand(at + number <= len(data), "cut short")
        text = data[at : at + number]
        try:
            return (text if major == 2 else text.decode()), at + number
        except UnicodeDecodeError:
            raise Refused("not UTF-8") from None
    if major < 6:
        entries: list[Any] = []
        for _ in range(number * (major - 3)):
            entry, at = read(data, at, depth + 1)
            entries.append(entry)
        if major == 4:
            return entries, at
        demand(all(isinstance(key, int | str | bytes) for key in entries[::2]), "what is no key of a map here")
        return dict(zip(entries[::2], entries[1::2], strict=True)), at
    demand(major == 7, "tagged")
    if size < 2:
        demand(low in (20, 21, 22), "no simple value of this protocol")
        return {20: False, 21: True, 22: None}[low], at
    value = struct.unpack({2: ">e", 4: ">f", 8: ">d"}[size], raw)[0]
    demand(math.isfinite(value), "NaN or infinite")
    return value, at


def sequence(data: bytes) -> list[Any]:
    items, at = [], 0
    while at < len(data):
        item, at = read(data, at)
        items.append(item)
    demand(b"".join(map(encode, items)) == data, "not deterministic")
    return items


def single(data: bytes) -> Any:
    items = sequence(data)
    demand(len(items) == 1, "not one item")
    return items[0]


Rule = Callable[[Any], bool]


def uint(low: int, high: int) -> Rule:
    return lambda value: type(value) is int and low <= value <= high


def size(low: int, high: int | None = None) -> Rule:
    return lambda value: type(value) is bytes and low <= len(value) <= (low if high is None else high)


def either(*rules: Rule) -> Rule:
    return lambda value: any(rule(value) for rule in rules)


def row(*rules: Rule) -> Rule:
    return lambda value: type(value) is list and len(value) == len(rules) and all(map(_holds, rules, value))


def many(rule: Rule, low: int = 0, high: int = 1 << 32) -> Rule:
    return lambda value: type(value) is list and low <= len(value) <= high and all(map(rule, value))


def _holds(rule: Rule, value: Any) -> bool:
    return rule(value)


def nil(value: Any) -> bool:
    return value is None


def flag(value: Any) -> bool:
    return type(value) is bool


def measured(value: Any) -> bool:
    return type(value) in (bool, int, float, str)
