"""The messages of the key session: one type byte, then a body. Bodies inside the channel are deterministic CBOR arrays.

Decoders accept exactly what the encoders write (plus unknown enum codes) and raise ``ProtocolError`` for anything else.
Specification: ``protocols/key_session``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError
from keygw.model.open_enum import OpenEnum
from keygw.model.signal import SignalId, SignalValue
from keygw.wire import cbor
from keygw.wire.gatt import ROTATING_ID_BYTES

VERSION = 1
NONCE_BYTES = 16
TIME_NONCE_BYTES = 8
CODES = 2**8
"""Actions and outcomes are u8, as in the receipt that names them; unknown ones survive."""
TIMES = 253402300800
"""Exclusive bound of a time, Unix seconds: the end of the year 9999, as in tokens and receipts."""
_FAST = struct.Struct(">8s32s22s")
_FAST_COMMAND = struct.Struct(">IBB")
_FAST_RESULT = struct.Struct(">BII")
_SUBSCRIBE = 0x80
_HELLO = struct.Struct(">B16s32sI")


class MessageType(OpenEnum):
    """First byte of a message. An unknown type is a protocol error in this version."""

    HELLO = 0x01
    HELLO_REQ = 0x02
    MESSAGE_1 = 0x10
    MESSAGE_2 = 0x11
    MESSAGE_3 = 0x12
    RESULT = 0x13
    FAST = 0x20
    FAST_RESULT = 0x21
    CMD = 0x30
    RES = 0x31
    EVENT = 0x32
    RECEIPT_GET = 0x33
    RECEIPT = 0x34
    RECEIPT_ACK = 0x35
    RL_PUSH = 0x40
    RL_ACK = 0x41
    TIME_PROOF = 0x42
    CRED_PUT = 0x43
    RANGE = 0x44
    ISSUER_KEY = 0x45
    RL_GET = 0x46
    RL_GIVE = 0x47
    ISSUER_KEY_ACK = 0x48
    PAIR_ASK = 0x50
    PAIR_OFFER = 0x51
    PAIR_SHARE = 0x52
    PAIR_PROOF = 0x53
    ENROL = 0x54
    PAIR_TICKET = 0x55
    OWNER_TOKEN = 0x56
    ERROR = 0x7F


class ErrorCode(OpenEnum):
    """Body of ERROR. Before authentication there is one code for every failure, so that nothing can be probed."""

    REFUSED = 1
    SESSION_OVER = 2


class LinkKind(OpenEnum):
    """How the device's frames reach the vehicle; relayed and hosted ones cancel proximity."""

    DIRECT = 0
    RELAYED = 1
    HOSTED = 2


class TimeState(OpenEnum):
    """What the vehicle knows of the time. Whatever is not TRUSTED, an unknown one too, wants a time proof."""

    TRUSTED = 0
    DUE = 1
    """Trusted, but the last proof is of yesterday: a new one is welcome."""
    FLOOR = 2
    """It only knows that it cannot be earlier than what the issuer has signed."""
    UNKNOWN = 3
    """It has never seen a signature of the issuer."""


@dataclass(frozen=True, slots=True)
class Hello:
    """V>D, fresh for every conversation: ``nonce`` 16 bytes, ``ephemeral`` (G_V) 32 bytes, ``boot_epoch`` u32."""

    nonce: bytes
    ephemeral: bytes
    boot_epoch: int
    version: int = VERSION

    def encode(self) -> bytes:
        return bytes((MessageType.HELLO,)) + _HELLO.pack(self.version, self.nonce, self.ephemeral, self.boot_epoch)

    @classmethod
    def decode(cls, body: bytes) -> Hello:
        if len(body) != _HELLO.size:
            raise ProtocolError("HELLO has a wrong length")
        version, nonce, ephemeral, boot_epoch = _HELLO.unpack(body)
        if version != VERSION:
            raise _other_version([version])
        return cls(nonce, ephemeral, boot_epoch, version)


