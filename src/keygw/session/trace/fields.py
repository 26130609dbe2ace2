"""The fields of a message, with their places. What a body must be is said by the decoders of ``keygw.wire``: they are
called first, so a field is only ever taken from a body that is right.

Redacted unless asked for: key tokens, grants and parents' tokens (they name people, and are half of a stolen key), the
advertising key (who has it can follow the vehicle), and the evidence of an attestation (it may name a phone). Shares,
proofs, signatures, nonces and public keys are not secret. Codes and private keys are never on the air.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from keygw.crypto.cose import KID, TYP, open1
from keygw.crypto.errors import CryptoError
from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError
from keygw.model.signal import SignalId
from keygw.session.states import Side
from keygw.session.trace.handshake import message_1, must_agree, one_string
from keygw.session.trace.record import Field
from keygw.session.trace.shapes import TAG_BYTES, Part, Shape, array, named, number, packed, plain, string_head
from keygw.wire import cbor, messages, pairing
from keygw.wire.messages import ErrorCode, LinkKind, TimeState
from keygw.wire.messages import MessageType as M
from keygw.wire.ranging import Range, RangingMethod, Zone

_PACKED: dict[M, tuple[Part, ...]] = {
    M.HELLO: (("version", 1, number), ("n_v", 16, plain), ("g_v", 32, plain), ("boot_epoch", 4, number)),
    M.FAST: (("ktag", 8, plain), ("g_d", 32, plain), ("sealed", 6, plain), ("tag", TAG_BYTES, plain)),
    M.FAST_RESULT: (("sealed", 9, plain), ("tag", TAG_BYTES, plain)),
    M.ERROR: (("code", 1, named(ErrorCode)),),
    M.PAIR_ASK: (("suite", 1, number),),
    M.PAIR_OFFER: (("salt", 16, plain),),
    M.PAIR_SHARE: (("share_p", 65, plain),),
    M.PAIR_PROOF: (("share_v", 65, plain), ("confirm_v", 32, plain)),
}
_CHECK: dict[M, Callable[[bytes], object]] = {
    M.HELLO: messages.Hello.decode,
    M.FAST: messages.Fast.decode,
    M.ERROR: messages.decode_error,
    M.PAIR_ASK: pairing.decode_ask,
    M.PAIR_OFFER: pairing.check_offer,
    M.PAIR_SHARE: pairing.check_share,
    M.PAIR_PROOF: pairing.split_proof,
}
_CHANNEL = frozenset(
    {
        M.RESULT, M.CMD, M.RES, M.EVENT, M.RECEIPT_GET, M.RECEIPT, M.RECEIPT_ACK, M.RL_PUSH, M.RL_ACK, M.TIME_PROOF,
        M.CRED_PUT, M.RANGE, M.ISSUER_KEY, M.RL_GET, M.RL_GIVE, M.ISSUER_KEY_ACK, M.PAIR_TICKET, M.OWNER_TOKEN,
    }
)  # fmt: skip
"""Sealed from the first byte of the body to the last."""
SEALED = _CHANNEL | {M.FAST, M.FAST_RESULT, M.ENROL}


def sealed_from(message_type: M) -> int:
    """Where in the body the ciphertext begins."""
    return {M.FAST: 40, M.ENROL: pairing.CONFIRMATION_BYTES}.get(message_type, 0)


def clear_fields(message_type: M, body: bytes) -> tuple[Field, ...]:
    """The fields that anybody can read. ``ProtocolError`` for a body that is not in the form."""
    if message_type in _CHECK:
        _CHECK[message_type](body)
    if message_type is M.FAST:
        must_agree(body[8:40])
    if message_type is M.FAST_RESULT and len(body) != messages.FAST_RESULT_BYTES:
        raise ProtocolError("FAST_RESULT has a wrong length")
    if message_type in _PACKED:
        return tuple(packed(_PACKED[message_type], body, 1))
    if message_type is M.HELLO_REQ:
        if body:
            raise ProtocolError("HELLO_REQ has no body")
        return ()
    if message_type is M.MESSAGE_1:
        return message_1(body)
    if message_type in (M.MESSAGE_2, M.MESSAGE_3):
        return one_string(message_type, body)
    if message_type is M.ENROL:
        pairing.split_enrol(body)
        at = pairing.CONFIRMATION_BYTES
        return (Field("confirm_p", body[:at], 1, at), *_sealed(body[at:], 1 + at))
    if message_type in _CHANNEL:
        return tuple(_sealed(body, 1))
    raise ProtocolError(f"no message of version 1 has the type {int(message_type):02x}")


def opened_fields(message_type: M, side: Side, plaintext: bytes) -> tuple[Field, ...]:
    """The fields of what was sealed. ``ProtocolError`` if it is not in the form, or not that side's to send."""
    at = 1 + sealed_from(message_type)
    match message_type:
        case M.FAST:
            messages.FastCommand.decode(plaintext)
            flags = plaintext[5]
            return (
                *packed((("number", 4, number), ("action", 1, named(Action))), plaintext, at),
                Field("link", LinkKind(flags & 0x7F).label, at + 5, 1),
                Field("subscribe", bool(flags & 0x80), at + 5, 1),
            )
        case M.FAST_RESULT:
            messages.FastResult.decode(plaintext)
            parts = (("outcome", 1, named(Outcome)), ("receipt", 4, number), ("list", 4, number))
            return tuple(packed(parts, plaintext, at))
        case M.RL_PUSH | M.RL_ACK | M.RL_GIVE | M.TIME_PROOF | M.ISSUER_KEY_ACK:
            return tuple(_signed("signed", plaintext, at))
        case M.RL_GET:
            if plaintext:
                raise ProtocolError("RL_GET says nothing")
            return ()
        case M.OWNER_TOKEN if side is Side.DEVICE:
            return tuple(_signed("token", plaintext, at, secret=True))
    if (message_type, side) not in _SEALED_CHECK:
        raise ProtocolError(f"the {side.value} sends no sealed {message_type.label}")
    _SEALED_CHECK[message_type, side](plaintext)
    return tuple(_SEALED_FIELDS[message_type, side](cbor.decode(plaintext), at))


