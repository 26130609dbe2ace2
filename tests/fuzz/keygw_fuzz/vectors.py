"""What the frozen vectors of ``protocols`` hold, as seeds: every byte string and every text of them, good and bad."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from keygw_fuzz.target import Target

ROOT = Path(__file__).resolve().parents[3]


@cache
def vectors() -> tuple[bytes, ...]:
    """Hexadecimal as bytes; the bodies of messages without their type as well; everything else as the text it is."""
    found: dict[bytes, None] = {}
    for path in sorted((ROOT / "protocols").glob("*/vectors/*.json")):
        for text in _texts(json.loads(path.read_text())):
            try:
                data = bytes.fromhex(text)
            except ValueError:
                found[text.encode()] = None
            else:
                found |= {data: None, data[1:]: None}
    return tuple(data for data in found if data)


def seeds_of(target: Target) -> list[bytes]:
    """Its own, and each vector that it takes, unless taking is slow."""
    own = [seed for seed in target.seeds() if len(seed) <= target.longest]
    taken = [] if target.slow else [data for data in vectors() if len(data) <= target.longest and _takes(target, data)]
    return list(dict.fromkeys(own + taken[:: max(1, len(taken) // 24)]))


def _takes(target: Target, data: bytes) -> bool:
    try:
        target.take(data)
    except Exception:  # whether it is the right one is what the tests look at
        return False
    return True


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
