"""Identifiers: 80 random bits, shown as a prefix and 16 base32 letters, carried on the air as 10 bytes.

``veh_mfrggzdfmztwq2lk`` vehicle, ``key_`` digital key (``jti``/``cti``), ``dev_`` device, ``cmd_`` command,
``app_`` app, ``par_`` pairing, ``inv_`` invitation, ``gwy_`` a gateway while it runs, ``ten_`` tenant, ``opr_``
operator, ``per_`` person, ``cli_`` OAuth client, ``req_`` a request of one, ``ses_`` app session, ``off_`` what an app
sends into a car, ``whk_`` webhook, ``dlv_`` a delivery of one, ``psk_`` a passkey. A device id is not random: it is
the head of its key's thumbprint, so it binds to that key.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from keygw.model.errors import BadInput

ID_BYTES = 10
PREFIXES = (
    "veh",
    "key",
    "dev",
    "cmd",
    "app",
    "whk",
    "par",
    "inv",
    "trf",
    "gwy",
    "ten",
    "opr",
    "per",
    "cli",
    "req",
    "ses",
    "off",
    "dlv",
    "psk",
)
_ID = re.compile(rf"(?:{'|'.join(PREFIXES)})_[a-z2-7]{{16}}", re.ASCII)
_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(first + second for first in _LETTERS for second in _LETTERS)
_DIGITS = str.maketrans(_LETTERS, "0123456789abcdefghijklmnopqrstuv")
"""Base32 is Python's own base 32 with other digits, and 16 of them fill 10 bytes exactly: no text but one for each."""

Random = Callable[[int], bytes]


def format_id(prefix: str, raw: bytes) -> str:
    """``("key", 10 bytes)`` -> ``key_...``, ten bits at a time."""
    if len(raw) != ID_BYTES:
        raise ValueError(f"an id has {ID_BYTES} bytes, not {len(raw)}")
    bits = int.from_bytes(raw, "big")
    return f"{prefix}_{''.join([_PAIRS[bits >> shift & 1023] for shift in (70, 60, 50, 40, 30, 20, 10, 0)])}"


def new_id(prefix: str, random: Random) -> str:
    """A fresh unguessable id; ``random(n)`` gives n bytes."""
    return format_id(prefix, random(ID_BYTES))


@lru_cache(maxsize=1024)
def id_bytes(text: str, prefix: str | None = None) -> bytes:
    """The 10 bytes of an id; ``BadInput`` unless it is the canonical form (of that prefix)."""
    if not _ID.fullmatch(text) or (prefix is not None and text[:3] != prefix):
        raise BadInput(f"{text[:40]!r} is not a {prefix or 'keygw'} id", code="bad_id")
    return int(text[4:].translate(_DIGITS), 32).to_bytes(ID_BYTES, "big")