def info_fields(value: bytes) -> tuple[Field, ...]:
    """Of the INFO characteristic. ``ProtocolError``."""
    versions, rotating = messages.decode_info(value)
    size = len(value) - 1 - len(cbor.encode(rotating))
    return (Field("versions", list(versions), 1, size), Field("rotating_id", rotating, 2 + size, len(rotating)))


# -- one by one ----------------------------------------------------------------------------------------------------


def _sealed(body: bytes, at: int) -> Iterator[Field]:
    if len(body) < TAG_BYTES:
        raise ProtocolError("what is sealed ends with a tag of 16 bytes")
    size = len(body) - TAG_BYTES
    yield Field("sealed", body[:size], at, size)
    yield Field("tag", body[size:], at + size, TAG_BYTES)


def _event(value: Any, at: int) -> Iterator[Field]:
    at += string_head(len(value))
    for item in value:
        raw = cbor.encode(item)
        signal, reading, when = item
        yield Field(f"signal {SignalId(signal).label}", reading, at, len(raw))
        yield Field("at", when, at, len(raw))
        at += len(raw)


def _asked(body: bytes) -> None:
    if Range.decode(body).finding is not None:
        raise ProtocolError("a device says where it is; that is for the vehicle to find")


def _found(body: bytes) -> None:
    if Range.decode(body).finding is None:
        raise ProtocolError("the vehicle says nothing of the round")


def _range(value: Any, at: int) -> Iterator[Field]:
    asked, method, finding = value
    yield from array("round", "method", method=named(RangingMethod))([asked, method], at)
    if finding is not None:
        behind = at + 1 + len(cbor.encode(asked)) + len(cbor.encode(method))
        yield from array("zone", "bound_cm", "quality", "valid_ms", zone=named(Zone))(finding, behind)


def _signed(name: str, signed: bytes, at: int, *, secret: bool = False) -> Iterator[Field]:
    """A COSE object: what it is and whose, and its bytes. Not verified: a watcher has no keys to do it with."""
    if signed:
        try:
            header = open1(signed).protected
            typ, kid = header.get(TYP), header.get(KID)
            if isinstance(typ, str):
                yield Field(f"{name} typ", typ, at + signed.find(typ.encode()), len(typ))
            if isinstance(kid, bytes):
                yield Field(f"{name} kid", kid, at + signed.find(kid), len(kid))
        except CryptoError:
            yield Field(f"{name} typ", "none: not a COSE_Sign1", at, len(signed))
    yield Field(name, signed, at, len(signed), secret)


