"""What a shared key stands on: grants by the devices above it, up to an owner's that this car has enrolled.

A friend key's token is the issuer's word alone. The car asks once for the chain (CRED_PUT), verifies every link of it,
and remembers what it found with the key; from then on each token of that key is held to what was granted.
"""

from __future__ import annotations

from keygw.crypto.signer import thumbprint
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.session.vehicle import VerifyToken
from keygw.token.claims import KeyClaims
from keygw.token.grant import Grant, check_grant, check_within, verify_grant
from keygw.wire.messages import Chain
from keygw_sim.vehicle.flash import EnrolledKey, KeptGrant, Memory

MAX_GRANTS = 256
"""Kept at once. Beyond that the one that ends first makes room; its key brings the chain again."""

Verified = list[tuple[KeyClaims, Grant, KeyClaims]]
"""``(child, grant, parent)`` for each link, nearest first."""


def verify(claims: KeyClaims, chain: Chain, verify_token: VerifyToken, owners: list[bytes]) -> Verified:
    """Every signature and every bound, from the presented key up to an owner's; ``TokenError`` at the first that fails.

    ``owners``: thumbprints of the owner devices enrolled here. Time and revocation are judged afterwards, as always.
    """
    if len(chain) != claims.depth:
        raise TokenError("the chain does not reach from this key to an owner's", code="grant_depth")
    links: Verified = []
    child = claims
    for signed, token in chain:
        parent = verify_token(token)
        grant = verify_grant(signed, parent.device_key, claims.vehicle_id)
        check_grant(grant, parent, child)
        links.append((child, grant, parent))
        child = parent
    if child.role is not Role.OWNER or thumbprint(child.device_key) not in owners:
        raise TokenError("the chain does not end at an owner of this vehicle", code="grant_foreign")
    return links


def keep(memory: Memory, links: Verified) -> None:
    """Remember a verified chain. An older token of a parent never replaces a newer one. What has ended makes room."""
    forget(memory)
    for child, grant, parent in links:
        known = memory.keys.get(parent.key_id)
        if known is None or known.issued_at <= parent.issued_at:
            memory.keys[parent.key_id] = EnrolledKey.of(parent)
        memory.grants[child.key_id] = KeptGrant(grant, parent.device_key)
    new = {child.key_id for child, _, _ in links}
    others = sorted((kept.grant.expires_at, key_id) for key_id, kept in memory.grants.items() if key_id not in new)
    for _, key_id in others[: max(0, len(memory.grants) - MAX_GRANTS)]:
        del memory.grants[key_id]


def forget(memory: Memory) -> None:
    """Drop each grant that the floor has ended, and what was answered to its key: no later token is good on it.

    Not with the token: a renewed one keeps the key, and a number that was answered must not be done again. An owner key
    may be renewed for ever, so what was answered to it stays.
    """
    for key_id in [k for k, kept in memory.grants.items() if memory.time_floor >= kept.grant.expires_at]:
        del memory.grants[key_id]
        memory.answers.pop(key_id, None)


def ancestors(claims: KeyClaims, memory: Memory) -> list[EnrolledKey] | None:
    """The keys above a shared key, nearest first; ``None`` unless every link is verified and covers what is below it.

    Asked at authentication and before every command, so it costs no signature.
    """
    found: list[EnrolledKey] = []
    key_id, child = claims.key_id, EnrolledKey.of(claims)
    while child.depth > 0:
        kept = memory.grants.get(key_id)
        parent = None if kept is None else memory.keys.get(kept.grant.parent_id)
        if kept is None or parent is None or not _covers(kept, parent, child):
            return None
        found.append(parent)
        key_id, child = kept.grant.parent_id, parent
    return found if thumbprint(child.device_key) in memory.owners else None


def rights(claims: KeyClaims, memory: Memory) -> Entitlement:
    """What the token says, intersected with what every parent may: a child is never wider.

    Each is within its grant already, or it would not be covered.
    """
    above = ancestors(claims, memory)
    if above is None:
        return Entitlement(0)
    allowed = int(claims.entitlements)
    for parent in above:
        allowed &= parent.entitlements
    return Entitlement(allowed)


def _covers(kept: KeptGrant, parent: EnrolledKey, child: EnrolledKey) -> bool:
    """Whether what was verified once still holds, whichever newer tokens have come for child and parent."""
    try:
        check_within(kept.grant, child)
    except TokenError:
        return False
    return (
        parent.device_key == kept.by
        and child.depth == parent.depth + 1
        and child.max_depth <= parent.max_depth
        and child.expires_at <= parent.expires_at
        and bool(Entitlement.KEY_SHARE & parent.entitlements)
    )
