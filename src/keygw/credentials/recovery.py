"""After a restored backup: the vehicle has a list that we signed and do not remember. What it bars stays barred.

The vehicle refuses every list that is not newer than its own, so without this a revocation would never reach it; and a
newer one made from what the backup knows would bring back to life what was revoked since. The list itself says what
that was. What was *issued* since is not known here, so nobody could revoke it: the watermark ends it, and every key
that is known and good gets a new token.
"""

from __future__ import annotations

from dataclasses import dataclass

from keygw.credentials.lifecycle import KeyEvent, next_state
from keygw.credentials.listing import Published, put_list, view
from keygw.credentials.ports import CredentialTransaction, ListRecord, VehicleRecord
from keygw.credentials.values import Issuer, Limits
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.errors import NotFound
from keygw.token.revocation import verify_list
from keygw.token.trust import TrustedIssuers


@dataclass(frozen=True, slots=True)
class TakenIn:
    """``revoked`` and ``suspended``: keys whose state changed because the vehicle knew better."""

    published: Published
    revoked: tuple[DigitalKey, ...]
    suspended: tuple[DigitalKey, ...]


async def take_in(
    tx: CredentialTransaction,
    vehicle: VehicleRecord,
    signed: bytes,
    now: float,
    issuer: Issuer,
    trusted: TrustedIssuers,
    limits: Limits,
) -> TakenIn | None:
    """Adopt the vehicle's list and sign the next; ``None`` for one of ours that is not newer.

    One that is not newer and yet another one than ours of that number: we have signed lists since the backup too.

    Keys that it names end or pause here too. ``TokenError`` (``verify_list``) if we did not sign it for this vehicle.
    ``trusted``: our keys that still count; a retired one could have signed it in anybody's hands.
    """
    name = vehicle.vehicle.id
    found = verify_list(signed, trusted, name)
    ours = await tx.revocation_list(name, found.sequence)
    forked = ours is not None and ours.signed != signed
    if found.sequence <= vehicle.list_sequence and not forked:
        return None
    named = {**dict.fromkeys(found.suspended, KeyEvent.SUSPEND), **dict.fromkeys(found.revoked, KeyEvent.REVOKE)}
    if not forked:
        await tx.adopt_list(ListRecord(name, found.sequence, found.issued_at, signed), max(named, default=-1))
    now = max(now, float(found.issued_at), float(found.issued_before))
    await tx.raise_issued_before(name, int(now) + 1)
    await tx.raise_last_issued_at(int(now))
    changed: dict[str, KeyEvent] = {}
    for record in await tx.keys(name):
        event = named.get(record.key.index)
        if event is None and record.key.issued_at < found.issued_before:
            # The watermark alone does not say whether it was revoked or renewed: paused, until somebody looks.
            event = KeyEvent.SUSPEND
        if event is None or view(record, now).state not in (KeyState.ACTIVE, KeyState.SUSPENDED):
            continue
        state = next_state(record.key.state, event)
        if state is not record.key.state:
            await tx.set_key_state(record.key, state, max(found.sequence, vehicle.list_sequence) + 1)
            changed[record.key.id] = event
    adopted = await tx.vehicle(name)
    if adopted is None:
        raise NotFound("there is no such vehicle", code="unknown_vehicle")
    published = await put_list(tx, adopted, now, issuer, limits)
    now_keys = {record.key.id: view(record, now) for record in published.records}
    return TakenIn(
        published,
        revoked=tuple(now_keys[key_id] for key_id, event in changed.items() if event is KeyEvent.REVOKE),
        suspended=tuple(now_keys[key_id] for key_id, event in changed.items() if event is KeyEvent.SUSPEND),
    )
