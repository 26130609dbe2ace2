"""The messages: what is written is what is read, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError
from keygw.model.signal import SignalId
from keygw.wire import cbor
from keygw.wire.messages import (
    FAST_RESULT_BYTES,
    Cmd,
    ErrorCode,
    Fast,
    FastCommand,
    FastResult,
    Hello,
    Intent,
    LinkKind,
    MessageType,
    Reading,
    Receipts,
    Res,
    Result,
    TimeState,
    decode_chain,
    decode_error,
    decode_event,
    decode_info,
    decode_sequence,
    encode_chain,
    encode_error,
    encode_event,
    encode_info,
    encode_sequence,
)

HELLO = Hello(bytes(range(16)), bytes(range(32)), 7)
CMD = Cmd(2**32 - 1, Action.UNLOCK)
INTENT = Intent(b"8 bytes.", LinkKind.HOSTED, True, CMD)
RESULT = Result(Outcome.DONE, 5, 9, 3, b"nonce..8", TimeState.FLOOR)
FAST = Fast(b"8 bytes.", bytes(range(32)), bytes(range(22)))
QUICK = FastCommand(CMD, LinkKind.HOSTED, True)
QUICK_RESULT = FastResult(Outcome.NOT_ENTITLED, 9, 3)
RES = Res(5, Outcome.NOT_ENTITLED, 10)
RECEIPTS = Receipts((b"signed", b"again"), True)
CHAIN = ((b"grant", b"token of the friend"), (bytes(512), bytes(1024)))
READINGS = (
    Reading(SignalId.CENTRAL_LOCK, True, 1_800_000_000),
    Reading(SignalId.SPEED, 13.5, 0),
    Reading(SignalId.BATTERY_SOC, 80, 1),
    Reading(SignalId.TRUNK_OPEN, "odd, but allowed", 2),
)

Codec = tuple[bytes, Callable[[bytes], object], object]
CODECS: dict[str, Codec] = {
    "HELLO": (HELLO.encode()[1:], Hello.decode, HELLO),
    "CMD": (CMD.encode(), Cmd.decode, CMD),
    "EAD_3": (INTENT.encode(), Intent.decode, INTENT),
    "EAD_3 without a command": (replace(INTENT, command=None).encode(), Intent.decode, replace(INTENT, command=None)),
    "RESULT": (RESULT.encode(), Result.decode, RESULT),
    "RESULT without a command": (replace(RESULT, number=None).encode(), Result.decode, replace(RESULT, number=None)),
    "FAST": (FAST.encode(), Fast.decode, FAST),
    "inside FAST": (QUICK.encode(), FastCommand.decode, QUICK),
    "FAST_RESULT": (QUICK_RESULT.encode(), FastResult.decode, QUICK_RESULT),
    "RES": (RES.encode(), Res.decode, RES),
    "EVENT": (encode_event(READINGS), decode_event, READINGS),
    "RECEIPT_GET": (encode_sequence(41), decode_sequence, 41),
    "RECEIPT": (RECEIPTS.encode(), Receipts.decode, RECEIPTS),
    "RECEIPT with nothing": (Receipts((), False).encode(), Receipts.decode, Receipts((), False)),
    "CRED_PUT": (encode_chain(CHAIN), decode_chain, CHAIN),
    "CRED_PUT with one link": (encode_chain(CHAIN[:1]), decode_chain, CHAIN[:1]),
    "ERROR": (encode_error(ErrorCode.REFUSED)[1:], decode_error, ErrorCode.REFUSED),
    "INFO": (encode_info(b"rotate"), decode_info, ((1,), b"rotate")),
}


@pytest.mark.parametrize("name", CODECS)
def test_there_and_back(name: str) -> None:
    body, decode, value = CODECS[name]
    assert decode(body) == value


@pytest.mark.parametrize("name", CODECS)
def test_whole_but_not_truncated_nor_with_a_tail(name: str) -> None:
    body, decode, _ = CODECS[name]
    for length in range(len(body)):
        with pytest.raises(ProtocolError):
            decode(body[:length])
    for tail in (b"\x00", b"\xf6", body):
        with pytest.raises(ProtocolError):
            decode(body + tail)


@pytest.mark.parametrize("links", [0, 3])
def test_a_chain_has_one_link_or_two(links: int) -> None:
    with pytest.raises(ValueError, match="links"):
        encode_chain(CHAIN[:1] * links)
    with pytest.raises(ProtocolError):
        decode_chain(bytes((0x80 + links,)) + encode_chain(CHAIN[:1])[1:] * links)


@pytest.mark.parametrize(
    "link", [(bytes(513), b""), (b"", bytes(1025)), (b"",), (b"", b"", b""), ("", b""), (b"", None)]
)
def test_a_link_is_a_bounded_grant_and_a_bounded_token(link: tuple[bytes, ...]) -> None:
    with pytest.raises(ProtocolError):
        decode_chain(cbor.encode([list(link)]))


def test_what_is_too_long_is_not_sent_either() -> None:
    for link in ((bytes(513), b""), (b"", bytes(1025))):
        with pytest.raises(ValueError, match="too long"):
            encode_chain((link,))


def test_message_types_are_those_of_the_specification() -> None:
    assert {member.name: int(member) for member in MessageType} == {
        "HELLO": 0x01, "HELLO_REQ": 0x02, "MESSAGE_1": 0x10, "MESSAGE_2": 0x11, "MESSAGE_3": 0x12, "RESULT": 0x13,
        "FAST": 0x20, "FAST_RESULT": 0x21,
        "CMD": 0x30, "RES": 0x31, "EVENT": 0x32, "RECEIPT_GET": 0x33, "RECEIPT": 0x34, "RECEIPT_ACK": 0x35,
        "RL_PUSH": 0x40, "RL_ACK": 0x41, "TIME_PROOF": 0x42, "CRED_PUT": 0x43, "RANGE": 0x44, "ISSUER_KEY": 0x45,
        "RL_GET": 0x46, "RL_GIVE": 0x47, "ISSUER_KEY_ACK": 0x48,
        "PAIR_ASK": 0x50, "PAIR_OFFER": 0x51, "PAIR_SHARE": 0x52, "PAIR_PROOF": 0x53,
        "ENROL": 0x54, "PAIR_TICKET": 0x55, "OWNER_TOKEN": 0x56, "ERROR": 0x7F,
    }  # fmt: skip


def test_hello_is_54_bytes_and_fixed() -> None:
    encoded = HELLO.encode()
    assert len(encoded) == 54
    assert encoded == b"\x01\x01" + bytes(range(16)) + bytes(range(32)) + b"\x00\x00\x00\x07"


@pytest.mark.parametrize("version", [0, 2, 255])
def test_another_version_is_refused(version: int) -> None:
    with pytest.raises(ProtocolError, match="version"):
        Hello.decode(bytes((version,)) + HELLO.encode()[2:])


def test_the_fast_path_is_packed() -> None:
    assert QUICK.encode() == b"\xff\xff\xff\xff\x01\x82"
    assert QUICK_RESULT.encode() == b"\x14\x00\x00\x00\x09\x00\x00\x00\x03"
    assert (len(FAST.encode()), FAST_RESULT_BYTES) == (62, 25)
    assert FastCommand.decode(bytes(5) + b"\x7f") == FastCommand(Cmd(0, Action(0)), LinkKind(127), False)


def test_unknown_codes_survive() -> None:
    command = Cmd.decode(cbor.encode([1, 200]))
    assert (int(command.action), command.action.is_known, command.action.required) == (200, False, None)
    assert Cmd.decode(command.encode()) == command
    response = Res.decode(cbor.encode([1, 99, 0]))
    assert (int(response.outcome), response.outcome.ok, response.outcome.label) == (99, False, "unknown_99")
    assert Result.decode(cbor.encode([255, None, 0, 0, bytes(8), 0])).outcome == 255
    assert Result.decode(cbor.encode([0, None, 0, 0, bytes(8), 255])).time == 255
    assert Intent.decode(cbor.encode([bytes(8), 9, False, None])).link == 9
    assert decode_event(cbor.encode([[4000, 1, 2]]))[0].signal.path.endswith("Unknown.Signal4000")
    assert decode_error(b"\xfe") == 254


ODD: list[tuple[Callable[[bytes], object], object]] = [
    (Cmd.decode, 1),
    (Cmd.decode, {0: 1, 1: 2}),
    (Cmd.decode, [1]),
    (Cmd.decode, [1, 1, 1]),
    (Cmd.decode, [2**32, 1]),
    (Cmd.decode, [-1, 1]),
    (Cmd.decode, [1, -1]),
    (Cmd.decode, [1, 256]),
    (Cmd.decode, [True, 1]),
    (Cmd.decode, [1, True]),
    (Cmd.decode, [1.0, 1]),
    (Cmd.decode, ["1", 1]),
    (Cmd.decode, [None, 1]),
    (Intent.decode, [bytes(7), 0, False, None]),
    (Intent.decode, [bytes(9), 0, False, None]),
    (Intent.decode, ["8 bytes.", 0, False, None]),
    (Intent.decode, [bytes(8), 256, False, None]),
    (Intent.decode, [bytes(8), 0, 0, None]),
    (Intent.decode, [bytes(8), 0, None, None]),
    (Intent.decode, [bytes(8), 0, False, False]),
    (Intent.decode, [bytes(8), 0, False, [1]]),
    (Intent.decode, [bytes(8), 0, False, b"cmd"]),
    (Intent.decode, [bytes(8), 0, False]),
    (Result.decode, [0, False, 0, 0, bytes(8), 0]),
    (Result.decode, [256, None, 0, 0, bytes(8), 0]),
    (Result.decode, [0, None, 2**32, 0, bytes(8), 0]),
    (Result.decode, [0, None, 0, -1, bytes(8), 0]),
    (Result.decode, [0, None, 0, 0, bytes(7), 0]),
    (Result.decode, [0, None, 0, 0, None, 0]),
    (Result.decode, [0, None, 0, 0, bytes(8), 256]),
    (Result.decode, [0, None, 0, 0, bytes(8), None]),
    (Result.decode, [0, None, 0, 0, bytes(8)]),
    (Res.decode, [1, 256, 0]),
    (Res.decode, [1, 0, None]),
    (Res.decode, [1, 0]),
    (decode_event, []),
    (decode_event, [[1, True, 0]] * 65),
    (decode_event, {}),
    (decode_event, [[1, True]]),
    (decode_event, [[1, None, 0]]),
    (decode_event, [[1, b"raw", 0]]),
    (decode_event, [[1, [1], 0]]),
    (decode_event, [[1, float("inf"), 0]]),
    (decode_event, [[1, float("nan"), 0]]),
    (decode_event, [[1, True, 253402300800]]),
    (decode_event, [[1, True, -1]]),
    (decode_event, [[2**16, True, 0]]),
    (decode_sequence, []),
    (decode_sequence, [2**32]),
    (decode_sequence, [1, 2]),
    (decode_sequence, 1),
    (Receipts.decode, [b"signed", False]),
    (Receipts.decode, [["signed"], False]),
    (Receipts.decode, [[b"signed"], 0]),
    (Receipts.decode, [[b"signed"]]),
    (decode_info, [[1]]),
    (decode_info, [[], b"rotate"]),
    (decode_info, [[1] * 17, b"rotate"]),
    (decode_info, [[256], b"rotate"]),
    (decode_info, [1, b"rotate"]),
    (decode_info, [[1], "rotate"]),
]


def name_of(each: object) -> str:
    """The same in every process: a function's repr holds its address."""
    return getattr(each, "__qualname__", None) or repr(each)[:40]


@pytest.mark.parametrize(("decode", "value"), ODD, ids=name_of)
def test_a_wrong_type_range_or_number_of_fields_is_refused(decode: Callable[[bytes], object], value: object) -> None:
    with pytest.raises(ProtocolError):
        decode(cbor.encode(value))


def test_every_action_and_outcome_fits_the_receipt() -> None:
    """A receipt names them in one byte; a CMD that it could not record must not get past the decoder."""
    assert all(0 <= int(code) < 256 for code in (*Action, *Outcome))
