"""How a vehicle learns a new issuer key: a statement signed by the key that it follows, and the vehicle's signed word
for which one it has (``protocols/key_token``).

Statements make a chain: each is signed by the newest key before it, and names no vehicle, so one signature serves all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from keygw.crypto import cbor
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import HASH_BYTES
from keygw.crypto.signer import Signer, check_public_key
from keygw.model.errors import ProtocolError, TokenError
from keygw.model.ids import ID_BYTES, format_id, id_bytes
from keygw.token.claims import MAX_TIME, check_issuer, check_number, malformed
from keygw.token.envelope import ISSUER_KEY, ISSUER_KEY_ACK, Envelope
from keygw.token.trust import KID_BYTES, IssuerKey, kid_of

NO_STATEMENT = bytes(HASH_BYTES)
"""In an acknowledgement: the newest key came with the provisioning, not by a statement."""


@dataclass(frozen=True, slots=True)
class IssuerKeyStatement:
    """``public_key`` (33 bytes) signs for ``issuer`` from ``not_before``; every key before it ends at ``retire_at``.

    ``sequence``: u32 from 1, greater with every statement of an issuer. Unix seconds, and
    ``issued_at <= not_before <= retire_at``; all three alike retire the keys before it at once.
    """

    issuer: str
    sequence: int
    public_key: bytes
    not_before: int
    retire_at: int
    issued_at: int

    @property
    def kid(self) -> bytes:
        """What the key is named by: it follows from the key, and is not stated."""
        return kid_of(self.public_key)


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """One of the right form, its signature not yet looked at: until ``verify`` only good for asking who signed it."""

    statement: IssuerKeyStatement
    _envelope: Envelope = field(repr=False)

    @property
    def kid(self) -> bytes:
        """Of the key that is to have signed it."""
        return self._envelope.kid

    @property
    def digest(self) -> bytes:
        """What names this statement, 32 bytes (``Envelope.digest``)."""
        return self._envelope.digest

    def verify(self, key: IssuerKey) -> IssuerKeyStatement:
        """The statement, if that key signed it, for its own issuer.

        ``TokenError``: unknown_issuer, token_signature, wrong_issuer. Whether that key may, is for whoever keeps them.
        """
        if self.kid != key.kid:
            raise TokenError("signed by another key than the one it is to follow", code="unknown_issuer")
        self._envelope.verify(key.public_key)
        if self.statement.issuer != key.issuer:
            raise TokenError("the key that signed this speaks for another issuer", code="wrong_issuer")
        return self.statement


@dataclass(frozen=True, slots=True)
class IssuerKeyAck:
    """Signed by the vehicle key once what it says is on durable storage.

    ``kid``, ``sequence``: the vehicle's newest key of that issuer, and its number. ``statement_hash``: digest of the
    statement that it was learnt from last, or ``NO_STATEMENT``.
    """

    vehicle_id: str
    sequence: int
    kid: bytes
    statement_hash: bytes
    boot_epoch: int


def sign_statement(statement: IssuerKeyStatement, signer: Signer, kid: bytes) -> bytes:
    """Sign it with the key that it follows, named by ``kid``. ``ValueError`` if it breaks a rule of the form."""
    return ISSUER_KEY.seal(_payload(statement), signer, kid)


def open_statement(data: bytes) -> SignedStatement:
    """Take it apart. ``TokenError``: wrong_type, token_malformed (any rule of ``IssuerKeyStatement`` broken)."""
    envelope = ISSUER_KEY.open(data)
    try:
        found = IssuerKeyStatement(*_fields(envelope.payload, 6))
        if _payload(found) != envelope.payload:
            raise ValueError("not the one encoding of its value")
    except (ValueError, ProtocolError) as error:
        raise malformed(str(error)) from error
    return SignedStatement(found, envelope)


def sign_issuer_key_ack(ack: IssuerKeyAck, vehicle_signer: Signer) -> bytes:
    """Sign it with the vehicle key, after the write. ``ValueError`` for a field out of range."""
    return ISSUER_KEY_ACK.seal(_ack_payload(ack), vehicle_signer)


def verify_issuer_key_ack(data: bytes, vehicle_public_key: bytes) -> IssuerKeyAck:
    """The acknowledgement, if that vehicle key signed it.

    ``TokenError``: wrong_type, token_malformed, token_signature. The caller compares vehicle, sequence, kid and hash
    with what it knows of its own keys: another hash for a sequence of its own is a vehicle that was told otherwise.
    """
    envelope = ISSUER_KEY_ACK.open(data)
    envelope.verify(vehicle_public_key)
    try:
        vehicle, sequence, kid, digest, boot_epoch = _fields(envelope.payload, 5)
        if not isinstance(vehicle, bytes) or len(vehicle) != ID_BYTES:
            raise ValueError(f"a vehicle id has {ID_BYTES} bytes")
        found = IssuerKeyAck(format_id("veh", vehicle), sequence, kid, digest, boot_epoch)
        if _ack_payload(found) != envelope.payload:
            raise ValueError("not the one encoding of its value")
    except (ValueError, ProtocolError) as error:
        raise malformed(str(error)) from error
    return found


def _payload(value: IssuerKeyStatement) -> bytes:
    check_issuer(value.issuer)
    check_number("sequence", value.sequence, 2**32, least=1)
    if not isinstance(value.public_key, bytes):
        raise ValueError("the public key must be 33 bytes, SEC1 compressed")
    try:
        check_public_key(value.public_key)
    except CryptoError as error:
        raise ValueError("the public key is not a point of P-256") from error
    check_number("iat", value.issued_at, MAX_TIME, least=1)
    check_number("not_before", value.not_before, MAX_TIME, least=value.issued_at)
    check_number("retire_at", value.retire_at, MAX_TIME, least=value.not_before)
    return cbor.encode(
        [value.issuer, value.sequence, value.public_key, value.not_before, value.retire_at, value.issued_at]
    )


def _ack_payload(value: IssuerKeyAck) -> bytes:
    check_number("sequence", value.sequence, 2**32)
    check_number("boot epoch", value.boot_epoch, 2**32)
    for name, data, size in (("a kid", value.kid, KID_BYTES), ("a hash", value.statement_hash, HASH_BYTES)):
        if not isinstance(data, bytes) or len(data) != size:
            raise ValueError(f"{name} has {size} bytes")
    return cbor.encode(
        [id_bytes(value.vehicle_id, "veh"), value.sequence, value.kid, value.statement_hash, value.boot_epoch]
    )


def _fields(payload: bytes, count: int) -> Sequence[Any]:
    value = cbor.decode(payload)
    if not isinstance(value, list) or len(value) != count:
        raise ValueError(f"not an array of {count}")
    return value
