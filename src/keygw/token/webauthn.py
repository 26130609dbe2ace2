"""WebAuthn attestation statements of format "packed" (WebAuthn Level 3, sections 6.5, 7.1 and 8.2), read strictly.

Specification: ``protocols/attestation``. What an authenticator says of the key pair it made: this very device key, made
for this challenge, by hardware of a maker whose root the operator trusts ("basic"), or on the key's own word ("self").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntFlag

from keygw.crypto import cbor
from keygw.crypto.certificates import LeafCertificate, Roots
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import constant_time_equal, sha256
from keygw.crypto.signer import compress, coordinates, from_der, verify
from keygw.model.base64url import encode_base64url
from keygw.model.errors import ProtocolError, TokenError
from keygw.token.strict_json import parse_object

FORMAT = "packed"
CHALLENGE_BYTES = 32
AAGUID_BYTES = 16
MAX_EVIDENCE = 3072
MAX_CLIENT_DATA = 1024
MAX_CREDENTIAL_ID = 1023
_ES256 = -7
_FIXED = 37
"""rpIdHash, flags and counter: what authenticator data begins with."""
_COUNTRY, _ORGANISATION, _UNIT, _NAME = "2.5.4.6", "2.5.4.10", "2.5.4.11", "2.5.4.3"
_AAGUID_EXTENSION = "1.3.6.1.4.1.45724.1.1.4"


class Flag(IntFlag):
    """Of authenticator data (section 6.1)."""

    UP = 0x01
    """Somebody was there."""
    UV = 0x04
    """The authenticator knew who it was."""
    BE = 0x08
    """The key may be copied elsewhere."""
    BS = 0x10
    AT = 0x40
    ED = 0x80


_KNOWN_FLAGS = Flag.UP | Flag.UV | Flag.BE | Flag.BS | Flag.AT | Flag.ED


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """``id``: whose name is hashed into every statement. ``origins``: the web pages and apps that may have asked."""

    id: str
    origins: frozenset[str]
    user_verification: bool = True
    """Refuse a key that was made without UV."""


@dataclass(frozen=True, slots=True)
class AuthenticatorData:
    """``public_key``: 33 bytes. ``extensions``: CBOR of an extension map, empty without one."""

    rp_id_hash: bytes
    flags: int
    counter: int
    aaguid: bytes
    credential_id: bytes
    public_key: bytes
    extensions: bytes = b""

    def encode(self) -> bytes:
        x, y = coordinates(self.public_key)
        return b"".join(
            (
                self.rp_id_hash,
                bytes((self.flags,)),
                self.counter.to_bytes(4, "big"),
                self.aaguid,
                len(self.credential_id).to_bytes(2, "big"),
                self.credential_id,
                cbor.encode({1: 2, 3: _ES256, -1: 1, -2: x, -3: y}),
                self.extensions,
            )
        )

    @classmethod
    def decode(cls, data: bytes) -> AuthenticatorData:
        """``TokenError`` attestation_malformed unless it holds one P-256 key for ES256, and nothing after it."""
        if len(data) < _FIXED + AAGUID_BYTES + 2:
            raise _malformed("authenticator data ends too early")
        flags = data[32]
        if not flags & Flag.AT or flags & ~int(_KNOWN_FLAGS) or (flags & Flag.BS and not flags & Flag.BE):
            raise _malformed("flags that no attestation has")
        at = _FIXED + AAGUID_BYTES
        size = int.from_bytes(data[at : at + 2], "big")
        end = at + 2 + size
        if not 1 <= size <= MAX_CREDENTIAL_ID or len(data) <= end:
            raise _malformed("a credential id of a wrong length")
        try:
            key, *others = cbor.split_sequence(data[end:])
        except ProtocolError as error:
            raise _malformed("authenticator data holds CBOR that is not canonical") from error
        if len(others) != bool(flags & Flag.ED) or not all(isinstance(value, dict) for value, _ in others):
            raise _malformed("extensions that the flags do not speak of")
        return cls(
            rp_id_hash=data[:32],
            flags=flags,
            counter=int.from_bytes(data[33:_FIXED], "big"),
            aaguid=data[_FIXED:at],
            credential_id=data[at + 2 : end],
            public_key=_public_key(*key),
            extensions=b"".join(raw for _, raw in others),
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """The evidence taken apart. ``authenticator``: exactly the bytes that were signed. ``chain``: DER, own one first;
    empty for self attestation. ``signature``: DER, as it came."""

    authenticator: bytes = field(repr=False)
    client_data: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    chain: tuple[bytes, ...] = field(default=(), repr=False)

    def encode(self) -> bytes:
        said: dict[str, object] = {"alg": _ES256, "sig": self.signature}
        if self.chain:
            said["x5c"] = list(self.chain)
        whole = cbor.encode({"fmt": FORMAT, "attStmt": said, "authData": self.authenticator})
        return cbor.encode([whole, self.client_data])

    @classmethod
    def decode(cls, evidence: bytes) -> Statement:
        """``TokenError`` attestation_malformed; attestation_algorithm for any other than ES256."""
        if len(evidence) > MAX_EVIDENCE:
            raise _malformed(f"evidence has at most {MAX_EVIDENCE} bytes")
        try:
            match cbor.decode(evidence):
                case [bytes(whole), bytes(client_data)] if len(client_data) <= MAX_CLIENT_DATA:
                    found = cbor.decode(whole)
                case _:
                    raise _malformed("not an attestation object and its client data")
        except ProtocolError as error:
            raise _malformed("CBOR that is not canonical") from error
        match found:
            case {"fmt": "packed", "attStmt": dict(said), "authData": bytes(authenticator)} if len(found) == 3:
                pass
            case _:
                raise _malformed("not an attestation object of format packed")
        chain = said.get("x5c", [b""])
        if not said.keys() <= {"alg", "sig", "x5c"} or not isinstance(said.get("sig"), bytes):
            raise _malformed("not a packed statement")
        if not isinstance(chain, list) or not chain or not all(isinstance(each, bytes) for each in chain):
            raise _malformed("not a packed statement")
        if type(said.get("alg")) is not int or said["alg"] != _ES256:
            raise TokenError("an attestation is signed with ES256", code="attestation_algorithm")
        return cls(authenticator, client_data, said["sig"], tuple(chain) if "x5c" in said else ())


@dataclass(frozen=True, slots=True)
class Packed:
    """What a good statement says. ``aaguid``: 16 bytes that name the model. ``chain``: subjects up to the root, empty
    if the key spoke for itself alone."""

    aaguid: bytes
    user_verified: bool
    chain: tuple[str, ...]


def verify_packed(
    evidence: bytes, challenge: bytes, device_key: bytes, party: RelyingParty, roots: Roots, now: float
) -> Packed:
    """What it says, if it says it of that device key (33 bytes) and for that challenge (32 bytes). ``now``: Unix s.

    ``TokenError``: attestation_malformed, attestation_algorithm, attestation_challenge, attestation_party,
    attestation_key, attestation_user, attestation_copyable, attestation_certificate, attestation_untrusted,
    attestation_signature.
    """
    said = Statement.decode(evidence)
    check_client_data(said.client_data, challenge, party)
    found = AuthenticatorData.decode(said.authenticator)
    if not constant_time_equal(found.rp_id_hash, sha256(party.id.encode())):
        raise TokenError("the attestation was made for another relying party", code="attestation_party")
    if not constant_time_equal(found.public_key, device_key):
        raise TokenError("the attestation is about another key", code="attestation_key")
    if not found.flags & Flag.UP or (party.user_verification and not found.flags & Flag.UV):
        raise TokenError("the authenticator has not seen its user", code="attestation_user")
    if found.flags & Flag.BE:
        raise TokenError("a key that may be copied names no device", code="attestation_copyable")
    chain: tuple[str, ...] = ()
    signer = device_key
    if said.chain:
        leaf = _leaf(said.chain, roots, now)
        _check_certificate(leaf, found.aaguid)
        signer, chain = leaf.public_key, leaf.chain
    try:
        verify(signer, from_der(said.signature), said.authenticator + sha256(said.client_data))
    except CryptoError as error:
        raise TokenError("the attestation's signature does not hold", code="attestation_signature") from error
    return Packed(found.aaguid, bool(found.flags & Flag.UV), chain)


def check_client_data(client_data: bytes, challenge: bytes, party: RelyingParty) -> None:
    """``TokenError`` attestation_malformed, attestation_challenge, attestation_party (also for a framed page)."""
    try:
        said = parse_object(client_data)
    except ValueError as error:
        raise _malformed("client data that cannot be read") from error
    if said.get("type") != "webauthn.create":
        raise _malformed("client data of something else than making a key")
    if said.get("challenge") != encode_base64url(challenge):
        raise TokenError("the attestation answers another challenge", code="attestation_challenge")
    framed = said.get("crossOrigin", False) is not False or "topOrigin" in said
    origin = said.get("origin")
    if framed or not isinstance(origin, str) or origin not in party.origins:
        raise TokenError("the attestation was asked for by another app or page", code="attestation_party")


def _leaf(chain: tuple[bytes, ...], roots: Roots, now: float) -> LeafCertificate:
    try:
        return roots.verify(chain, now)
    except CryptoError as error:
        raise TokenError(f"the attestation's certificate is refused: {error}", code="attestation_untrusted") from error


def _check_certificate(leaf: LeafCertificate, aaguid: bytes) -> None:
    """Section 8.2.1. The model is always asked for: of a root that serves one model alone we could not know it."""
    named = dict(leaf.subject)
    country = named.get(_COUNTRY, "")
    if (
        leaf.version != 3
        or leaf.ca is not False
        or len(named) != len(leaf.subject)
        or not (len(country) == 2 and country.isascii() and country.isalpha() and country.isupper())
        or not named.get(_ORGANISATION)
        or named.get(_UNIT) != "Authenticator Attestation"
        or not named.get(_NAME)
        or leaf.extensions.get(_AAGUID_EXTENSION) != b"\x04\x10" + aaguid
    ):
        raise TokenError("the certificate is none of an authenticator of this model", code="attestation_certificate")


def _public_key(value: object, raw: bytes) -> bytes:
    if not isinstance(value, dict) or value.keys() != {1, 3, -1, -2, -3}:
        raise _malformed("not a COSE key for ES256")
    x, y = value[-2], value[-3]
    # Compared as bytes: 2.0 and true would be equal to 2 and 1.
    if not (isinstance(x, bytes) and isinstance(y, bytes)) or raw != cbor.encode(
        {1: 2, 3: _ES256, -1: 1, -2: x, -3: y}
    ):
        raise _malformed("not a COSE key for ES256")
    try:
        return compress(x, y)
    except CryptoError as error:
        raise _malformed("a public key that is not on the curve") from error


def _malformed(what: str) -> TokenError:
    return TokenError(f"the attestation is malformed: {what}", code="attestation_malformed")
