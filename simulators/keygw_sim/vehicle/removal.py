"""Keys that somebody in the car has removed: barred at once and for good, whatever the issuer says of them.

The car names them by index, as a list does, so a renewed token of a removed key is barred as well; another key of the
same device has another index, and is another key.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from keygw.crypto.signer import thumbprint
from keygw.model.errors import Conflict
from keygw.model.revocation import RevocationList
from keygw_sim.vehicle.flash import EnrolledKey, Memory, Removed

MAX_REMOVED = 256
"""Kept at once. Beyond that the oldest that the list in force bars as well gives way."""


def bar(memory: Memory, key_id: str, listed: RevocationList | None, receipt: int) -> None:
    """Bar a key that the car knows; ``receipt``: the sequence of the one that says so.

    An owner's device is no owner's any more, unless it has another owner key here. ``Conflict``: unknown_key,
    last_owner, too_many_removed.
    """
    entry = memory.keys.get(key_id)
    if entry is None:
        raise Conflict("the car knows no such key", code="unknown_key")
    if entry.depth == 0 and not _another(memory, key_id, entry):
        _disown(memory, entry)
    _make_room(memory, () if listed is None else listed.revoked)
    memory.tokens.pop(entry.index, None)
    memory.removed[entry.index] = Removed(key_id, entry.epoch, receipt)


def kept_receipts(memory: Memory, listed: RevocationList | None) -> set[int]:
    """Sequences of the receipts that must not go yet: of removals that the list in force does not show to be known."""
    known = () if listed is None else listed.revoked
    return {removed.receipt for index, removed in memory.removed.items() if index not in known}


def told(memory: Memory) -> set[int]:
    """Sequences of the receipts of all removals: every key may read them, or the news would wait for an owner."""
    return {removed.receipt for removed in memory.removed.values()}


def end_epoch(memory: Memory, epoch: int) -> None:
    """What bars every key of an older epoch bars those that were removed in it."""
    memory.removed = {index: removed for index, removed in memory.removed.items() if removed.epoch >= epoch}


def _another(memory: Memory, key_id: str, entry: EnrolledKey) -> bool:
    """Whether the device has another owner key here that is in force."""
    return any(
        other.depth == 0 and other.device_key == entry.device_key and other.index not in memory.removed
        for other_id, other in memory.keys.items()
        if other_id != key_id
    )


def _disown(memory: Memory, entry: EnrolledKey) -> None:
    """A car without an owner would take whoever sits in it as the next, so the last one stays."""
    left = [owner for owner in memory.owners if not entry.device_key or owner != thumbprint(entry.device_key)]
    if memory.owners and not left:
        raise Conflict(
            "the last owner's key cannot be removed in the car: pair another owner first, or have the issuer end "
            "every key of the vehicle",
            code="last_owner",
        )
    memory.owners = left
    memory.pairing = replace(memory.pairing, approved=False, allowed_until=0)  # it may have been this owner's


def _make_room(memory: Memory, listed: Collection[int]) -> None:
    if len(memory.removed) >= MAX_REMOVED:
        index = next((index for index in memory.removed if index in listed), None)
        if index is None:
            raise Conflict("too many keys were removed that the issuer has not heard of", code="too_many_removed")
        del memory.removed[index]
