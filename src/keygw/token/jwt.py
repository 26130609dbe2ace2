"""The key token for HTTP and share links: a JWT (RFC 7519), ES256, ``typ`` dk+jwt.

PyJWT does the JOSE mechanics with our signer behind it, so that the private key may live elsewhere. Around it stands
what RFC 8725 asks for and PyJWT leaves open: exactly the three header parameters, exactly the known claims, canonical
base64url, no member twice, whole numbers only.
"""

from __future__ import annotations

from typing import Any, NoReturn

from jwt import PyJWS
from jwt.algorithms import Algorithm
from jwt.exceptions import InvalidSignatureError, PyJWTError

from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import SIGNATURE_BYTES, Signer, compress, coordinates, verify
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.token.claims import KeyClaims, check_number, malformed
from keygw.token.policy import check_time
from keygw.token.strict_json import dump_object, parse_object
from keygw.token.trust import KID_BYTES, TrustedIssuers

TYP = "dk+jwt"
MAX_CHARS = 4096
_HEADER = {"typ", "alg", "kid"}
_CLAIMS = {"iss", "sub", "aud", "jti", "iat", "nbf", "exp", "cnf", "dk"}
_JWK = {"kty", "crv", "x", "y"}


class _Es256(Algorithm):
    """ES256 through ``keygw.crypto``: PyJWT's "key" is our ``Signer`` for signing, 33 bytes for verifying."""

    def prepare_key(self, key: Any) -> Any:
        return key

    def sign(self, msg: bytes, key: Signer) -> bytes:
        signature = key.sign(msg)
        if len(signature) != SIGNATURE_BYTES:
            raise ValueError(f"the signer must give {SIGNATURE_BYTES} bytes, r || s")
        return signature

    def verify(self, msg: bytes, key: bytes, sig: bytes) -> bool:
        """PyJWT wants a bool here and raises for us."""
        try:
            verify(key, sig, msg)
        except CryptoError:
            return False
        return True

    @staticmethod
    def to_jwk(key_obj: Any, as_dict: bool = False) -> NoReturn:
        raise NotImplementedError("private keys stay behind their signer")

    @staticmethod
    def from_jwk(jwk: Any) -> NoReturn:
        raise NotImplementedError("keys come from the trust of the verifier, never from a token")


def _jws() -> PyJWS:
    jws = PyJWS(algorithms=[])  # a private instance that knows one algorithm, ours
    jws.register_algorithm("ES256", _Es256())
    return jws


_JWS: Any = _jws()  # Any: PyJWT's annotations admit only the key objects of its own algorithms


def encode_jwt(claims: KeyClaims, signer: Signer, kid: bytes) -> str:
    """The signed token. ``kid`` (8 bytes) names ``signer``'s key, which must speak for ``claims.issuer``.

    ``ValueError`` for any other kid, ``CryptoError`` if the device key is off the curve.
    """
    if len(kid) != KID_BYTES:
        raise ValueError(f"a kid has {KID_BYTES} bytes")
    x, y = coordinates(claims.device_key)
    payload = {
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
    header = {"typ": TYP, "kid": encode_base64url(kid)}
    token: str = _JWS.encode(dump_object(payload), signer, algorithm="ES256", headers=header)
    return token


def decode_jwt(
    text: str, issuers: TrustedIssuers, *, now: float | None = None, vehicle_id: str | None = None
) -> KeyClaims:
    """The claims of a token that a trusted issuer signed: for that vehicle if one is named, valid at ``now`` if given.

    ``TokenError``: token_malformed, wrong_type, unknown_issuer, token_signature, wrong_issuer, wrong_audience,
    token_not_yet_valid, token_expired.
    """
    if not isinstance(text, str) or len(text) > MAX_CHARS or text.count(".") != 2:
        raise malformed("not a compact JWS of bounded length")
    header_part, payload_part, signature_part = text.split(".")
    try:
        header = parse_object(decode_base64url(header_part))
        if header.get("typ") != TYP:
            raise TokenError(f"the typ of a key token is {TYP}", code="wrong_type")
        if header.keys() != _HEADER or header["alg"] != "ES256" or not isinstance(header["kid"], str):
            raise ValueError("the header must be typ, alg ES256 and kid, and nothing else")
        issuer = issuers.find(decode_base64url(header["kid"]))
        decode_base64url(signature_part)
        payload = parse_object(decode_base64url(payload_part))
        _JWS.decode(text, key=issuer.public_key, algorithms=["ES256"])
        claims = _claims(payload)
    except InvalidSignatureError as error:
        raise TokenError("the signature does not hold", code="token_signature") from error
    except (ValueError, RecursionError, CryptoError, PyJWTError) as error:
        raise malformed(str(error)) from error
    if claims.issuer != issuer.issuer:
        raise TokenError("the signing key does not speak for that issuer", code="wrong_issuer")
    if vehicle_id is not None and claims.vehicle_id != vehicle_id:
        raise TokenError("the key token is for another vehicle", code="wrong_audience")
    if now is not None:
        check_time(claims, now)
    return claims


def _claims(payload: dict[str, Any]) -> KeyClaims:
    """``ValueError`` or ``CryptoError`` unless it is exactly the claims set of the specification."""
    dk = _members(payload, _CLAIMS)["dk"]
    if not isinstance(dk, list) or len(dk) != 10:
        raise ValueError("dk must be an array of 10")
    thumbprint, role, entitlements, index, parent, depth, max_depth, epoch, status_index, user_verification = dk
    jwk = _members(_members(payload["cnf"], {"jwk"})["jwk"], _JWK)
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
    )
    if payload["sub"] != claims.device_id:
        raise ValueError("sub must be the id of the device key in cnf")
    return claims


def _members(value: object, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != names:
        raise ValueError(f"expected exactly {', '.join(sorted(names))}")
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("expected base64url")
    return decode_base64url(value)
