"""The fields of the EDHOC messages, in clear and opened, held to the profile of ``key_session``, Handshake."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from keygw.crypto.agreement import EphemeralKey
from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import SIGNATURE_BYTES
from keygw.model.command import Action
from keygw.model.errors import ProtocolError
from keygw.session.edhoc import EPHEMERAL_BYTES, SUITE_6, Credential, Responder
from keygw.session.edhoc.codec import decode_ead, decode_id_cred, decode_identifier
from keygw.session.trace.record import Field
from keygw.session.trace.shapes import TAG_BYTES, array, inside, named, string_head
from keygw.wire import cbor
from keygw.wire.messages import Intent, LinkKind
from keygw.wire.messages import MessageType as M

EAD_INTENT = 65001
_NOBODY = bytes(31) + b"\x01"
"""A private key for agreements whose result is thrown away: only whether they can be done is looked at."""
_CONSTANT_KID = b"\xa1\x04\x41\x00"
"""ID_CRED_R, the same for every vehicle."""


def must_agree(public: bytes) -> None:
    """``ProtocolError`` for a point of low order."""
    try:
        EphemeralKey(_NOBODY).agree(public)
    except CryptoError as error:
        raise ProtocolError("an ephemeral key of low order") from error


def message_1(body: bytes) -> tuple[Field, ...]:
    """``ProtocolError`` for what no vehicle would take."""
    party = Responder(SUITE_6, _NOBODY, b"\x01", Credential(b"", b"", b""))
    party.receive_1(body)
    if party.ead_1:
        raise ProtocolError("EAD_1 is not accepted")
    return tuple(_items(("method", "suites_i", "g_x", "c_i"), cbor.split_sequence(body), 1))


def one_string(message_type: M, body: bytes) -> tuple[Field, ...]:
    """message_2 and message_3 as they travel: a byte string of G_Y and a ciphertext, or of a ciphertext and its tag."""
    content = cbor.only_byte_string(body)
    least = EPHEMERAL_BYTES if message_type is M.MESSAGE_2 else TAG_BYTES
    if content is None or len(content) <= least:
        raise ProtocolError(f"{message_type.name} is malformed")
    at = 1 + len(body) - len(content)
    if message_type is M.MESSAGE_2:
        must_agree(content[:EPHEMERAL_BYTES])
        rest = content[EPHEMERAL_BYTES:]
        g_y = Field("g_y", content[:EPHEMERAL_BYTES], at, EPHEMERAL_BYTES)
        return (g_y, Field("ciphertext_2", rest, at + EPHEMERAL_BYTES, len(rest)))
    size = len(content) - TAG_BYTES
    return (Field("ciphertext_3", content[:size], at, size), Field("tag", content[size:], at + size, TAG_BYTES))


def plaintext_2(plaintext: bytes) -> tuple[Field, ...]:
    """Of message_2. It has no tag: what does not read as one was changed, or is another session's."""
    items = cbor.split_sequence(plaintext)
    if len(items) < 3:
        raise ProtocolError("message_2 is malformed")
    decode_identifier(items[0])
    if decode_id_cred(items[1]) != _CONSTANT_KID:
        raise ProtocolError("message_2 names another credential than the constant one")
    _signature(items[2][0])
    decode_ead(items[3:], ())
    start = 1 + string_head(len(plaintext) + EPHEMERAL_BYTES) + EPHEMERAL_BYTES
    return tuple(_items(("c_r", "id_cred_r", "signature_2"), items, start))


def plaintext_3(plaintext: bytes) -> tuple[Field, ...]:
    """Of message_3: the key token or its kid, the signature, and what EAD_3 says."""
    items = cbor.split_sequence(plaintext)
    if len(items) < 2:
        raise ProtocolError("message_3 is malformed")
    credential = items[0][0]
    if isinstance(credential, dict) and set(credential) != {13}:
        raise ProtocolError("ID_CRED_I is neither a key token nor a kid")
    decode_id_cred(items[0])
    _signature(items[1][0])
    found, _ = decode_ead(items[2:], (EAD_INTENT,))
    ours = [each for each in found if abs(each.label) == EAD_INTENT]
    if len(ours) != 1 or ours[0].label > 0 or ours[0].value is None:
        raise ProtocolError("EAD_3 does not bind HELLO")
    Intent.decode(ours[0].value)
    start = 1 + string_head(len(plaintext) + TAG_BYTES)
    fields = list(_items(("id_cred_i", "signature_3"), items[:2], start))
    if isinstance(credential, dict):
        fields[0] = Field("id_cred_i", items[0][1], start, len(items[0][1]), secret=True)
    at = start + sum(len(raw) for _, raw in items[:2])
    for value, raw in items[2:]:
        if value == ours[0].value:
            fields += _intent(cbor.decode(ours[0].value), at + len(raw) - len(ours[0].value))
        else:
            fields.append(Field("ead", value, at, len(raw)))
        at += len(raw)
    return tuple(fields)


def _signature(value: object) -> None:
    if not isinstance(value, bytes) or len(value) != SIGNATURE_BYTES:
        raise ProtocolError(f"a signature has {SIGNATURE_BYTES} bytes")


def _items(names: Sequence[str], items: Sequence[tuple[Any, bytes]], at: int) -> Iterator[Field]:
    """The items of a sequence by name; what comes behind them is EAD."""
    for index, (value, raw) in enumerate(items):
        size = inside(value, raw)
        yield Field(names[index] if index < len(names) else "ead", value, at + len(raw) - size, size)
        at += len(raw)


def _intent(value: list[Any], at: int) -> Iterator[Field]:
    *first, command = value
    yield from array("hello", "link", "subscribe", link=named(LinkKind))(first, at)
    if command is not None:
        behind = at + len(cbor.encode(first))
        yield from array("number", "action", action=named(Action))(command, behind)
