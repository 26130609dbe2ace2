"""Before an issuer key is retired: what it has signed and is still in force is signed anew, vehicle by vehicle.

One vehicle is one transaction, and what is done needs no note beside it: what is left to do is what the store finds
still signed by the old key. A pass that was cut short goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from keygw.credentials.listing import put_list
from keygw.credentials.ports import CredentialTransaction, VehicleRecord
from keygw.credentials.renewal import resign, signed_by
from keygw.credentials.values import Issuer, Limits
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.token.envelope import REVOCATION_LIST

AT_ONCE = 32
"""Keys in one transaction: with a signer that takes long, others wait to write meanwhile."""
_IN_FORCE = (KeyState.ACTIVE, KeyState.SUSPENDED)


@dataclass(frozen=True, slots=True)
class Resigned:
    """``renewed``: keys with a new token. ``more``: keys of the vehicle are left."""

    renewed: tuple[DigitalKey, ...]
    more: bool = False


async def resign_vehicle(
    tx: CredentialTransaction, vehicle: VehicleRecord, kid: bytes, now: float, issuer: Issuer, limits: Limits
) -> Resigned:
    """Tokens by ``issuer`` for keys of the vehicle whose token names ``kid``, and a list if that one does.

    Suspended keys too: they may be resumed, and then nobody would ask. Their new tokens are younger than the watermark
    that may have covered the old ones, so the list that pauses them is signed in the same transaction.
    """
    name, at = vehicle.vehicle.id, max(int(now), vehicle.issued_before)
    waiting = []
    for record in await tx.unexpired_keys(name, int(now)):
        token = await tx.key_token(record.key.id)
        if record.key.state in _IN_FORCE and token is not None and signed_by(token) == kid:
            waiting.append(record.key)
    waiting.sort(key=lambda key: key.depth)  # no child's token outlives its parent's, so parents come first
    renewed = [await resign(tx, vehicle, key, at, issuer, limits) for key in waiting[:AT_ONCE]]
    more = len(waiting) > AT_ONCE
    if renewed:
        await tx.raise_last_issued_at(at)
    newest = await tx.revocation_list(name, vehicle.list_sequence)
    if newest is None or not (renewed or REVOCATION_LIST.open(newest.signed).kid == kid):
        return Resigned(tuple(renewed), more)
    published = await put_list(tx, vehicle, now, issuer, limits)
    return Resigned((*renewed, *published.renewed), more)
