"""Identifiers, credentials and external authorization data (RFC 9528 sections 3.3, 3.5 and 3.8) as bytes and back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from keygw.model.errors import ProtocolError
from keygw.wire import cbor

KID = 4
KCWT = 13
_KID_HEAD = b"\xa1\x04"
_KCWT_HEAD = b"\xa1\x0d"

Item = tuple[Any, bytes]
"""A decoded CBOR item, and the bytes that it came in."""


@dataclass(frozen=True, slots=True)
class Ead:
    """One item of external authorization data; a negative label is critical (RFC 9528 section 3.8)."""

    label: int
    value: bytes | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """Who a party is, to EDHOC.

    ``id_cred``: ID_CRED_x, the encoded map. ``cred``: CRED_x, the CBOR item that both sides hash. ``public_key``: the
    key it binds, in the form that the suite's verifier or agreement takes.
    """

    id_cred: bytes = field(repr=False)
    cred: bytes = field(repr=False)
    public_key: bytes

    @classmethod
    def by_kid(cls, kid: bytes, cred: bytes, public_key: bytes) -> Credential:
        """``{4: kid}``: the peer must know ``cred`` beforehand."""
        return cls(_KID_HEAD + cbor.byte_string(kid), cred, public_key)

    @classmethod
    def by_token(cls, token: bytes, public_key: bytes) -> Credential:
        """``{13: token}``: a CWT by value, which is also CRED_x."""
        return cls(_KCWT_HEAD + token, token, public_key)


def token_of(id_cred: bytes, kept: Callable[[bytes], bytes | None]) -> bytes:
    """The CWT that an ID_CRED_x carries by value, or that is ``kept`` under the kid it names.

    ``ProtocolError`` if nothing is, and for a credential of another kind.
    """
    if id_cred.startswith(_KCWT_HEAD):
        return id_cred[len(_KCWT_HEAD) :]
    kid = cbor.decode(id_cred).get(KID) if id_cred.startswith(_KID_HEAD) else None
    token = kept(kid) if isinstance(kid, bytes) else None
    if token is None:
        raise ProtocolError("the credential is unknown, or of a kind that is not taken here")
    return token


def encode_identifier(identifier: bytes) -> bytes:
    """A connection identifier: one byte that is itself a CBOR integer travels as that (section 3.3.2)."""
    if len(identifier) == 1 and (identifier[0] <= 0x17 or 0x20 <= identifier[0] <= 0x37):
        return identifier
    return cbor.byte_string(identifier)


def decode_identifier(item: Item) -> bytes:
    value, encoded = item
    if isinstance(value, int) and not isinstance(value, bool) and -24 <= value <= 23:
        return encoded
    if isinstance(value, bytes) and encode_identifier(value) == encoded:
        return value
    raise ProtocolError("an identifier is not in its shortest form")


def encode_id_cred(id_cred: bytes) -> bytes:
    """ID_CRED_x as it travels: a lone ``kid`` as an identifier (section 3.5.3.2)."""
    if id_cred.startswith(_KID_HEAD):
        kid = cbor.only_byte_string(id_cred[len(_KID_HEAD) :])
        if kid is not None:
            return encode_identifier(kid)
    return id_cred


def decode_id_cred(item: Item) -> bytes:
    """The encoded map of what travelled."""
    value, encoded = item
    if isinstance(value, dict):
        if not value or (len(value) == 1 and isinstance(value.get(KID), bytes)):
            raise ProtocolError("ID_CRED is not in its shortest form")
        return encoded
    return _KID_HEAD + cbor.byte_string(decode_identifier(item))


def encode_ead(items: Sequence[Ead]) -> bytes:
    return b"".join(
        [cbor.integer(item.label) + (b"" if item.value is None else cbor.byte_string(item.value)) for item in items]
    )


def decode_ead(items: Sequence[Item], critical: Collection[int]) -> tuple[list[Ead], bytes]:
    """The EAD items at the end of a message, and their bytes.

    ``critical``: the labels, without sign, of critical items that the caller acts on; any other critical one is refused
    (section 3.8). What is not critical and not known the caller ignores, padding (label 0) included.
    """
    found: list[Ead] = []
    for value, _ in items:
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 0 and -value not in critical:
                raise ProtocolError("EAD holds a critical item that this release does not know")
            found.append(Ead(value))
        elif isinstance(value, bytes) and found and found[-1].value is None:
            found[-1] = Ead(found[-1].label, value)
        else:
            raise ProtocolError("EAD is malformed")
    return found, b"".join([encoded for _, encoded in items])


def only_item(message: bytes) -> bytes:
    """The byte string that message_2, _3 and _4 are."""
    content = cbor.only_byte_string(message)
    if content is None:
        raise ProtocolError("expected exactly one byte string")
    return content
