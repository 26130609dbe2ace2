"""The vehicle's receipts: verified before this, chained by hash, kept for good."""

from __future__ import annotations

from typing import Any

from keygw.credentials.ports import CredentialTransaction
from keygw.crypto.kdf import HASH_BYTES
from keygw.model.base64url import encode_base64url
from keygw.model.errors import Conflict, NotFound, TokenError
from keygw.model.receipt import Receipt
from keygw.model.times import rfc3339
from keygw.token.receipt import receipt_hash


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """``signed`` is the vehicle-signed original, so that an app can check it against the vehicle key."""
    return {
        "vehicle_id": receipt.vehicle_id,
        "sequence": receipt.sequence,
        "number": receipt.number,
        "key_id": receipt.key_id,
        "action": receipt.action.label,
        "outcome": receipt.outcome.label,
        "ok": receipt.outcome.ok,
        "before": receipt.before,
        "after": receipt.after,
        "boot_epoch": receipt.boot_epoch,
        "at": rfc3339(receipt.at) if receipt.at else None,
        "signed": encode_base64url(receipt.signed),
    }


async def keep(tx: CredentialTransaction, vehicle_id: str, receipt: Receipt) -> bool:
    """Store a receipt whose signature has been verified; False if we have it already.

    Receipts may come in any order: a gap is filled later, and the chain is checked wherever a neighbour is there.
    ``TokenError`` receipt_foreign (another vehicle); ``Conflict`` receipt_conflict (another one under this sequence),
    receipt_chain_broken (a neighbour does not fit). The last two mean that the vehicle, or whoever has its key,
    tells two stories.
    """
    if receipt.vehicle_id != vehicle_id:
        raise TokenError("the receipt is of another vehicle", code="receipt_foreign")
    known = await tx.receipt(vehicle_id, receipt.sequence)
    if known is not None:
        if receipt_hash(known.signed) == receipt_hash(receipt.signed):
            return False
        raise Conflict(f"the vehicle signed two receipts number {receipt.sequence}", code="receipt_conflict")
    await _check_chain(tx, receipt)
    await tx.add_receipt(receipt)
    vehicle = await tx.vehicle(vehicle_id)
    if vehicle is None:
        raise NotFound("there is no such vehicle", code="unknown_vehicle")
    if receipt.sequence == vehicle.receipts_through + 1:
        await tx.set_receipts_through(vehicle_id, await tx.receipt_run_end(vehicle_id, receipt.sequence))
    return True


async def _check_chain(tx: CredentialTransaction, receipt: Receipt) -> None:
    before = await tx.receipt(receipt.vehicle_id, receipt.sequence - 1)
    after = await tx.receipt(receipt.vehicle_id, receipt.sequence + 1)
    start = bytes(HASH_BYTES) if receipt.sequence == 1 else receipt.previous
    expected = receipt_hash(before.signed) if before else start
    if receipt.previous != expected or (after is not None and after.previous != receipt_hash(receipt.signed)):
        raise Conflict(f"receipt {receipt.sequence} does not fit its neighbour", code="receipt_chain_broken")
