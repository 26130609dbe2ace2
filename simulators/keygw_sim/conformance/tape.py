"""The evidence: what went over the air during one check, decoded, in the order in which it went.

The kit is one end of every session, so it can show what was sealed; the tape shows what a message says, never a key or
a token in full.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keygw.model.errors import KeygwError
from keygw.session.states import Side
from keygw.session.trace.fields import clear_fields, opened_fields
from keygw.session.trace.record import Field
from keygw.wire.messages import MessageType

MOST_LINES = 200
"""Of one check; a flood shows by its beginning."""
MOST_CHARACTERS = 400
"""Of one line: an EVENT may tell of sixty signals."""
SHOWN_BYTES = 32
TO_VEHICLE, TO_DEVICE = "D>V", "V>D"


@dataclass(frozen=True, slots=True)
class Line:
    """``at``: seconds since the check began; ``way``: D>V, V>D, or empty for what happened besides; ``frames``: hex."""

    at: float
    way: str
    what: str
    frames: tuple[str, ...] = ()


class Tape:
    """``clock``: the ground's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lines: list[Line] = []
        self._clock = clock
        self._began = clock()

    def note(self, what: str, way: str = "", frames: tuple[bytes, ...] = ()) -> None:
        if len(self.lines) < MOST_LINES:
            more = len(what) - MOST_CHARACTERS
            what = f"{what[:MOST_CHARACTERS]}..(+{more})" if more > 0 else what
            shown = tuple(_short(frame) for frame in frames)
            self.lines.append(Line(round(self._clock() - self._began, 3), way, what, shown))

    def message(self, way: str, message: bytes, plaintext: bytes | None, frames: tuple[bytes, ...] = ()) -> None:
        self.note(describe(way, message, plaintext), way, frames)


def describe(way: str, message: bytes, plaintext: bytes | None = None) -> str:
    """One line: the name, what it says if that can be read, and its size."""
    kind, body = MessageType(message[0]), message[1:]
    name = kind.name if kind in _KNOWN else f"type {message[0]:02x}"
    side = Side.DEVICE if way == TO_VEHICLE else Side.VEHICLE
    try:
        fields = clear_fields(kind, body) if plaintext is None else opened_fields(kind, side, plaintext)
        said = ", ".join(f"{field.name} {_value(field)}" for field in fields)
    except (KeygwError, ValueError):
        said = "does not decode: " + _short(body if plaintext is None else plaintext)
    return f"{name}{' ' + said if said else ''} ({len(message)} bytes)"


def _value(field: Field) -> str:
    """Never a secret; of long bytes the beginning."""
    if isinstance(field.value, bytes) and not field.secret:
        return _short(field.value, 8)
    return str(field.shown(reveal=False))


def _short(data: bytes, shown: int = SHOWN_BYTES) -> str:
    return data[:shown].hex() + (f"..(+{len(data) - shown})" if len(data) > shown else "")


_KNOWN = frozenset(MessageType)