def _strings(name: str, *, secret: bool = False) -> Shape:
    """An array of signed objects."""

    def read(value: Any, at: int) -> Iterator[Field]:
        at += string_head(len(value))
        for item in value:
            raw = cbor.encode(item)
            yield from _signed(name, item, at + len(raw) - len(item), secret=secret)
            at += len(raw)

    return read


def _receipts(value: Any, at: int) -> Iterator[Field]:
    signed, more = value
    yield from _strings("receipt")(signed, at + 1)
    yield Field("more", more, at + 1 + len(cbor.encode(signed)), 1)


def _chain(value: Any, at: int) -> Iterator[Field]:
    at += 1
    for grant, token in value:
        first = at + 1 + string_head(len(grant))
        yield from _signed("grant", grant, first, secret=True)
        yield from _signed("token", token, first + len(grant) + string_head(len(token)), secret=True)
        at += len(cbor.encode([grant, token]))


def _enrol(value: Any, at: int) -> Iterator[Field]:
    key, signature, attestation = value
    yield from array("device_key", "signature")([key, signature], at)
    if attestation is not None:
        behind = at + 1 + len(cbor.encode(key)) + len(cbor.encode(signature)) + 1
        form, evidence = attestation
        yield Field("attestation format", form, behind, len(cbor.encode(form)))
        behind += len(cbor.encode(form)) + string_head(len(evidence))
        yield Field("attestation evidence", evidence, behind, len(evidence), secret=True)


def _credential(value: Any, at: int) -> Iterator[Field]:
    fields = list(array("ticket", "vehicle", "vehicle_key", "advertising_key")(value, at))
    last = fields.pop()
    yield from fields
    yield Field(last.name, last.value, last.at, last.size, secret=True)


_COMMAND = array("number", "action", action=named(Action))
_SEQUENCE = array("sequence")
_RESULT = array(
    "outcome", "number", "receipt", "list", "time_nonce", "time", outcome=named(Outcome), time=named(TimeState)
)
D, V = Side.DEVICE, Side.VEHICLE
_SEALED_FIELDS: dict[tuple[M, Side], Shape] = {
    (M.RESULT, V): _RESULT,
    (M.CMD, D): _COMMAND,
    (M.RES, V): array("number", "outcome", "receipt", outcome=named(Outcome)),
    (M.EVENT, V): _event,
    (M.RECEIPT_GET, D): _SEQUENCE,
    (M.RECEIPT_ACK, D): _SEQUENCE,
    (M.RECEIPT, V): _receipts,
    (M.CRED_PUT, D): _chain,
    (M.RANGE, D): _range,
    (M.RANGE, V): _range,
    (M.ISSUER_KEY, D): _strings("statement"),
    (M.ENROL, D): _enrol,
    (M.PAIR_TICKET, V): _credential,
    (M.OWNER_TOKEN, V): array("outcome", outcome=named(Outcome)),
}
_SEALED_CHECK: dict[tuple[M, Side], Callable[[bytes], object]] = {
    (M.RESULT, V): messages.Result.decode,
    (M.CMD, D): messages.Cmd.decode,
    (M.RES, V): messages.Res.decode,
    (M.EVENT, V): messages.decode_event,
    (M.RECEIPT_GET, D): messages.decode_sequence,
    (M.RECEIPT_ACK, D): messages.decode_sequence,
    (M.RECEIPT, V): messages.Receipts.decode,
    (M.CRED_PUT, D): messages.decode_chain,
    (M.RANGE, D): _asked,
    (M.RANGE, V): _found,
    (M.ISSUER_KEY, D): messages.decode_statements,
    (M.ENROL, D): pairing.Enrol.decode,
    (M.PAIR_TICKET, V): pairing.Credential.decode,
    (M.OWNER_TOKEN, V): pairing.decode_outcome,
}
