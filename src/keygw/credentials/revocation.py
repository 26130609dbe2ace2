"""Ending and pausing keys, the signed list that tells the vehicle, and the vehicle's acknowledgement of it.

Every change of a key's state is committed together with a new signed list whose sequence is one greater.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from keygw.credentials.lifecycle import ENDINGS, HOLDS, Hold, KeyEvent, next_hold, next_state
from keygw.credentials.listing import put_list, view
from keygw.credentials.ports import CredentialTransaction, KeyRecord
from keygw.credentials.values import Issuer, Limits
from keygw.crypto.kdf import constant_time_equal
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.errors import Conflict, NotFound, TokenError
from keygw.model.revocation import ListAck
from keygw.token.revocation import list_hash


@dataclass(frozen=True, slots=True)
class Change:
    """What an event did. ``key`` is the key it was asked for, ``also`` those whose state changed because of it."""

    key: DigitalKey
    also: tuple[DigitalKey, ...] = ()
    list_sequence: int = 0
    """The list that tells it, a new one but for a key that was on one already; 0: nothing changed."""
    renewed: tuple[DigitalKey, ...] = ()
    """Good keys that got a new token, because that list's watermark bars their old ones."""


def family(root_id: str, records: Sequence[KeyRecord]) -> list[KeyRecord]:
    """The key and everything shared from it, parents first. ``records``: any set that is whole for that family."""
    ids = {root_id}
    members = []
    for record in sorted(records, key=lambda record: record.key.depth):
        if record.key.id in ids or record.key.parent_id in ids:
            ids.add(record.key.id)
            members.append(record)
    return members


async def change(
    tx: CredentialTransaction, record: KeyRecord, event: KeyEvent, now: float, issuer: Issuer, limits: Limits
) -> Change:
    """Carry an event that suspends, resumes or ends through to key, children and list. ``Conflict``: key_revoked,
    key_expired, parent_suspended (the parent must be resumed first), device_lost (found comes before resumed)."""
    target, hold = _target(record, event, now)
    if event is KeyEvent.RESUME and KeyState.SUSPENDED in record.above:
        raise Conflict("the key it was shared from is suspended: resume that one first", code="parent_suspended")
    if event is KeyEvent.RESUME and target is KeyState.SUSPENDED:
        raise Conflict("the device of the key is reported lost: it must be found first", code="device_lost")
    if event in (KeyEvent.RESUME, KeyEvent.FIND) and target is not record.key.state:
        device = await tx.device(record.key.device_id)
        if device is not None:
            limits.profiles.check_again(record.key.profile, record.key.entitlements, record.key.role, device)
    if target is KeyState.EXPIRED or (target is record.key.state and hold == record.hold):
        return Change(view(record, now))
    if target is record.key.state:  # one reason more or less; the car sees no difference
        return Change(view(replace(record, key=await tx.set_key_state(record.key, target, hold=hold)), now))
    if record.key.state is KeyState.REVOKING:  # removed in the car: the list that told of it, and of its family, stands
        ended = await tx.set_key_state(record.key, target)
        return Change(view(replace(record, key=ended), now), list_sequence=record.list_sequence)
    vehicle_id = record.key.vehicle_id
    vehicle = await tx.vehicle(vehicle_id)
    if vehicle is None:
        raise NotFound("there is no such vehicle", code="unknown_vehicle")
    sequence = vehicle.list_sequence + 1
    unexpired = await tx.unexpired_keys(vehicle_id, int(now))
    before = {member.key.id: view(member, now).state for member in family(record.key.id, unexpired)}
    for member in family(record.key.id, unexpired):
        # Suspending a parent leaves its children's own state alone, so that resuming it gives back exactly what was.
        if member.key.id == record.key.id:
            await tx.set_key_state(member.key, target, sequence, hold)
        elif event in ENDINGS:
            # The car has said of the removed key alone that it is dead there; what was shared from it is on the list.
            below = KeyEvent.REVOKE if event is KeyEvent.REMOVE else event
            if (state := next_state(member.key.state, below)) is not member.key.state:
                await tx.set_key_state(member.key, state, sequence)
    published = await put_list(tx, vehicle, now, issuer, limits)
    after = [view(member, now) for member in family(record.key.id, published.records)]
    return Change(
        key=next(key for key in after if key.id == record.key.id),
        also=tuple(key for key in after if key.id != record.key.id and key.state is not before[key.id]),
        list_sequence=sequence,
        renewed=published.renewed,
    )


async def accept_ack(
    tx: CredentialTransaction, vehicle_id: str, ack: ListAck, signed: bytes
) -> list[DigitalKey] | None:
    """Store an acknowledgement whose signature has been verified; answers the keys that became REVOKED by it.

    ``TokenError`` ack_foreign (another vehicle), ack_mismatch (not the list we signed); ``Conflict`` ack_unknown_list,
    ack_older. The acknowledgement we have already is a success that changes nothing (``None``).
    """
    if ack.vehicle_id != vehicle_id:
        raise TokenError("the acknowledgement is of another vehicle", code="ack_foreign")
    vehicle = await tx.vehicle(vehicle_id)
    stored = await tx.revocation_list(vehicle_id, ack.sequence)
    if vehicle is None or stored is None:
        raise Conflict(f"there is no list {ack.sequence} of this vehicle", code="ack_unknown_list")
    if not constant_time_equal(list_hash(stored.signed), ack.list_hash):
        raise TokenError("the vehicle acknowledges a list that was not signed here", code="ack_mismatch")
    if ack.sequence < vehicle.acknowledged_sequence:
        raise Conflict("the vehicle has acknowledged a newer list already", code="ack_older")
    if ack.sequence == vehicle.acknowledged_sequence:
        return None
    await tx.acknowledge_list(vehicle_id, ack.sequence, signed)
    ended = []
    for record in await tx.revoking_keys(vehicle_id, ack.sequence):
        state = next_state(record.key.state, KeyEvent.ACKNOWLEDGE)
        ended.append(await tx.set_key_state(record.key, state))
    return ended


def _target(record: KeyRecord, event: KeyEvent, now: float) -> tuple[KeyState, Hold]:
    """State and reasons after the event; an ending leaves the reasons: they are history then."""
    state = _timed(record, now)
    return next_hold(state, record.hold, event) if event in HOLDS else (next_state(state, event), record.hold)


def _timed(record: KeyRecord, now: float) -> KeyState:
    """The state the table starts from: the key's own, or EXPIRED once it is shown so."""
    return KeyState.EXPIRED if view(record, now).state is KeyState.EXPIRED else record.key.state
