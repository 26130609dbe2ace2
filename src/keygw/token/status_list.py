"""The Token Status List (draft-ietf-oauth-status-list-21): one signed list that says of many key tokens how they stand.

A list is a byte array in which each token has a few bits at its index, compressed with zlib. Whoever verifies a key
token fetches the list that its ``status`` names, and looks: the issuer learns which list was asked for, not which key.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

from keygw.crypto.signer import Signer
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.errors import TokenError
from keygw.model.open_enum import OpenEnum
from keygw.token.claims import MAX_TIME, KeyClaims, check_number, check_status_uri, malformed
from keygw.token.jws import members, open_jws, sign_jws
from keygw.token.trust import TrustedIssuers

TYP = "statuslist+jwt"
MEDIA_TYPE = f"application/{TYP}"
BITS = (1, 2, 4, 8)
LEVEL = 6
"""Of zlib: level 9 saves a few per mille of the bytes and takes twice as long."""
MAX_CHARS = 4 * 2**20
"""Of a list as it travels; one of a million statuses in two bits has about 33,000 when one in a hundred is revoked."""
MAX_BYTES = 2 * 2**20
"""Of a list without its compression: 8 million statuses of two bits. Bounds what a few bytes may grow to."""
MAX_TTL = 31 * 86_400
SKEW = 60
"""Seconds that the reader's clock may be behind the issuer's."""
_CLAIMS = {"sub", "iat", "exp", "ttl", "status_list"}
_AGGREGATION = frozenset({"aggregation_uri"})


class Status(OpenEnum):
    """How a token stands (draft section 7.1); 3 is free for each application, and keygw does not use it."""

    VALID = 0
    INVALID = 1
    SUSPENDED = 2
    APPLICATION_SPECIFIC = 3


class StatusArray:
    """Statuses side by side, the first in the least significant bits (draft section 4.1). All are 0 at first.

    ``IndexError`` for an index outside, ``ValueError`` for a status that does not fit or bits other than 1, 2, 4, 8.
    """

    __slots__ = ("_data", "bits")

    def __init__(self, size: int, bits: int = 2, data: bytes | None = None) -> None:
        """``size``: how many; it must fill whole bytes. ``data``: take these bytes as they are."""
        if bits not in BITS or size < 1 or size * bits % 8:
            raise ValueError("a status has 1, 2, 4 or 8 bits, and a list is some whole bytes")
        self.bits = bits
        self._data = bytearray(size * bits // 8) if data is None else bytearray(data)
        if len(self) != size:
            raise ValueError("the bytes do not hold as many statuses")

    def __len__(self) -> int:
        return len(self._data) * 8 // self.bits

    def __bytes__(self) -> bytes:
        return bytes(self._data)

    def __getitem__(self, index: int) -> Status:
        byte, shift = self._place(index)
        return Status(self._data[byte] >> shift & (1 << self.bits) - 1)

    def __setitem__(self, index: int, status: int) -> None:
        byte, shift = self._place(index)
        most = (1 << self.bits) - 1
        check_number("status", status, most + 1)
        self._data[byte] = self._data[byte] & ~(most << shift) | status << shift

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < len(self):
            raise IndexError("the index is outside of the status list")
        return divmod(index * self.bits, 8)


def compress(data: bytes) -> bytes:
    """zlib (RFC 1950), as the draft recommends."""
    return zlib.compress(data, LEVEL)


def decompress(data: bytes) -> bytes:
    """The whole of one zlib stream and nothing behind it; ``ValueError``, also for more than ``MAX_BYTES``."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, MAX_BYTES + 1)
    except zlib.error as error:
        raise ValueError("not a zlib stream") from error
    if len(found) > MAX_BYTES:
        raise ValueError(f"a status list has at most {MAX_BYTES} bytes")
    if not stream.eof or stream.unused_data or not found:
        raise ValueError("not one whole zlib stream")
    return found


@dataclass(frozen=True, slots=True)
class StatusList:
    """A verified list. ``uri``: its name, which its tokens carry. Times: Unix seconds; ``ttl``: seconds."""

    issuer: str
    uri: str
    issued_at: int
    expires_at: int
    ttl: int
    statuses: StatusArray = field(repr=False)
    aggregation_uri: str | None = None


