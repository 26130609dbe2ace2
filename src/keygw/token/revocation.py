"""The signed revocation list of a vehicle, and the vehicle's signed acknowledgement of it (``protocols/key_token``)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from keygw.crypto import cbor
from keygw.crypto.kdf import HASH_BYTES
from keygw.crypto.signer import Signer
from keygw.model.errors import BadInput, ProtocolError, TokenError
from keygw.model.ids import format_id, id_bytes
from keygw.model.revocation import ListAck, RevocationList
from keygw.token.claims import MAX_TIME, check_number, malformed
from keygw.token.envelope import LIST_ACK, REVOCATION_LIST
from keygw.token.trust import TrustedIssuers

MAX_ENTRIES = 1024
"""Revoked and suspended together: the list must fit one 4 KiB message. Beyond that, raise ``issued_before``."""


def sign_list(revocations: RevocationList, signer: Signer, kid: bytes) -> bytes:
    """Sign it with the issuer's key. ``ValueError`` if it breaks a rule of ``verify_list``."""
    return REVOCATION_LIST.seal(_list_payload(revocations), signer, kid)


def verify_list(data: bytes, issuers: TrustedIssuers, vehicle_id: str) -> RevocationList:
    """The list, if a trusted issuer signed it for that vehicle.

    ``TokenError``: wrong_type, token_malformed, unknown_issuer, token_signature, wrong_audience. Whether ``sequence``
    moves forward is for whoever keeps the last one. Rules: indices are u16, strictly ascending, none both revoked and
    suspended, at most 1024; ``1 <= sequence < 2**32``; ``issued_at < next_update``.
    """
    envelope = REVOCATION_LIST.open(data)
    envelope.verify(issuers.find(envelope.kid).public_key)
    found = read_list(data)
    if found.vehicle_id != vehicle_id:
        raise TokenError("the revocation list is of another vehicle", code="wrong_audience")
    return found


def read_list(data: bytes) -> RevocationList:
    """What a list says, its signature not looked at: for who has verified it before and kept it, its key may have ended
    since. ``TokenError``: wrong_type, token_malformed (the rules of ``verify_list``).
    """
    payload = REVOCATION_LIST.open(data).payload
    vehicle, sequence, issued_at, next_update, epoch, before, revoked, suspended = _fields(payload, 8)
    try:
        found = RevocationList(
            vehicle_id=format_id("veh", _bytes(vehicle)),
            sequence=sequence,
            issued_at=issued_at,
            next_update=next_update,
            min_epoch=epoch,
            revoked=tuple(_list(revoked)),
            suspended=tuple(_list(suspended)),
            issued_before=before,
        )
        _check(payload, _list_payload(found))
    except (ValueError, BadInput) as error:
        raise malformed(str(error)) from error
    return found


def sign_ack(ack: ListAck, vehicle_signer: Signer) -> bytes:
    """Sign it with the vehicle key, after the list is on durable storage. ``ValueError`` for a field out of range."""
    return LIST_ACK.seal(_ack_payload(ack), vehicle_signer)


def verify_ack(data: bytes, vehicle_public_key: bytes) -> ListAck:
    """The acknowledgement, if that vehicle key signed it.

    ``TokenError``: wrong_type, token_malformed, token_signature. The caller compares vehicle, sequence and hash with
    the list it sent.
    """
    envelope = LIST_ACK.open(data)
    envelope.verify(vehicle_public_key)
    vehicle, sequence, digest, boot_epoch = _fields(envelope.payload, 4)
    try:
        found = ListAck(format_id("veh", _bytes(vehicle)), sequence, _bytes(digest), boot_epoch)
        _check(envelope.payload, _ack_payload(found))
    except (ValueError, BadInput) as error:
        raise malformed(str(error)) from error
    return found


def list_hash(signed: bytes) -> bytes:
    """What ``ListAck.list_hash`` must be for this signed list: its digest, 32 bytes. The errors of a list's form."""
    return REVOCATION_LIST.digest(signed)


def _list_payload(value: RevocationList) -> bytes:
    check_number("sequence", value.sequence, 2**32, least=1)
    check_number("iat", value.issued_at, MAX_TIME, least=1)
    check_number("next_update", value.next_update, MAX_TIME, least=value.issued_at + 1)
    check_number("min_epoch", value.min_epoch, 2**16)
    check_number("issued_before", value.issued_before, MAX_TIME)
    for entries in (value.revoked, value.suspended):
        for entry in entries:
            check_number("index", entry, 2**16)
        if any(later <= earlier for earlier, later in pairwise(entries)):
            raise ValueError("indices must be strictly ascending")
    if set(value.revoked) & set(value.suspended):
        raise ValueError("an index is revoked or suspended, not both")
    if len(value.revoked) + len(value.suspended) > MAX_ENTRIES:
        raise ValueError(f"a revocation list has at most {MAX_ENTRIES} entries")
    return cbor.encode(
        [
            id_bytes(value.vehicle_id, "veh"),
            value.sequence,
            value.issued_at,
            value.next_update,
            value.min_epoch,
            value.issued_before,
            list(value.revoked),
            list(value.suspended),
        ]
    )


def _ack_payload(value: ListAck) -> bytes:
    check_number("sequence", value.sequence, 2**32, least=1)
    check_number("boot epoch", value.boot_epoch, 2**32)
    if len(value.list_hash) != HASH_BYTES:
        raise ValueError(f"a hash has {HASH_BYTES} bytes")
    return cbor.encode([id_bytes(value.vehicle_id, "veh"), value.sequence, value.list_hash, value.boot_epoch])


def _fields(payload: bytes, count: int) -> Sequence[Any]:
    try:
        value = cbor.decode(payload)
    except ProtocolError as error:
        raise malformed("not deterministic CBOR") from error
    if not isinstance(value, list) or len(value) != count:
        raise malformed(f"not an array of {count}")
    return value


def _check(payload: bytes, again: bytes) -> None:
    if payload != again:
        raise ValueError("not the one encoding of its value")


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("expected a byte string")
    return value


def _list(value: object) -> list[int]:
    if not isinstance(value, list):
        raise ValueError("expected an array")
    return value
