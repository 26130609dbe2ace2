"""Is a verified key token for this vehicle, and for now? Every check returns nothing and raises ``TokenError``.

What it may do, and whether a list bars it, is judged where that is known: ``credentials.policy`` in the service, the
vehicle's own rules in the vehicle.
"""

from __future__ import annotations

from keygw.model.errors import TokenError
from keygw.token.claims import KeyClaims


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
