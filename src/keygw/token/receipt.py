"""Receipts: the vehicle-signed, chained record of what was executed or refused (``protocols/key_token``)."""

from __future__ import annotations

from collections.abc import Iterable

from keygw.crypto import cbor
from keygw.crypto.kdf import HASH_BYTES
from keygw.crypto.signer import Signer
from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError, TokenError
from keygw.model.ids import ID_BYTES, format_id, id_bytes
from keygw.model.receipt import Receipt
from keygw.token.claims import MAX_TIME, check_number, malformed
from keygw.token.envelope import RECEIPT

SESSION_BYTES = 8
FIRST = bytes(HASH_BYTES)
"""``previous`` of a vehicle's first receipt."""


def sign_receipt(
    *,
    vehicle_id: str,
    sequence: int,
    number: int,
    key_id: str,
    action: Action,
    outcome: Outcome,
    before: bool | None,
    after: bool | None,
    boot_epoch: int,
    session: bytes,
    previous: bytes,
    at: int,
    signer: Signer,
) -> bytes:
    """The signed receipt; the fields are those of ``model.Receipt``. ``ValueError`` if one is out of range.

    ``session``: 8 bytes. ``previous``: the digest of the receipt before, or ``FIRST``. ``at`` 0: time unknown.
    """
    payload = _payload(
        id_bytes(vehicle_id, "veh"),
        sequence,
        number,
        id_bytes(key_id, "key"),
        int(action),
        int(outcome),
        before,
        after,
        boot_epoch,
        session,
        previous,
        at,
    )
    return RECEIPT.seal(payload, signer)


def verify_receipt(data: bytes, vehicle_public_key: bytes) -> Receipt:
    """The receipt, if that vehicle key signed it. ``TokenError``: wrong_type, token_malformed, token_signature."""
    envelope = RECEIPT.open(data)
    envelope.verify(vehicle_public_key)
    try:
        fields = cbor.decode(envelope.payload)
        if not isinstance(fields, list) or len(fields) != 12:
            raise ValueError("not an array of 12")
        if _payload(*fields) != envelope.payload:
            raise ValueError("not the one encoding of its value")
    except (ValueError, ProtocolError) as error:
        raise malformed(str(error)) from error
    vehicle, sequence, number, key, action, outcome, before, after, boot_epoch, session, previous, at = fields
    return Receipt(
        vehicle_id=format_id("veh", vehicle),
        sequence=sequence,
        number=number,
        key_id=format_id("key", key),
        action=Action(action),
        outcome=Outcome(outcome),
        before=before,
        after=after,
        boot_epoch=boot_epoch,
        session=session,
        previous=previous,
        at=at,
        signed=data,
    )


def _payload(
    vehicle: object,
    sequence: object,
    command: object,
    key: object,
    action: object,
    outcome: object,
    before: object,
    after: object,
    boot_epoch: object,
    session: object,
    previous: object,
    at: object,
) -> bytes:
    """The one encoding of these fields; ``ValueError`` if one is out of its type or range. Both directions use it."""
    for name, data, size in (
        ("vehicle id", vehicle, ID_BYTES),
        ("key id", key, ID_BYTES),
        ("session", session, SESSION_BYTES),
        ("previous", previous, HASH_BYTES),
    ):
        if not isinstance(data, bytes) or len(data) != size:
            raise ValueError(f"{name} must have {size} bytes")
    check_number("sequence", sequence, 2**32, least=1)
    check_number("number", command, 2**32)
    check_number("action", action, 2**8)
    check_number("outcome", outcome, 2**8)
    check_number("boot epoch", boot_epoch, 2**32)
    check_number("at", at, MAX_TIME)
    if not all(state is None or isinstance(state, bool) for state in (before, after)):
        raise ValueError("before and after must be true, false or null")
    return cbor.encode(
        [vehicle, sequence, command, key, action, outcome, before, after, boot_epoch, session, previous, at]
    )


def receipt_hash(signed: bytes) -> bytes:
    """What ``previous`` of the next receipt must be: the digest of this signed one, 32 bytes."""
    return RECEIPT.digest(signed)


def verify_chain(receipts: Iterable[Receipt], previous: Receipt | None = None) -> None:
    """Each verified receipt must follow the one before it: same vehicle, next sequence, its hash.

    ``previous``: the last one already held, ``None`` if the vehicle has none yet (then the first is number 1 and links
    to 32 zero bytes). ``TokenError`` receipt_chain at the first gap, repetition, swap or rewritten past.
    """
    for receipt in receipts:
        sequence = 1 if previous is None else previous.sequence + 1
        link = FIRST if previous is None else receipt_hash(previous.signed)
        if receipt.sequence != sequence or receipt.previous != link:
            raise TokenError(f"receipt {receipt.sequence} does not follow {sequence - 1}", code="receipt_chain")
        if previous is not None and receipt.vehicle_id != previous.vehicle_id:
            raise TokenError("receipts of two vehicles in one chain", code="receipt_chain")
        previous = receipt
