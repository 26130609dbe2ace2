"""Grants that somebody brings: signed by the phone that holds the parent key, verified here before a key is issued.

One grant is good for one key, for ever: otherwise a friend whose key was revoked would only have to bring it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from keygw.credentials.issuing import KeyPlan, plan_friend
from keygw.credentials.ports import CredentialTransaction, KeyRecord
from keygw.credentials.values import Limits
from keygw.model.device import Device
from keygw.model.digital_key import DigitalKey
from keygw.model.errors import BadInput, Conflict, Forbidden, TokenError
from keygw.token.envelope import GRANT
from keygw.token.grant import Grant, verify_grant

_FORM = frozenset({"token_malformed", "wrong_type"})


@contextmanager
def callers_grant() -> Iterator[None]:
    """What is wrong with a grant is the caller's affair here: the same code, as ``BadInput`` or ``Forbidden``."""
    try:
        yield
    except TokenError as error:
        kind = BadInput if error.code in _FORM else Forbidden
        raise kind(f"the grant is refused: {error}", code=error.code) from error


async def read_grant(tx: CredentialTransaction, parent: DigitalKey, signed: bytes) -> Grant:
    """What the parent's device has signed. ``TokenError``: those of ``verify_grant``; that it is about this parent and
    the friend's device is for ``make_key``."""
    holder = await tx.device(parent.device_id)
    if holder is None:
        raise Conflict("the device that holds the parent is not known", code="grant_required")
    return verify_grant(signed, holder.public_key, parent.vehicle_id)


def plan_granted(
    parent: DigitalKey, device: Device, said: Grant, label: str, now: float, limits: Limits, profile: str = ""
) -> KeyPlan:
    """Exactly what was granted; ``issuing.plan_friend`` has the rules and their codes."""
    plan = plan_friend(parent, device, said.entitlements, said.expires_at, label, now, limits, profile)
    return replace(plan, max_depth=min(plan.max_depth, said.max_depth))


async def key_of_grant(
    tx: CredentialTransaction, parent: DigitalKey, device: Device, signed: bytes
) -> KeyRecord | None:
    """The key that was issued on this grant, whatever became of it.

    By what it says, not by its bytes: a signature can be rewritten by anybody into another one that holds.
    """
    for record in await tx.keys(parent.vehicle_id, device.id):
        if record.key.parent_id == parent.id and await same_grant(tx, record.key.id, signed):
            return record
    return None


async def same_grant(tx: CredentialTransaction, key_id: str, signed: bytes) -> bool:
    """Whether that key was issued on this grant; ``TokenError`` for what is no grant at all."""
    token = await tx.key_token(key_id)
    wanted = GRANT.open(signed).payload
    return token is not None and token.grant is not None and GRANT.open(token.grant).payload == wanted