def sign_status_list(
    statuses: StatusArray,
    uri: str,
    signer: Signer,
    kid: bytes,
    *,
    issued_at: int,
    expires_at: int,
    ttl: int,
    aggregation_uri: str | None = None,
) -> str:
    """The list as it travels. ``ttl``: after so many seconds a reader asks anew. ``ValueError`` for what
    ``verify_status_list`` would refuse."""
    listed: dict[str, Any] = {"bits": statuses.bits, "lst": encode_base64url(compress(bytes(statuses)))}
    if aggregation_uri is not None:
        listed["aggregation_uri"] = check_status_uri(aggregation_uri)
    _check_times(issued_at, expires_at, ttl)
    if len(bytes(statuses)) > MAX_BYTES:
        raise ValueError(f"a status list has at most {MAX_BYTES} bytes")
    payload = {"sub": check_status_uri(uri), "iat": issued_at, "exp": expires_at, "ttl": ttl, "status_list": listed}
    return sign_jws(TYP, payload, signer, kid)


def verify_status_list(text: str, issuers: TrustedIssuers, uri: str, now: float) -> StatusList:
    """The list of that URI, if a trusted issuer signed it and it has not expired (draft section 8.3).

    ``TokenError``: token_malformed, wrong_type, unknown_issuer, token_signature, wrong_audience (another list),
    token_not_yet_valid, token_expired.
    """
    payload, issuer = open_jws(text, TYP, issuers, MAX_CHARS)
    try:
        claims = members(payload, _CLAIMS)
        _check_times(claims["iat"], claims["exp"], claims["ttl"])
        listed = members(claims["status_list"], {"bits", "lst"}, _AGGREGATION)
        aggregation = listed.get("aggregation_uri")
        found = StatusList(
            issuer=issuer.issuer,
            uri=check_status_uri(claims["sub"]),
            issued_at=claims["iat"],
            expires_at=claims["exp"],
            ttl=claims["ttl"],
            statuses=_statuses(listed["bits"], listed["lst"]),
            aggregation_uri=None if "aggregation_uri" not in listed else check_status_uri(aggregation),
        )
    except ValueError as error:
        raise malformed(str(error)) from error
    if found.uri != uri:
        raise TokenError("this is another status list than the one asked for", code="wrong_audience")
    # Written so that a NaN is refused, as in token.policy.
    if not found.issued_at - SKEW <= now:
        raise TokenError("the status list is of the future: set the clock", code="token_not_yet_valid")
    if not now < found.expires_at:
        raise TokenError("the status list has expired: fetch it again", code="token_expired")
    return found


def check_status(claims: KeyClaims, listed: StatusList) -> None:
    """Return if the list says that this key token is valid. ``claims``: verified, and in their time.

    ``TokenError``: status_unknown (the token names no list or another one, or its index is outside), status_suspended,
    status_invalid for any other value.
    """
    place = claims.status
    if place is None or place.uri != listed.uri or claims.issuer != listed.issuer:
        raise TokenError("the status list does not speak of this key token", code="status_unknown")
    if place.index >= len(listed.statuses):
        raise TokenError("the status list does not reach to this key token", code="status_unknown")
    status = listed.statuses[place.index]
    if status is Status.VALID:
        return
    if status is Status.SUSPENDED:
        raise TokenError("the issuer has suspended this key", code="status_suspended")
    raise TokenError("the issuer has revoked this key", code="status_invalid")


def _check_times(issued_at: object, expires_at: object, ttl: object) -> None:
    start = check_number("iat", issued_at, MAX_TIME, least=1)
    check_number("exp", expires_at, MAX_TIME, least=start + 1)
    check_number("ttl", ttl, MAX_TTL + 1, least=1)


def _statuses(bits: object, text: object) -> StatusArray:
    if not isinstance(bits, int) or isinstance(bits, bool) or bits not in BITS or not isinstance(text, str):
        raise ValueError("bits must be 1, 2, 4 or 8, and lst a text")
    data = decompress(decode_base64url(text))
    return StatusArray(len(data) * 8 // bits, bits, data)
