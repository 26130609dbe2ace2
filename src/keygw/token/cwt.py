"""The key token on the air: a CWT (RFC 8392) in an untagged COSE_Sign1.

The shape is fixed, so the payload's whole grammar is one regular expression; it admits only shortest-form integers and
the one order of keys, which makes the form deterministic (RFC 8949 section 4.2.1). Left out because they follow from
what is there: ``iss`` is the issuer of the key that ``kid`` names, ``sub`` is derived from the device key.
"""

from __future__ import annotations

import re

from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import Signer, check_public_key
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.token.claims import KeyClaims, malformed, raw_ids, text_id
from keygw.token.envelope import KEY_TOKEN
from keygw.token.trust import IssuerKey, TrustedIssuers

# A deterministic unsigned integer below 2^64: the shortest of the five forms of RFC 8949 section 3.
_UINT = rb"([\x00-\x17]|\x18[\x18-\xff]|\x19(?!\x00)..|\x1a(?!\x00\x00)....|\x1b(?!\x00\x00\x00\x00)........)"
_GRAMMAR = b"".join(
    (
        rb"\xa6\x04" + _UINT + rb"\x05" + _UINT + rb"\x06" + _UINT,  # map of 6: exp, nbf, iat
        rb"\x07\x4a(.{10})",  # cti
        rb"\x08\xa1\x01\xa4\x01\x02\x20\x01\x21\x58\x20(.{32})\x22([\xf4\xf5])",  # cnf: COSE_Key {EC2, P-256, x, odd y}
        rb"\x3a\x00\x01\x00\x00\x8b",  # claim -65537, array of 11
        rb"\x4a(.{10})\x50(.{16})" + _UINT * 3,  # vehicle id, head of its key's thumbprint, role, entitlements, index
        rb"(?:\x4a(.{10})|\xf6)" + _UINT * 3,  # parent, depth, max depth, epoch
        rb"(?:" + _UINT + rb"|\xf6)([\xf4\xf5])",  # status index, user verification
    )
)
_PAYLOAD = re.compile(_GRAMMAR, re.DOTALL)
_INDEX = 11


def encode_cwt(claims: KeyClaims, signer: Signer, kid: bytes) -> bytes:
    """The signed token, at most 230 bytes (until 2106).

    ``kid`` (8 bytes, else ``ValueError``) names ``signer``'s key, which must speak for ``claims.issuer``: verifiers
    take the issuer from there.
    """
    return KEY_TOKEN.seal(_payload(claims), signer, kid)


def decode_cwt(data: bytes, issuers: TrustedIssuers, *, vehicle_id: str | None = None) -> KeyClaims:
    """The claims of a token that a trusted issuer signed, for that vehicle if one is named.

    ``TokenError``: wrong_type, token_malformed, unknown_issuer, token_signature, wrong_audience. Time and revocation
    are for ``keygw.token.policy``.
    """
    envelope = KEY_TOKEN.open(data)
    issuer = issuers.find(envelope.kid)
    envelope.verify(issuer.public_key)
    claims = _claims(envelope.payload, issuer)
    if vehicle_id is not None and claims.vehicle_id != vehicle_id:
        raise TokenError("the key token is for another vehicle", code="wrong_audience")
    return claims


def index_of(token: bytes) -> int:
    """The key index that a token states, unverified: for its holder, who names it by that. ``TokenError`` malformed."""
    match = _PAYLOAD.fullmatch(KEY_TOKEN.open(token).payload)
    if match is None:
        raise malformed("the claims of a CWT")
    return _number(match[_INDEX])


def _payload(claims: KeyClaims) -> bytes:
    device_key, parent, status = claims.device_key, claims.parent_id, claims.status_index
    ids = raw_ids(claims.key_id, claims.vehicle_id, parent or claims.key_id)
    return b"".join(
        (
            b"\xa6\x04",
            _uint(claims.expires_at),
            b"\x05",
            _uint(claims.not_before),
            b"\x06",
            _uint(claims.issued_at),
            b"\x07\x4a",
            ids[:10],
            b"\x08\xa1\x01\xa4\x01\x02\x20\x01\x21\x58\x20",
            device_key[1:],
            b"\x22\xf5" if device_key[0] == 3 else b"\x22\xf4",
            b"\x3a\x00\x01\x00\x00\x8b\x4a",
            ids[10:20],
            b"\x50",
            claims.vehicle_thumbprint,
            _uint(claims.role),
            _uint(claims.entitlements),
            _uint(claims.index),
            b"\xf6" if parent is None else b"\x4a" + ids[20:],
            bytes((claims.depth, claims.max_depth)),  # at most 2: each is its own encoding
            _uint(claims.epoch),
            b"\xf6" if status is None else _uint(status),
            b"\xf5" if claims.user_verification else b"\xf4",
        )
    )


def _claims(payload: bytes, issuer: IssuerKey) -> KeyClaims:
    match = _PAYLOAD.fullmatch(payload)
    if match is None:
        raise malformed("the claims of a CWT")
    (exp, nbf, iat, cti, x, odd, vehicle, head, role, rights, index, parent, depth, deepest, epoch, status, verify) = (
        match.groups()
    )
    try:
        return KeyClaims(
            issuer=issuer.issuer,
            key_id=text_id("key", cti),
            device_key=check_public_key((b"\x03" if odd == b"\xf5" else b"\x02") + x),
            vehicle_id=text_id("veh", vehicle),
            vehicle_thumbprint=head,
            role=Role(_number(role)),
            entitlements=Entitlement(_number(rights)),
            index=_number(index),
            issued_at=_number(iat),
            not_before=_number(nbf),
            expires_at=_number(exp),
            parent_id=None if parent is None else text_id("key", parent),
            depth=_number(depth),
            max_depth=_number(deepest),
            epoch=_number(epoch),
            status_index=None if status is None else _number(status),
            user_verification=verify == b"\xf5",
            kid=issuer.kid,
        )
    except (ValueError, CryptoError) as error:
        raise malformed(str(error)) from error


def _uint(value: int) -> bytes:
    """The shortest CBOR form (RFC 8949 section 4.2.1)."""
    if value < 24:
        return b"%c" % value
    if value < 2**8:
        return b"\x18%c" % value
    if value < 2**16:
        return b"\x19" + value.to_bytes(2, "big")
    if value < 2**32:
        return b"\x1a" + value.to_bytes(4, "big")
    return b"\x1b" + value.to_bytes(8, "big")


def _number(item: bytes) -> int:
    return item[0] if len(item) == 1 else int.from_bytes(item[1:], "big")
