"""Targets of the wire: every body of a message, framing, INFO and the advertised name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from keygw.crypto import p256
from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError
from keygw.model.signal import SignalId
from keygw.wire import cbor, gatt, messages, pairing
from keygw.wire.frame import AFTER_AUTHENTICATION, BEFORE_AUTHENTICATION, Fragmenter, Reassembler
from keygw.wire.messages import (
    Cmd,
    Fast,
    FastCommand,
    FastResult,
    Hello,
    Intent,
    LinkKind,
    Reading,
    Receipts,
    Res,
    Result,
    TimeState,
)
from keygw.wire.pairing import Attestation, Credential, Enrol
from keygw.wire.ranging import Finding, Range, RangingMethod, Zone
from keygw_fuzz.script import Step, frames_of, join, steps_of
from keygw_fuzz.target import PROTOCOL, Broken, Target
from keygw_fuzz.world import CAR, DEVICE, VEHICLE

UNLOCK = Cmd(0x01020304, Action.UNLOCK)
READINGS = (
    Reading(SignalId.SPEED, 12.5, 1_800_000_000), Reading(SignalId(999), True, 0), Reading(SignalId.SPEED, -3, 1),
    Reading(SignalId(5), "text", 24),
)  # fmt: skip


def _body(
    name: str,
    decode: Callable[[bytes], Any],
    write: Callable[[Any], bytes] | None,
    *seeds: bytes,
    longest: int = 600,
) -> Target:
    return Target(f"wire.{name}", decode, PROTOCOL, lambda: seeds, write, (f"wire.{name}",), longest)


def _own(value: Any) -> bytes:
    encoded: bytes = value.encode()
    return encoded


def _info(value: tuple[tuple[int, ...], bytes]) -> bytes:
    return cbor.encode([list(value[0]), value[1]])


def _our_info(data: bytes) -> tuple[tuple[int, ...], bytes]:
    messages.check_info(data)
    return messages.decode_info(data)


def _asked(data: bytes) -> bytes:
    pairing.decode_ask(data)
    return data


def _name(data: bytes) -> bytes:
    """There is no error here: a name is no rotating id far more often than not. ``None`` is its refusal."""
    found = gatt.rotating_id(data.decode("utf-8", "surrogateescape"))
    if found is None:
        raise ProtocolError("no rotating id")
    return found


def _reassemble(limit: int) -> Callable[[bytes], list[bytes]]:
    """Frames at their times, until the refusal. Each message must be the join of its frames, and within the limit."""

    def take(data: bytes) -> list[bytes]:
        into, fragmenter = Reassembler(), Fragmenter()
        into.limit = limit
        now, parts, found = 0.0, b"", []
        for step in steps_of(data):
            now += step.pause
            for frame in frames_of(step, fragmenter):
                if (into.deadline is None) != (not parts):
                    raise Broken("a deadline without a message, or a message without one")
                message = into.push(frame, now)
                parts = parts + frame[1:]
                if len(parts) > limit:
                    raise Broken("more was kept than the limit allows")
                if message is not None:
                    if message != parts:
                        raise Broken("a message that nobody sent")
                    found.append(message)
                    parts = b""
        return found

    return take


def _framed() -> Iterator[bytes]:
    fragmenter = Fragmenter()
    frames = [frame for message in (b"one", bytes(100), b"x") for frame in fragmenter.split(message, 20)]
    yield join(Step.raw(frame) for frame in frames)
    yield join(Step.raw(frame) for frame in [frames[0], frames[0]])
    yield join(Step.raw(frame) for frame in [frames[1], frames[0]])
    yield join([Step.raw(frames[0]), Step.raw(b"\x81x", pause=3), Step.raw(b"\x42y", pause=15)])
    yield join(Step.raw(bytes((n & 63 | (128 if not n else 0),)) + bytes(19)) for n in range(70))
    yield join([Step.message(bytes(512)), Step.message(bytes(513))])


TARGETS = [
    _body("messages.Hello.decode", Hello.decode, lambda hello: _own(hello)[1:], bytes((1,)) + bytes(52)),
    _body("messages.Cmd.decode", Cmd.decode, _own, UNLOCK.encode(), Cmd(0, Action(200)).encode()),
    _body(
        "messages.Intent.decode", Intent.decode, _own, Intent(bytes(8), LinkKind.DIRECT, True, UNLOCK).encode(),
        Intent(bytes(8), LinkKind(77), False, None).encode(),
    ),
    _body(
        "messages.Result.decode", Result.decode, _own,
        Result(Outcome.DONE, 5, 1, 2**31, bytes(8), TimeState.TRUSTED).encode(),
        Result(Outcome(99), None, 0, 0, bytes(8), TimeState(77)).encode(),
    ),
    _body("messages.Fast.decode", Fast.decode, _own, Fast(bytes(8), bytes(32), bytes(22)).encode(), longest=100),
    _body(
        "messages.FastCommand.decode", FastCommand.decode, _own, FastCommand(UNLOCK, LinkKind.HOSTED, True).encode(),
        longest=16,
    ),
    _body(
        "messages.FastResult.decode", FastResult.decode, _own, FastResult(Outcome.DONE, 9, 2**31).encode(), longest=16
    ),
    _body("messages.Res.decode", Res.decode, _own, Res(1, Outcome.DONE, 24).encode()),
    _body(
        "messages.Receipts.decode", Receipts.decode, _own, Receipts((b"first", bytes(180)), True).encode(),
        Receipts((), False).encode(), longest=4096,
    ),
    _body(
        "messages.decode_event", messages.decode_event, messages.encode_event, messages.encode_event(READINGS),
        longest=1200,
    ),
    _body("messages.decode_sequence", messages.decode_sequence, messages.encode_sequence, messages.encode_sequence(9)),
    _body(
        "messages.decode_chain", messages.decode_chain, messages.encode_chain,
        messages.encode_chain(((bytes(157), bytes(209)),)),
        messages.encode_chain(((b"", b"token"), (bytes(512), bytes(1024)))), longest=4096,
    ),
    _body(
        "messages.decode_statements", messages.decode_statements, messages.encode_statements,
        messages.encode_statements([bytes(163)]), messages.encode_statements([b"", *[bytes(224)] * 15]), longest=4096,
    ),
    _body(
        "ranging.Range.decode", Range.decode, _own, Range(1, RangingMethod.UWB).encode(),
        Range(2**32 - 1, RangingMethod(200), Finding(Zone.NEAR, 140, 100, 1000)).encode(),
        Range(2, RangingMethod.UWB, Finding(Zone(9), None, 0, 0)).encode(), longest=40,
    ),
    _body(
        "messages.decode_error", messages.decode_error, lambda code: messages.encode_error(code)[1:], b"\x01", b"\x63",
        longest=8,
    ),
    _body(
        "messages.decode_info", messages.decode_info, _info,
        messages.encode_info(bytes(6)),
    ),
    _body("messages.check_info", _our_info, _info, messages.encode_info(bytes(6)), cbor.encode([[1, 2], b""])),
    _body("pairing.decode_ask", _asked, bytes, pairing.encode_ask(), longest=8),
    _body("pairing.check_offer", pairing.check_offer, bytes, bytes(16)),
    _body("pairing.check_share", pairing.check_share, bytes, p256.base(5).encode()),
    _body("pairing.split_proof", pairing.split_proof, b"".join, p256.base(5).encode() + bytes(32)),
    _body("pairing.split_enrol", pairing.split_enrol, b"".join, bytes(200)),
    _body(
        "pairing.Enrol.decode", Enrol.decode, _own, Enrol(DEVICE.public_key, bytes(64)).encode(),
        Enrol(DEVICE.public_key, bytes(64), Attestation("android-key", b"evidence")).encode(), longest=4096,
    ),
    _body(
        "pairing.Credential.decode", Credential.decode, _own,
        Credential(b"ticket", VEHICLE, CAR.public_key, bytes(16)).encode(),
    ),
    _body(
        "pairing.decode_outcome", pairing.decode_outcome, pairing.encode_outcome, pairing.encode_outcome(Outcome.DONE),
        longest=16,
    ),
    Target(
        "wire.gatt.rotating_id", _name, PROTOCOL, lambda: [b"AP8Qpf4-"],
        lambda found: gatt.advertised_name(found).encode(), ("wire.gatt.rotating_id",), longest=24,
    ),
    Target(
        "wire.frame.before", _reassemble(BEFORE_AUTHENTICATION), PROTOCOL, _framed,
        covers=("wire.frame.Reassembler.push",), longest=4000, steps=20000,
    ),
    Target(
        "wire.frame.after", _reassemble(AFTER_AUTHENTICATION), PROTOCOL, _framed,
        covers=("wire.frame.Reassembler.push",), longest=9000, steps=20000,
    ),
]  # fmt: skip
