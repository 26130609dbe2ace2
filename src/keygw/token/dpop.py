"""DPoP proofs (RFC 9449): that whoever sends a request holds the key to which its token is bound.

Here is what a proof says and whether it is signed for this request. Whether its nonce is one of ours, and whether it
was seen before, depends on who has asked what until now: ``bridge.proofs``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import constant_time_equal, sha256
from keygw.crypto.signer import SIGNATURE_BYTES, Signer, compress, coordinates
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.errors import TokenError
from keygw.token.claims import malformed
from keygw.token.jws import check_signature
from keygw.token.strict_json import dump_object, parse_object

TYP = "dpop+jwt"
MAX_CHARS = 4096
MAX_URL = 2048
SECONDS = 300
"""So far may the time of a proof be from ours, either way (section 11.1). The nonce bounds it more tightly; a phone
whose clock is wrong by more hears so."""
_HEADER = {"typ", "alg", "jwk"}
_JWK = {"kty", "crv", "x", "y"}
_JWK_MORE = {"alg", "use", "kid", "key_ops", "ext"}
"""What others write into a public key, and what changes nothing. ``d`` is not among them: a proof that carries its
private key proves nothing."""
_JTI = re.compile(r"[\x21-\x7e]{8,128}", re.ASCII)
_NONCE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,128}", re.ASCII)
_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.\-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[\x21\x22\x24-\x3e\x40-\x7e]*)?(?:[?#].*)?",
    re.ASCII | re.DOTALL,
)
_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof whose signature holds for this request. ``thumbprint``: of its key (``thumbprint_of``), 43 characters.

    ``jti``: unique, as its maker says; ``nonce``: the server's, if it has one; ``issued_at``: Unix seconds.
    """

    thumbprint: str
    jti: str
    issued_at: int
    nonce: str | None = field(default=None, repr=False)


def make_proof(
    signer: Signer,
    method: str,
    url: str,
    *,
    now: float,
    jti: str,
    nonce: str | None = None,
    access_token: str | None = None,
) -> str:
    """Section 4.2. ``url``: of the request; query and fragment are left out. ``ValueError`` for no http(s) URL."""
    x, y = coordinates(signer.public_key)
    header = {"typ": TYP, "alg": "ES256", "jwk": _jwk(x, y)}
    claims: dict[str, Any] = {"jti": jti, "htm": method, "htu": _bare(url), "iat": int(now)}
    if nonce is not None:
        claims["nonce"] = nonce
    if access_token is not None:
        claims["ath"] = _hash_of(access_token)
    content = f"{encode_base64url(dump_object(header))}.{encode_base64url(dump_object(claims))}"
    signature = signer.sign(content.encode("ascii"))
    if len(signature) != SIGNATURE_BYTES:
        raise ValueError(f"the signer must give {SIGNATURE_BYTES} bytes, r || s")
    return f"{content}.{encode_base64url(signature)}"


def thumbprint_of(public_key: bytes) -> str:
    """JWK thumbprint (RFC 7638) of a P-256 key (33 bytes): SHA-256, base64url, 43 characters."""
    x, y = coordinates(public_key)
    members = dict(sorted(_jwk(x, y).items()))
    return encode_base64url(sha256(dump_object(members)))


def open_proof(text: str, method: str, url: str, *, now: float, access_token: str | None = None) -> Proof:
    """The checks of section 4.3 but for nonce and replay. ``url``: where this request was sent, as seen from outside.

    ``access_token``: the one that came with it; ``None`` at the token endpoint. ``TokenError``: token_malformed,
    wrong_type, token_signature, wrong_request, wrong_access_token, token_expired, token_not_yet_valid.
    """
    if len(text) > MAX_CHARS or not text.isascii() or text.count(".") != 2:
        raise malformed("a DPoP proof is a compact JWS of bounded length")
    header_part, payload_part, _ = text.split(".")
    try:
        header = parse_object(decode_base64url(header_part))
        if header.get("typ") != TYP:
            raise TokenError(f"a DPoP proof has the typ {TYP}", code="wrong_type")
        if header.keys() != _HEADER or header["alg"] != "ES256":
            raise ValueError("the header of a DPoP proof is typ, alg ES256 and jwk, and nothing else")
        public_key = _public_key(header["jwk"])
        proof, claims = _read(parse_object(decode_base64url(payload_part)), thumbprint_of(public_key))
    except (ValueError, RecursionError, CryptoError) as error:
        raise malformed(str(error)) from error
    check_signature(text, public_key)
    _check_request(claims, method, url, access_token)
    if proof.issued_at > now + SECONDS:
        raise TokenError("the DPoP proof is from the future: set the clock of the device", code="token_not_yet_valid")
    if proof.issued_at < now - SECONDS:
        raise TokenError("the DPoP proof is too old: make one for each request", code="token_expired")
    return proof


def _read(claims: dict[str, Any], thumbprint: str) -> tuple[Proof, dict[str, Any]]:
    """``ValueError`` unless the members that count have their types; others are the client's own."""
    jti, nonce, issued_at = claims.get("jti"), claims.get("nonce"), claims.get("iat")
    if not isinstance(jti, str) or not _JTI.fullmatch(jti):
        raise ValueError("jti is 8 to 128 visible characters")
    if nonce is not None and not (isinstance(nonce, str) and _NONCE.fullmatch(nonce)):
        raise ValueError("nonce is what the server sent")
    if type(issued_at) is not int:
        raise ValueError("iat is a whole number of seconds")
    return Proof(thumbprint, jti, issued_at, nonce), claims


def _check_request(claims: dict[str, Any], method: str, url: str, access_token: str | None) -> None:
    said = claims.get("htu")
    if claims.get("htm") != method or not isinstance(said, str) or not _same(said, url):
        raise TokenError(f"the DPoP proof is for another request than {method} here", code="wrong_request")
    said = claims.get("ath")
    if access_token is None:
        return
    if not isinstance(said, str) or not constant_time_equal(said.encode(), _hash_of(access_token).encode()):
        raise TokenError("the DPoP proof is for another access token (ath)", code="wrong_access_token")


def _same(said: str, url: str) -> bool:
    try:
        return _bare(said) == _bare(url)
    except ValueError:
        return False


def _bare(url: str) -> str:
    """Without query and fragment, and normalised (RFC 3986, sections 6.2.2.1 and 6.2.3). ``ValueError``."""
    found = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    if found is None:
        raise ValueError("not an http(s) URL")
    scheme, host, port, path = found.group("scheme", "host", "port", "path")
    where = "" if port in (None, _PORTS[scheme]) else f":{port}"
    return f"{scheme}://{host.lower()}{where}{path or '/'}"


def _public_key(jwk: object) -> bytes:
    """33 bytes. ``ValueError``, ``CryptoError``."""
    if not isinstance(jwk, dict) or not jwk.keys() >= _JWK or jwk.keys() - _JWK - _JWK_MORE:
        raise ValueError("jwk is a public key with kty, crv, x and y")
    if jwk["kty"] != "EC" or jwk["crv"] != "P-256":
        raise ValueError("the key must be on P-256")
    if not isinstance(jwk["x"], str) or not isinstance(jwk["y"], str):
        raise ValueError("x and y are base64url")
    return compress(decode_base64url(jwk["x"]), decode_base64url(jwk["y"]))


def _jwk(x: bytes, y: bytes) -> dict[str, str]:
    return {"kty": "EC", "crv": "P-256", "x": encode_base64url(x), "y": encode_base64url(y)}


def _hash_of(access_token: str) -> str:
    return encode_base64url(sha256(access_token.encode("utf-8", "surrogateescape")))
