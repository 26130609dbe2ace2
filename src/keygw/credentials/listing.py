"""A vehicle's next revocation list: what stands in it, what the watermark covers, and when a fresh one is due.

A list holds the index of each key that must not open the car although its token has not expired by the list's own time;
an entry is left out only once the list's iat is past the token's exp, because accepting the list moves the car's time
floor there, or while the list's watermark (``issued_before``) bars the token anyway. The watermark never goes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from keygw.credentials.lifecycle import REVOKED_STATES, shown_state
from keygw.credentials.ports import CredentialReads, CredentialTransaction, KeyRecord, ListRecord, VehicleRecord
from keygw.credentials.renewal import resign
from keygw.credentials.status_places import mark
from keygw.credentials.values import Issuer, Limits
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.revocation import RevocationList
from keygw.token.revocation import sign_list

_HIDDEN = frozenset({KeyState.SUSPENDED, KeyState.EXPIRED})
# EXPIRED before its exp: seen past its end by a clock that later went back. The car must refuse it as we do.


@dataclass(frozen=True, slots=True)
class Published:
    """``records``: the vehicle's unexpired keys as they are now. ``renewed``: those that got a new token."""

    sequence: int
    records: Sequence[KeyRecord]
    renewed: tuple[DigitalKey, ...] = ()


def view(record: KeyRecord, now: float) -> DigitalKey:
    """The key as it is shown: bounded by time and by its ancestors."""
    key = record.key
    state = shown_state(key.state, record.above, key.expires_at, now)
    return key if state is key.state else replace(key, state=state)


def barred(record: KeyRecord) -> bool:
    """Whether the car must refuse every token of this key."""
    return bool({record.key.state, *record.above} & (_HIDDEN | REVOKED_STATES))


def entries(
    records: Iterable[KeyRecord], issued_at: int, issued_before: int = 0
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """``(revoked, suspended)`` indices, ascending, of a list issued at that time with that watermark (Unix seconds)."""
    revoked, suspended = [], []
    for record in records:
        if record.key.expires_at <= issued_at or record.key.issued_at < issued_before:
            continue
        if record.key.state in REVOKED_STATES:
            revoked.append(record.key.index)
        elif barred(record):
            suspended.append(record.key.index)
    return tuple(sorted(revoked)), tuple(sorted(suspended))


def watermark(issued: Iterable[int], present: int, room: int) -> int:
    """``issued_before`` so that of entries issued at these times at most ``room`` stand in the list.

    When it must rise it frees half of the room: every rise costs each good key below it a new token.
    """
    waiting = sorted(at for at in issued if at >= present)
    return present if len(waiting) <= room else waiting[len(waiting) - room // 2 - 1] + 1


async def put_list(
    tx: CredentialTransaction, vehicle: VehicleRecord, now: float, issuer: Issuer, limits: Limits
) -> Published:
    """Sign and store the vehicle's next list, and a new token for each good key that its watermark would bar."""
    issued_at, name = int(now), vehicle.vehicle.id
    records = await tx.unexpired_keys(name, issued_at)
    issued = (record.key.issued_at for record in records if barred(record))
    before = watermark(issued, vehicle.issued_before, limits.list_entries)
    if before > vehicle.issued_before:
        await tx.raise_issued_before(name, before)
    renewed = [
        await resign(tx, vehicle, record.key, max(issued_at, before), issuer, limits)
        for record in records
        if record.key.issued_at < before and not barred(record)
    ]
    revoked, suspended = entries(records, issued_at, before)
    signed = sign_list(
        RevocationList(
            vehicle_id=name,
            sequence=vehicle.list_sequence + 1,
            issued_at=issued_at,
            next_update=issued_at + limits.list_lifetime,
            min_epoch=vehicle.epoch,
            revoked=revoked,
            suspended=suspended,
            issued_before=before,
        ),
        issuer.signer,
        issuer.kid,
    )
    await tx.add_list(ListRecord(name, vehicle.list_sequence + 1, issued_at, signed))
    await tx.raise_last_issued_at(max(issued_at, before))  # so no key is ever issued below the watermark
    records = await tx.unexpired_keys(name, issued_at)
    await mark(tx, name, issued_at, records)
    return Published(vehicle.list_sequence + 1, records, tuple(renewed))


async def due(reads: CredentialReads, vehicle: VehicleRecord, now: float, limits: Limits) -> bool:
    """Whether the vehicle needs a fresh list: its friend keys lose drive when the one it has grows old.

    The first is due with the first friend key; the next ones at ``next_update`` while there is an active one.
    """
    newest = await reads.revocation_list(vehicle.vehicle.id, vehicle.list_sequence)
    if newest is not None and now < newest.issued_at + limits.list_lifetime:
        return False
    records = await reads.unexpired_keys(vehicle.vehicle.id, int(now))
    return any(record.key.depth > 0 and view(record, now).state is KeyState.ACTIVE for record in records)
