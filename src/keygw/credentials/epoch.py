"""The end of a vehicle's epoch: every digital key of it ends at once, whoever holds it (a stolen car, a sold one).

The next list names the new epoch as its least (``min_epoch``), which bars every token of an older one: also of keys
that nobody here remembers. So no index of theirs need stand in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from keygw.credentials.lifecycle import KeyEvent, next_state
from keygw.credentials.listing import put_list, view
from keygw.credentials.ports import CredentialTransaction, VehicleRecord
from keygw.credentials.values import Issuer, Limits
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.errors import Conflict

MOST_EPOCHS = 2**16


@dataclass(frozen=True, slots=True)
class EpochEnd:
    """``epoch``: the one that begins. ``ended``: keys that end with the old one, as shown now. ``list_sequence``: the
    list that tells it; 0 if nothing was issued in the old epoch, which therefore goes on."""

    vehicle_id: str
    epoch: int
    list_sequence: int = 0
    ended: tuple[DigitalKey, ...] = ()


async def end_epoch(
    tx: CredentialTransaction, vehicle: VehicleRecord, now: float, issuer: Issuer, limits: Limits
) -> EpochEnd:
    """``Conflict`` epochs_used_up after 65536 of them. Again, before anything is issued, changes nothing."""
    name, epoch = vehicle.vehicle.id, vehicle.epoch + 1
    records = await tx.keys(name)
    if all(record.key.epoch < vehicle.epoch for record in records):
        return EpochEnd(name, vehicle.epoch)
    if epoch >= MOST_EPOCHS:
        raise Conflict("every epoch of this vehicle has been used", code="epochs_used_up")
    changed = []
    for record in records:
        over = view(record, now).state is KeyState.EXPIRED
        state = next_state(record.key.state, KeyEvent.EXPIRE if over else KeyEvent.END_EPOCH)
        if state is not record.key.state:
            await tx.set_key_state(record.key, state, None if over else vehicle.list_sequence + 1)
        if state is KeyState.REVOKING is not record.key.state:
            changed.append(record.key.id)
    await tx.raise_epoch(name, epoch)
    published = await put_list(tx, replace(vehicle, epoch=epoch), now, issuer, limits)
    after = {record.key.id: view(record, now) for record in published.records}
    return EpochEnd(name, epoch, published.sequence, tuple(after[key_id] for key_id in changed))
