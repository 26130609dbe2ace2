"""The key token for HTTP and share links: a JWT (RFC 7519), ES256, ``typ`` dk+jwt.

``token.jws`` has the JOSE mechanics; here stands what the claims are: exactly the known ones, and nothing else.
"""

from __future__ import annotations

from typing import Any

from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import Signer, compress, coordinates
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.token.claims import KeyClaims, StatusReference, check_number, malformed
from keygw.token.jws import members, open_jws, sign_jws
from keygw.token.policy import check_time
from keygw.token.trust import TrustedIssuers

TYP = "dk+jwt"
MAX_CHARS = 4096
_CLAIMS = {"iss", "sub", "aud", "jti", "iat", "nbf", "exp", "cnf", "dk"}
_STATUS = frozenset({"status"})
_JWK = {"kty", "crv", "x", "y"}


def encode_jwt(claims: KeyClaims, signer: Signer, kid: bytes) -> str:
    """The signed token. ``kid`` (8 bytes) names ``signer``'s key, which must speak for ``claims.issuer``.

    ``ValueError`` for any other kid, ``CryptoError`` if the device key is off the curve.
    """
    x, y = coordinates(claims.device_key)
    payload: dict[str, Any] = {
        "iss": claims.issuer,
        "sub": claims.device_id,
        "aud": claims.vehicle_id,
        "jti": claims.key_id,
        "iat": claims.issued_at,
        "nbf": claims.not_before,
        "exp": claims.expires_at,
        "cnf": {"jwk": {"kty": "EC", "crv": "P-256", "x": encode_base64url(x), "y": encode_base64url(y)}},
        "dk": [
            encode_base64url(claims.vehicle_thumbprint),
            int(claims.role),
            int(claims.entitlements),
            claims.index,
            claims.parent_id,
            claims.depth,
            claims.max_depth,
            claims.epoch,
            claims.status_index,
            claims.user_verification,
        ],
    }
    if claims.status is not None:
        payload["status"] = {"status_list": {"idx": claims.status.index, "uri": claims.status.uri}}
    return sign_jws(TYP, payload, signer, kid)


def decode_jwt(
    text: str, issuers: TrustedIssuers, *, now: float | None = None, vehicle_id: str | None = None
) -> KeyClaims:
    """The claims of a token that a trusted issuer signed: for that vehicle if one is named, valid at ``now`` if given.

    ``TokenError``: token_malformed, wrong_type, unknown_issuer, token_signature, wrong_issuer, wrong_audience,
    token_not_yet_valid, token_expired.
    """
    payload, issuer = open_jws(text, TYP, issuers, MAX_CHARS)
    try:
        claims = _claims(payload, issuer.kid)
    except (ValueError, CryptoError) as error:
        raise malformed(str(error)) from error
    if claims.issuer != issuer.issuer:
        raise TokenError("the signing key does not speak for that issuer", code="wrong_issuer")
    if vehicle_id is not None and claims.vehicle_id != vehicle_id:
        raise TokenError("the key token is for another vehicle", code="wrong_audience")
    if now is not None:
        check_time(claims, now)
    return claims


def _claims(payload: dict[str, Any], kid: bytes) -> KeyClaims:
    """``ValueError`` or ``CryptoError`` unless it is exactly the claims set of the specification."""
    dk = members(payload, _CLAIMS, _STATUS)["dk"]
    if not isinstance(dk, list) or len(dk) != 10:
        raise ValueError("dk must be an array of 10")
    thumbprint, role, entitlements, index, parent, depth, max_depth, epoch, status_index, user_verification = dk
    jwk = members(members(payload["cnf"], {"jwk"})["jwk"], _JWK)
    if jwk["kty"] != "EC" or jwk["crv"] != "P-256":
        raise ValueError("the device key must be on P-256")
    claims = KeyClaims(
        issuer=payload["iss"],
        key_id=payload["jti"],
        device_key=compress(_bytes(jwk["x"]), _bytes(jwk["y"])),
        vehicle_id=payload["aud"],
        vehicle_thumbprint=_bytes(thumbprint),
        role=Role(check_number("role", role, 2**8)),
        entitlements=Entitlement(check_number("entitlements", entitlements, 2**32)),
        index=index,
        issued_at=payload["iat"],
        not_before=payload["nbf"],
        expires_at=payload["exp"],
        parent_id=parent,
        depth=depth,
        max_depth=max_depth,
        epoch=epoch,
        status_index=status_index,
        user_verification=user_verification,
        status=_status(payload["status"]) if "status" in payload else None,
        kid=kid,
    )
    if payload["sub"] != claims.device_id:
        raise ValueError("sub must be the id of the device key in cnf")
    return claims


def _status(value: object) -> StatusReference:
    listed = members(members(value, {"status_list"})["status_list"], {"idx", "uri"})
    return StatusReference(listed["idx"], listed["uri"])


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("expected base64url")
    return decode_base64url(value)
