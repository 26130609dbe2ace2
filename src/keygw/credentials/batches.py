"""Many keys of one vehicle in one transaction: all of them or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from keygw.credentials.issuing import KeyPlan, checked_public_key, plan_owner
from keygw.credentials.listing import view
from keygw.credentials.pairing import refuse_without_ticket
from keygw.credentials.ports import CredentialTransaction, VehicleRecord
from keygw.credentials.sharing import callers_grant, plan_granted, read_grant
from keygw.credentials.values import Limits
from keygw.crypto.signer import device_id
from keygw.model.device import Device, DeviceKind
from keygw.model.errors import BadInput, NotFound

MOST = 100


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key for the phone with that public key (33 bytes).

    An owner key that lives ``lifetime`` seconds (``None``: a year), or, with a ``parent_id``, the friend key that the
    parent's device has granted.
    """

    public_key: bytes
    label: str = ""
    lifetime: int | None = None
    parent_id: str | None = None
    grant: bytes | None = field(default=None, repr=False)

    def device(self) -> Device:
        """``BadInput`` bad_public_key."""
        checked_public_key(self.public_key)
        return Device(device_id(self.public_key), DeviceKind.PHONE, self.public_key)


def checked_wishes(wishes: Sequence[KeyWish]) -> Sequence[KeyWish]:
    """``BadInput`` bad_batch: none or too many of them, a grant without a parent, or one grant twice."""
    grants = [wish.grant for wish in wishes if wish.grant is not None]
    if not 1 <= len(wishes) <= MOST:
        raise BadInput(f"a batch has 1 to {MOST} keys", code="bad_batch")
    if any((wish.parent_id is None) != (wish.grant is None) for wish in wishes) or len(set(grants)) != len(grants):
        raise BadInput("a friend key takes its parent and a grant of its own", code="bad_batch")
    return wishes


async def plan(tx: CredentialTransaction, vehicle: VehicleRecord, wish: KeyWish, now: float, limits: Limits) -> KeyPlan:
    """What the wish comes to. The codes of ``issuing`` and, as ``BadInput`` or ``Forbidden``, of ``token.grant``."""
    if wish.parent_id is None or wish.grant is None:
        refuse_without_ticket(vehicle)
        return plan_owner(wish.device(), wish.label, wish.lifetime, now, limits)
    record = await tx.key(wish.parent_id)
    if record is None or record.key.vehicle_id != vehicle.vehicle.id:
        raise NotFound("there is no such key", code="unknown_key")
    parent = view(record, now)
    with callers_grant():
        said = await read_grant(tx, parent, wish.grant)
    return plan_granted(parent, wish.device(), said, wish.label, now, limits)
