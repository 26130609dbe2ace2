"""Identifiers: 80 random bits, shown as a prefix and 16 base32 letters, carried on the air as 10 bytes.

``veh_mfrggzdfmztwq2lk`` vehicle, ``key_`` digital key (``jti``/``cti``), ``dev_`` device, ``cmd_`` command,
``app_`` app. A device id is not random: it is the head of its key's thumbprint, so it binds to that key.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

from keygw.model.errors import BadInput

ID_BYTES = 10
PREFIXES = ("veh", "key", "dev", "cmd", "app", "whk")

Random = Callable[[int], bytes]


def format_id(prefix: str, raw: bytes) -> str:
    """``("key", 10 bytes)`` -> ``key_...``."""
    if len(raw) != ID_BYTES:
        raise ValueError(f"an id has {ID_BYTES} bytes, not {len(raw)}")
    return f"{prefix}_{base64.b32encode(raw).decode().lower()}"


def new_id(prefix: str, random: Random) -> str:
    """A fresh unguessable id; ``random(n)`` gives n bytes."""
    return format_id(prefix, random(ID_BYTES))


def id_bytes(text: str, prefix: str | None = None) -> bytes:
    """The 10 bytes of an id; ``BadInput`` unless it is the canonical form (of that prefix)."""
    head, _, tail = text.partition("_")
    if head not in PREFIXES or (prefix is not None and head != prefix):
        raise BadInput(f"{text[:40]!r} is not a {prefix or 'keygw'} id", code="bad_id")
    try:
        raw = base64.b32decode(tail.upper())
    except ValueError:
        raw = b""
    if len(raw) != ID_BYTES or format_id(head, raw) != text:
        raise BadInput(f"{text[:40]!r} is not a {prefix or 'keygw'} id", code="bad_id")
    return raw
