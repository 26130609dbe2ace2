"""The evidence: what went over the air during one check, decoded, in the order in which it went.

The kit is one end of every session, so it can show what was sealed; the tape shows what a message says, never a key or
a token in full.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keygw.model.errors import KeygwError
from keygw.wire import cbor, messages
from keygw.wire.messages import MessageType
from keygw.wire.pairing import decode_outcome

MOST_LINES = 200
"""Of one check; a flood shows by its beginning."""
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
            shown = tuple(_short(frame) for frame in frames)
            self.lines.append(Line(round(self._clock() - self._began, 3), way, what, shown))

    def message(self, way: str, message: bytes, plaintext: bytes | None, frames: tuple[bytes, ...] = ()) -> None:
        self.note(describe(message, plaintext), way, frames)


def describe(message: bytes, plaintext: bytes | None = None) -> str:
    """One line: the name, what it says if that can be read, and its size."""
    kind, body = MessageType(message[0]), message[1:]
    name = kind.name if kind in _KNOWN else f"type {message[0]:02x}"
    try:
        said = _said(kind, body, plaintext)
    except (KeygwError, ValueError, IndexError):
        said = "does not decode: " + _short(body if plaintext is None else plaintext)
    return f"{name}{' ' + said if said else ''} ({len(message)} bytes)"


def _said(kind: MessageType, body: bytes, plaintext: bytes | None) -> str:
    if plaintext is not None:
        return _sealed(kind, plaintext)
    match kind:
        case MessageType.HELLO:
            hello = messages.Hello.decode(body)
            return f"version {hello.version}, n_v {hello.nonce.hex()[:8]}.., boot epoch {hello.boot_epoch}"
        case MessageType.ERROR:
            return f"{body[0]} {messages.decode_error(body).label}"
    return "" if not body else "sealed" if int(kind) not in _CLEAR else _short(body)


def _sealed(kind: MessageType, plaintext: bytes) -> str:
    match kind:
        case MessageType.RESULT:
            result = messages.Result.decode(plaintext)
            return (
                f"outcome {int(result.outcome)} {result.outcome.label}, number {result.number}, receipt "
                f"{result.receipt}, list {result.list_sequence}, time {result.time.label}"
            )
        case MessageType.CMD:
            command = messages.Cmd.decode(plaintext)
            return f"number {command.number}, action {int(command.action)} {command.action.label}"
        case MessageType.RES:
            answer = messages.Res.decode(plaintext)
            said = f"outcome {int(answer.outcome)} {answer.outcome.label}"
            return f"number {answer.number}, {said}, receipt {answer.receipt}"
        case MessageType.FAST:
            asked = messages.FastCommand.decode(plaintext)
            return f"number {asked.command.number}, action {asked.command.action.label}, link {asked.link.label}"
        case MessageType.FAST_RESULT:
            told = messages.FastResult.decode(plaintext)
            return (
                f"outcome {int(told.outcome)} {told.outcome.label}, receipt {told.receipt}, list {told.list_sequence}"
            )
        case MessageType.EVENT:
            readings = messages.decode_event(plaintext)
            return ", ".join(f"signal {int(each.signal)} = {each.value}" for each in readings)
        case MessageType.RECEIPT_GET | MessageType.RECEIPT_ACK:
            return str(messages.decode_sequence(plaintext))
        case MessageType.RECEIPT:
            given = messages.Receipts.decode(plaintext)
            return f"{len(given.signed)} receipts{', and there are more' if given.more else ''}"
        case MessageType.CRED_PUT:
            return f"{len(cbor.decode(plaintext))} links"
        case MessageType.ISSUER_KEY:
            return f"{len(cbor.decode(plaintext))} statements"
        case MessageType.OWNER_TOKEN if len(plaintext) < 4:
            outcome = decode_outcome(plaintext)
            return f"outcome {int(outcome)} {outcome.label}"
        case MessageType.RL_GIVE if not plaintext:
            return "no list"
    return f"{len(plaintext)} bytes sealed"


def _short(data: bytes) -> str:
    return data[:SHOWN_BYTES].hex() + (f"..(+{len(data) - SHOWN_BYTES})" if len(data) > SHOWN_BYTES else "")


_KNOWN = frozenset(MessageType)
_CLEAR = frozenset({0x02, 0x50, 0x51})
"""Messages in clear whose bytes say something by themselves."""