@dataclass(frozen=True, slots=True)
class Cmd:
    """D>V: ``number`` u32, the same on a retry."""

    number: int
    action: Action

    def items(self) -> list[object]:
        return [self.number, int(self.action)]

    def encode(self) -> bytes:
        return cbor.encode(self.items())

    @classmethod
    def of(cls, value: object) -> Cmd:
        number, action = _array(value, 2)
        return cls(_uint(number, 2**32), Action(_uint(action, CODES)))

    @classmethod
    def decode(cls, body: bytes) -> Cmd:
        return cls.of(cbor.decode(body))


@dataclass(frozen=True, slots=True)
class Intent:
    """What EAD_3 carries: the hash that binds HELLO, the kind of link, whether events are wanted, a first command."""

    hello_hash: bytes
    link: LinkKind
    subscribe: bool
    command: Cmd | None

    def encode(self) -> bytes:
        return cbor.encode(
            [self.hello_hash, int(self.link), self.subscribe, None if self.command is None else self.command.items()]
        )

    @classmethod
    def decode(cls, body: bytes) -> Intent:
        hello_hash, link, subscribe, command = _array(cbor.decode(body), 4)
        if not isinstance(subscribe, bool):
            raise ProtocolError("EAD_3 is malformed")
        return cls(
            _bytes(hello_hash, 8),
            LinkKind(_uint(link, 256)),
            subscribe,
            None if command is None else Cmd.of(command),
        )


@dataclass(frozen=True, slots=True)
class Result:
    """V>D, first message of the channel; it confirms the keys.

    ``outcome`` answers the key and, if ``number`` is set, the first command. ``receipt``: sequence of the newest one,
    ``list_sequence``: revocation list in force, ``time_nonce``: 8 bytes, single use, for a time proof, ``time``:
    whether one is wanted.
    """

    outcome: Outcome
    number: int | None
    receipt: int
    list_sequence: int
    time_nonce: bytes
    time: TimeState

    def encode(self) -> bytes:
        return cbor.encode(
            [int(self.outcome), self.number, self.receipt, self.list_sequence, self.time_nonce, int(self.time)]
        )

    @classmethod
    def decode(cls, body: bytes) -> Result:
        outcome, number, receipt, sequence, nonce, time = _array(cbor.decode(body), 6)
        return cls(
            Outcome(_uint(outcome, CODES)),
            None if number is None else _uint(number, 2**32),
            _uint(receipt, 2**32),
            _uint(sequence, 2**32),
            _bytes(nonce, TIME_NONCE_BYTES),
            TimeState(_uint(time, 2**8)),
        )


@dataclass(frozen=True, slots=True)
class Fast:
    """D>V, packed because bytes matter here: ktag (8), G_D (32), and a sealed ``FastCommand`` (6 + 16)."""

    tag: bytes
    ephemeral: bytes
    sealed: bytes

    def encode(self) -> bytes:
        return _FAST.pack(self.tag, self.ephemeral, self.sealed)

    @classmethod
    def decode(cls, body: bytes) -> Fast:
        if len(body) != _FAST.size:
            raise ProtocolError("FAST has a wrong length")
        return cls(*_FAST.unpack(body))


@dataclass(frozen=True, slots=True)
class FastCommand:
    """Inside FAST: number (u32), action (u8), and one byte: the kind of link and, in bit 7, ``subscribe``."""

    command: Cmd
    link: LinkKind
    subscribe: bool

    def encode(self) -> bytes:
        flags = int(self.link) | (_SUBSCRIBE if self.subscribe else 0)
        return _FAST_COMMAND.pack(self.command.number, int(self.command.action), flags)

    @classmethod
    def decode(cls, plaintext: bytes) -> FastCommand:
        if len(plaintext) != _FAST_COMMAND.size:
            raise ProtocolError("FAST holds something else than a command")
        number, action, flags = _FAST_COMMAND.unpack(plaintext)
        return cls(Cmd(number, Action(action)), LinkKind(flags & ~_SUBSCRIBE), bool(flags & _SUBSCRIBE))


