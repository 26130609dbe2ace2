"""Access tokens as JWTs (RFC 9068), bound to a key by its thumbprint (RFC 9449, section 6.1).

Signed by the issuer like key tokens, and never to be mistaken for one: another ``typ``, and no car reads JWTs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from keygw.crypto.signer import Signer
from keygw.model.errors import TokenError
from keygw.token.claims import malformed
from keygw.token.jws import members, open_jws, sign_jws
from keygw.token.trust import TrustedIssuers

TYP = "at+jwt"
MAX_CHARS = 4096
_CLAIMS = {"iss", "sub", "aud", "client_id", "scope", "jti", "iat", "exp", "auth_time", "cnf", "grant"}
_ID = re.compile(r"[A-Za-z0-9_.:/\-\[\]]{1,300}", re.ASCII)
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_SCOPE = re.compile(r"[a-z.]+( [a-z.]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """``issuer``: the gateway's URL, which is the audience too; ``subject``: the person for whom the app acts.

    ``grant``: id of the app row that the grant is. ``thumbprint``: of the key whose proof must come with it. ``scope``:
    names joined by spaces. ``auth_time``: when the person was last seen to be there. Times: Unix seconds.
    """

    issuer: str
    subject: str
    client_id: str
    grant: str
    scope: str
    token_id: str
    issued_at: int
    expires_at: int
    auth_time: int
    thumbprint: str


def encode_access(claims: AccessClaims, signer: Signer, kid: bytes) -> str:
    """The signed token (section 2)."""
    payload = {
        "iss": claims.issuer,
        "sub": claims.subject,
        "aud": claims.issuer,
        "client_id": claims.client_id,
        "grant": claims.grant,
        "scope": claims.scope,
        "jti": claims.token_id,
        "iat": claims.issued_at,
        "exp": claims.expires_at,
        "auth_time": claims.auth_time,
        "cnf": {"jkt": claims.thumbprint},
    }
    return sign_jws(TYP, payload, signer, kid)


def decode_access(text: str, issuers: TrustedIssuers, *, now: float, issuer: str) -> AccessClaims:
    """What a token says that we have signed for ``issuer`` (our own URL), and that is good at ``now`` (section 4).

    ``TokenError``: token_malformed, wrong_type, unknown_issuer, token_signature, wrong_issuer, wrong_audience,
    token_expired.
    """
    payload, _ = open_jws(text, TYP, issuers, MAX_CHARS)
    try:
        found = members(payload, _CLAIMS)
        thumbprint = members(found["cnf"], {"jkt"})["jkt"]
        texts = [found[name] for name in ("iss", "sub", "aud", "client_id", "grant", "jti")]
        if not all(isinstance(each, str) and _ID.fullmatch(each) for each in texts):
            raise ValueError("a name in it is none of ours")
        if any(type(found[name]) is not int for name in ("iat", "exp", "auth_time")):
            raise ValueError("times are whole numbers of seconds")
        if not isinstance(thumbprint, str) or not _THUMBPRINT.fullmatch(thumbprint):
            raise ValueError("jkt is a SHA-256 in base64url")
        if not isinstance(found["scope"], str) or not _SCOPE.fullmatch(found["scope"]):
            raise ValueError("scope is names joined by spaces")
    except ValueError as error:
        raise malformed(str(error)) from error
    if found["iss"] != issuer:
        raise TokenError("the access token is of another gateway", code="wrong_issuer")
    if found["aud"] != issuer:
        raise TokenError("the access token is for another gateway", code="wrong_audience")
    if now >= found["exp"]:
        raise TokenError("the access token has expired: refresh it", code="token_expired")
    return AccessClaims(
        issuer=found["iss"],
        subject=found["sub"],
        client_id=found["client_id"],
        grant=found["grant"],
        scope=found["scope"],
        token_id=found["jti"],
        issued_at=found["iat"],
        expires_at=found["exp"],
        auth_time=found["auth_time"],
        thumbprint=thumbprint,
    )
