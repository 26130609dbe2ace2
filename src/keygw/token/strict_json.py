"""JSON and base64url as a verifier wants them: one spelling, nothing skipped, nothing said twice.

Everything here raises ``ValueError``.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

MAX_NESTING = 8
_MAX_DIGITS = 13
"""Of an integer: 2^40 has that many."""


def parse_object(data: bytes) -> dict[str, Any]:
    """One JSON object (RFC 8259) in UTF-8. No member name twice, no fraction, exponent, minus sign, NaN or infinity."""
    text = data.decode("utf-8")
    # Bounds the recursion of the parser. Brackets inside strings count too: no string of ours has any need for them.
    if text.count("{") + text.count("[") > MAX_NESTING:
        raise ValueError("nested too deeply")
    value = _DECODER.decode(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def dump_object(value: dict[str, Any]) -> bytes:
    """The shortest spelling, members in the given order."""
    return _encode(value).encode("ascii")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member name occurs twice")
    return found


def _integer(text: str) -> int:
    if text[0] == "-" or len(text) > _MAX_DIGITS:
        raise ValueError("a number is out of range")
    return int(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError("only whole numbers are allowed")


_encode = json.JSONEncoder(separators=(",", ":")).encode
_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_int=_integer, parse_float=_refuse, parse_constant=_refuse)