@dataclass(frozen=True, slots=True)
class FastResult:
    """V>D, sealed, 9 + 16 bytes: outcome (u8), newest receipt (u32), list sequence (u32).

    A refused FAST is answered with as many random bytes: who listens cannot tell, and the device finds that they do not
    open.
    """

    outcome: Outcome
    receipt: int
    list_sequence: int

    def encode(self) -> bytes:
        return _FAST_RESULT.pack(int(self.outcome), self.receipt, self.list_sequence)

    @classmethod
    def decode(cls, plaintext: bytes) -> FastResult:
        if len(plaintext) != _FAST_RESULT.size:
            raise ProtocolError("FAST_RESULT is malformed")
        outcome, receipt, sequence = _FAST_RESULT.unpack(plaintext)
        return cls(Outcome(outcome), receipt, sequence)


FAST_RESULT_BYTES = _FAST_RESULT.size + 16


@dataclass(frozen=True, slots=True)
class Res:
    """V>D: the answer to one CMD; ``receipt``: sequence of the receipt it left, 0 for none."""

    number: int
    outcome: Outcome
    receipt: int

    def encode(self) -> bytes:
        return cbor.encode([self.number, int(self.outcome), self.receipt])

    @classmethod
    def decode(cls, body: bytes) -> Res:
        number, outcome, receipt = _array(cbor.decode(body), 3)
        return cls(_uint(number, 2**32), Outcome(_uint(outcome, CODES)), _uint(receipt, 2**32))


@dataclass(frozen=True, slots=True)
class Reading:
    """One signal of an EVENT; ``at``: vehicle time, Unix seconds, 0 while the vehicle does not know the time."""

    signal: SignalId
    value: SignalValue
    at: int


def encode_event(readings: Sequence[Reading]) -> bytes:
    """V>D: at most 64 readings."""
    return cbor.encode([[int(r.signal), r.value, r.at] for r in readings])


def decode_event(body: bytes) -> tuple[Reading, ...]:
    value = cbor.decode(body)
    if not isinstance(value, list) or not 1 <= len(value) <= 64:
        raise ProtocolError("EVENT is malformed")
    readings = []
    for item in value:
        signal, reading, at = _array(item, 3)
        if not isinstance(reading, bool | int | float | str):
            raise ProtocolError("EVENT holds a value that no signal has")
        if isinstance(reading, float) and not math.isfinite(reading):
            raise ProtocolError("EVENT holds a number that is none")  # and JSON has no word for it
        readings.append(Reading(SignalId(_uint(signal, 2**16)), reading, _uint(at, TIMES)))
    return tuple(readings)


def encode_sequence(sequence: int) -> bytes:
    """Body of RECEIPT_GET (all after this one) and RECEIPT_ACK (all up to this one)."""
    return cbor.encode([sequence])


def decode_sequence(body: bytes) -> int:
    (sequence,) = _array(cbor.decode(body), 1)
    return _uint(sequence, 2**32)


@dataclass(frozen=True, slots=True)
class Receipts:
    """V>D: signed receipts in order; ``more``: ask again after the last of them. Without ``more`` that is all."""

    signed: tuple[bytes, ...]
    more: bool

    def encode(self) -> bytes:
        return cbor.encode([list(self.signed), self.more])

    @classmethod
    def decode(cls, body: bytes) -> Receipts:
        signed, more = _array(cbor.decode(body), 2)
        if not isinstance(signed, list) or not all(isinstance(s, bytes) for s in signed) or not isinstance(more, bool):
            raise ProtocolError("RECEIPT is malformed")
        return cls(tuple(signed), more)


MAX_LINKS = 2
"""Of a chain: a friend's key has one, a key shared by a friend two."""
MAX_GRANT_BYTES = 512
MAX_TOKEN_BYTES = 1024

Chain = tuple[tuple[bytes, bytes], ...]
"""Pairs of a signed grant and the key token (CWT) of the parent whose device signed it, nearest parent first."""


