"""The compact JWS of everything that we sign for HTTP (RFC 7515), ES256: header exactly ``typ``, ``alg`` and ``kid``.

Signing is three parts joined by dots, and the private key may live elsewhere. Reading is PyJWT's, and around it stands
what RFC 8725 asks for and PyJWT leaves open: exactly the three header parameters, canonical base64url, no member twice,
whole numbers only. What the claims may be is for the reader of each ``typ``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NoReturn

from jwt import PyJWS
from jwt.algorithms import Algorithm
from jwt.exceptions import InvalidSignatureError, PyJWTError

from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import SIGNATURE_BYTES, Signer, verify
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.errors import TokenError
from keygw.token.claims import malformed
from keygw.token.strict_json import dump_object, parse_object
from keygw.token.trust import KID_BYTES, IssuerKey, TrustedIssuers

_HEADER = {"typ", "alg", "kid"}


class _Es256(Algorithm):
    """ES256 through ``keygw.crypto``, for verifying alone: PyJWT's "key" is our 33 bytes."""

    def prepare_key(self, key: Any) -> Any:
        return key

    def sign(self, msg: bytes, key: Any) -> NoReturn:
        raise NotImplementedError("private keys stay behind their signer")

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


def sign_jws(typ: str, payload: dict[str, Any], signer: Signer, kid: bytes) -> str:
    """The signed text. ``kid`` (8 bytes) names ``signer``'s key; ``ValueError`` for any other length."""
    content = f"{_header(typ, kid)}.{encode_base64url(dump_object(payload))}"
    signature = signer.sign(content.encode("ascii"))
    if len(signature) != SIGNATURE_BYTES:
        raise ValueError(f"the signer must give {SIGNATURE_BYTES} bytes, r || s")
    return f"{content}.{encode_base64url(signature)}"


@lru_cache(maxsize=64)
def _header(typ: str, kid: bytes) -> str:
    """As it travels. A memo: an issuer has one key at a time and a few kinds of objects."""
    if len(kid) != KID_BYTES:
        raise ValueError(f"a kid has {KID_BYTES} bytes")
    return encode_base64url(dump_object({"alg": "ES256", "kid": encode_base64url(kid), "typ": typ}))


def open_jws(text: str, typ: str, issuers: TrustedIssuers, limit: int) -> tuple[dict[str, Any], IssuerKey]:
    """The claims as they stand, and the trusted key that signed them. ``limit``: characters.

    ``TokenError``: token_malformed, wrong_type, unknown_issuer, token_signature.
    """
    if not isinstance(text, str) or len(text) > limit or text.count(".") != 2:
        raise malformed("not a compact JWS of bounded length")
    header_part, payload_part, signature_part = text.split(".")
    try:
        header = parse_object(decode_base64url(header_part))
        if header.get("typ") != typ:
            raise TokenError(f"expected a token of typ {typ}", code="wrong_type")
        if header.keys() != _HEADER or header["alg"] != "ES256" or not isinstance(header["kid"], str):
            raise ValueError("the header must be typ, alg ES256 and kid, and nothing else")
        issuer = issuers.find(decode_base64url(header["kid"]))
        decode_base64url(signature_part)
        payload = parse_object(decode_base64url(payload_part))
    except (ValueError, RecursionError, CryptoError) as error:
        raise malformed(str(error)) from error
    check_signature(text, issuer.public_key)
    return payload, issuer


def check_signature(text: str, public_key: bytes) -> None:
    """That this key (P-256, 33 bytes) has signed the compact JWS. ``TokenError``: token_malformed, token_signature."""
    try:
        _JWS.decode(text, key=public_key, algorithms=["ES256"])
    except InvalidSignatureError as error:
        raise TokenError("the signature does not hold", code="token_signature") from error
    except (ValueError, RecursionError, CryptoError, PyJWTError) as error:
        raise malformed(str(error)) from error


def members(value: object, names: set[str], optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    """``value`` if it is an object with exactly these members, and perhaps the optional ones; ``ValueError``."""
    if not isinstance(value, dict) or value.keys() - optional != names:
        raise ValueError(f"expected exactly {', '.join(sorted(names))}")
    return value
