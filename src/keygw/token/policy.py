"""What a verified key token is good for here and now. Every check returns nothing and raises ``TokenError``."""

from __future__ import annotations

from typing import Protocol

from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.model.revocation import RevocationList
from keygw.token.claims import KeyClaims


class Policy(Protocol):
    """One condition on a key token at the moment ``now`` (Unix seconds)."""

    def __call__(self, claims: KeyClaims, now: float) -> None:
        """Return if it holds; ``TokenError`` otherwise."""


def check_time(claims: KeyClaims, now: float, leeway: float = 0) -> None:
    """``nbf <= now < exp``, stretched by ``leeway`` seconds. ``TokenError``: token_not_yet_valid, token_expired."""
    # Written so that a NaN is refused: every comparison with it is false.
    if not claims.not_before - leeway <= now:
        raise TokenError("the key token is not valid yet", code="token_not_yet_valid")
    if not now < claims.expires_at + leeway:
        raise TokenError("the key token has expired; fetch the renewed one", code="token_expired")


def check_vehicle(claims: KeyClaims, vehicle_id: str, vehicle_thumbprint: bytes) -> None:
    """Id and key must both be this vehicle's (16 or more bytes of thumbprint). ``TokenError`` wrong_audience."""
    if claims.vehicle_id != vehicle_id or claims.vehicle_thumbprint != vehicle_thumbprint[:16]:
        raise TokenError("the key token is for another vehicle", code="wrong_audience")


def check_list(claims: KeyClaims, current: RevocationList) -> None:
    """The vehicle's revocation list. ``TokenError``: wrong_audience, key_revoked, key_suspended."""
    if claims.vehicle_id != current.vehicle_id:
        raise TokenError("the revocation list is of another vehicle", code="wrong_audience")
    if claims.index in current.revoked or claims.epoch < current.min_epoch or claims.issued_at < current.issued_before:
        raise TokenError("the digital key is revoked", code="key_revoked")
    if claims.index in current.suspended:
        raise TokenError("the digital key is suspended", code="key_suspended")


def check_entitlement(claims: KeyClaims, needed: Entitlement) -> None:
    """Every bit of ``needed``, of which there must be one. ``TokenError`` not_entitled."""
    if not needed or claims.entitlements & needed != needed:
        raise TokenError("the digital key does not allow this", code="not_entitled")


def require(claims: KeyClaims, now: float, *policies: Policy) -> None:
    """All of ``policies``, in order. None at all is ``TokenError`` policy_empty: nothing checked, so nothing holds."""
    if not policies:
        raise TokenError("no policy says that this key token is acceptable", code="policy_empty")
    for policy in policies:
        policy(claims, now)