def encode_chain(chain: Chain) -> bytes:
    """Body of CRED_PUT: what the key that was shown stands on, at most 3 KiB. ``ValueError`` for more, or nothing."""
    if not 1 <= len(chain) <= MAX_LINKS:
        raise ValueError(f"a chain has 1 to {MAX_LINKS} links")
    if any(len(grant) > MAX_GRANT_BYTES or len(token) > MAX_TOKEN_BYTES for grant, token in chain):
        raise ValueError("a grant or token of this chain is too long")
    return cbor.encode([list(link) for link in chain])


def decode_chain(body: bytes) -> Chain:
    value = cbor.decode(body)
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_LINKS:
        raise ProtocolError("CRED_PUT is malformed")
    links = []
    for item in value:
        grant, token = _array(item, 2)
        links.append((_bounded(grant, MAX_GRANT_BYTES), _bounded(token, MAX_TOKEN_BYTES)))
    return tuple(links)


MAX_STATEMENTS = 16
"""In one ISSUER_KEY: as many rotations may a vehicle have missed."""
MAX_STATEMENT_BYTES = 224


def encode_statements(signed: Sequence[bytes]) -> bytes:
    """Body of ISSUER_KEY: signed issuer key statements, oldest first. ``ValueError`` for none, or too many or long."""
    if not 1 <= len(signed) <= MAX_STATEMENTS or any(len(each) > MAX_STATEMENT_BYTES for each in signed):
        raise ValueError(f"1 to {MAX_STATEMENTS} statements of at most {MAX_STATEMENT_BYTES} bytes")
    return cbor.encode(list(signed))


def decode_statements(body: bytes) -> tuple[bytes, ...]:
    value = cbor.decode(body)
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_STATEMENTS:
        raise ProtocolError("ISSUER_KEY is malformed")
    return tuple(_bounded(each, MAX_STATEMENT_BYTES) for each in value)


def encode_error(code: ErrorCode) -> bytes:
    return bytes((MessageType.ERROR, code))


def decode_error(body: bytes) -> ErrorCode:
    if len(body) != 1:
        raise ProtocolError("ERROR has a wrong length")
    return ErrorCode(body[0])


def _array(value: Any, length: int) -> list[Any]:
    if not isinstance(value, list) or len(value) != length:
        raise ProtocolError(f"expected an array of {length}")
    return value


def _uint(value: object, limit: int) -> int:
    if type(value) is not int or not 0 <= value < limit:  # a bool is none
        raise ProtocolError("expected an unsigned integer in range")
    return value


def _bytes(value: object, length: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != length:
        raise ProtocolError(f"expected {length} bytes")
    return value


def _bounded(value: object, most: int) -> bytes:
    if not isinstance(value, bytes) or len(value) > most:
        raise ProtocolError(f"expected at most {most} bytes")
    return value


def encode_info(rotating_id: bytes) -> bytes:
    """The INFO characteristic: the versions this vehicle speaks, and the rotating id of this connection."""
    return cbor.encode([[VERSION], rotating_id])


def check_info(value: bytes) -> None:
    """``ProtocolError`` version_unsupported unless the vehicle speaks this version; any other for a malformed INFO."""
    versions, _ = decode_info(value)
    if VERSION not in versions:
        raise _other_version(versions)


def _other_version(spoken: Sequence[int]) -> ProtocolError:
    said = ", ".join(str(version) for version in spoken)
    return ProtocolError(
        f"the vehicle speaks version {said} of the key session, this release {VERSION}: update the older of the two",
        code="version_unsupported",
    )


def decode_info(value: bytes) -> tuple[tuple[int, ...], bytes]:
    """``(versions, rotating id)``."""
    versions, rotating_id = _array(cbor.decode(value), 2)
    if not isinstance(versions, list) or not 1 <= len(versions) <= 16:
        raise ProtocolError("INFO is malformed")
    return tuple(_uint(version, 256) for version in versions), _bytes(rotating_id, ROTATING_ID_BYTES)
