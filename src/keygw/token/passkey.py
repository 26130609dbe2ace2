"""Passkeys (Web Authentication, Level 3): what an authenticator answers, judged. The library is Yubico's ``fido2``.

The person must have been verified (a finger, a face, a PIN), the page must be ours to the letter, and the key P-256 or
Ed25519. Attestation is not asked for: which make of phone somebody has is not ours to know. Whether the challenge is
one of ours and fresh, and whether the counter went on, the caller knows (``bridge.oauth.passkeys``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from fido2.cose import ES256, CoseKey, EdDSA
from fido2.webauthn import (
    AttestationObject,
    AttestedCredentialData,
    AuthenticationResponse,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    AuthenticatorData,
    CollectedClientData,
    PublicKeyCredentialRpEntity,
    RegistrationResponse,
    UserVerificationRequirement,
)

from keygw.model.base64url import encode_base64url
from keygw.model.errors import TokenError

if TYPE_CHECKING:
    from fido2.server import Fido2Server

MAX_BYTES = 4096
"""Of each part of an answer."""
MOST_CREDENTIAL_ID = 1023
"""Section 5.1: a longer credential id is refused."""
TIMEOUT_MS = 300_000
CHALLENGE_LEAST = 16
_ALGORITHMS = (ES256.ALGORITHM, EdDSA.ALGORITHM)
_STATE = {"user_verification": UserVerificationRequirement.REQUIRED}
_BROKEN = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,  # and with it RecursionError
    TypeError,
    ValueError,
    struct.error,
)
"""What the library raises for bytes that are none, and for what does not hold."""


@dataclass(frozen=True, slots=True)
class Site:
    """The relying party. ``id``: a host name; ``origin``: scheme, host and port, as a browser names the page."""

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A passkey, as its authenticator has made it. ``data``: attested credential data (section 6.5.2), which holds the
    public key. ``counter``: of signatures, 0 where the authenticator counts none. ``synced``: it may be on other
    devices of that person too."""

    id: bytes
    data: bytes = field(repr=False)
    counter: int
    synced: bool


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authenticator answers to a challenge (section 5.2.2), as it came."""

    credential_id: bytes
    client_data: bytes = field(repr=False)
    authenticator_data: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def creation_options(site: Site, challenge: bytes, user_id: bytes, name: str, known: Sequence[bytes]) -> dict[str, Any]:
    """``PublicKeyCredentialCreationOptionsJSON`` (section 5.1.8). ``known``: ids of the passkeys there are already."""
    return {
        "rp": {"id": site.id, "name": "keygw"},
        "user": {"id": encode_base64url(user_id), "name": name, "displayName": name},
        "challenge": encode_base64url(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in _ALGORITHMS],
        "timeout": TIMEOUT_MS,
        "excludeCredentials": [_descriptor(each) for each in known],
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


def request_options(site: Site, challenge: bytes, known: Sequence[bytes]) -> dict[str, Any]:
    """``PublicKeyCredentialRequestOptionsJSON`` (section 5.1.8). ``known``: of these alone; none: whichever the person
    chooses."""
    return {
        "rpId": site.id,
        "challenge": encode_base64url(challenge),
        "timeout": TIMEOUT_MS,
        "allowCredentials": [_descriptor(each) for each in known],
        "userVerification": "required",
    }


def decode_challenge(client_data: bytes) -> bytes:
    """Which challenge the client says that it answers. ``TokenError`` passkey_malformed."""
    with _judged():
        return bytes(_client_data(client_data).challenge)


def open_registration(site: Site, challenge: bytes, client_data: bytes, attestation_object: bytes) -> Credential:
    """Section 7.1. ``TokenError`` passkey_malformed."""
    with _judged():
        said, attested = _client_data(client_data), AttestationObject(_bounded(attestation_object))
        if not attested.auth_data.flags & AuthenticatorData.FLAG.AT or attested.auth_data.credential_data is None:
            _refuse("there is no key in it")
        made = attested.auth_data.credential_data
        if not 0 < len(made.credential_id) <= MOST_CREDENTIAL_ID:
            _refuse("the credential id is too long")
        if not _known_kind(made.public_key):
            _refuse("the key is of a kind that is not asked for: P-256 or Ed25519")
        answer = RegistrationResponse(
            raw_id=made.credential_id,
            response=AuthenticatorAttestationResponse(client_data=said, attestation_object=attested),
        )
        data = _server(site).register_complete(_state(challenge), answer)
        return Credential(
            bytes(made.credential_id), bytes(made), data.counter, bool(data.flags & AuthenticatorData.FLAG.BE)
        )


def verify_assertion(site: Site, challenge: bytes, credential: Credential, assertion: Assertion) -> int:
    """Section 7.2: the authenticator's counter now. ``TokenError`` passkey_malformed."""
    with _judged():
        answer = AuthenticationResponse(
            raw_id=assertion.credential_id,
            response=AuthenticatorAssertionResponse(
                client_data=_client_data(assertion.client_data),
                authenticator_data=AuthenticatorData(_bounded(assertion.authenticator_data)),
                signature=_bounded(assertion.signature),
            ),
        )
        known = AttestedCredentialData(credential.data)
        _server(site).authenticate_complete(_state(challenge), [known], answer)
        return int(answer.response.authenticator_data.counter)


def _server(site: Site) -> Fido2Server:
    from fido2.server import Fido2Server  # reads a list of public suffixes from the disk when it is imported

    return Fido2Server(PublicKeyCredentialRpEntity(id=site.id, name="keygw"), verify_origin=site.origin.__eq__)


def _state(challenge: bytes) -> dict[str, Any]:
    if len(challenge) < CHALLENGE_LEAST:
        raise ValueError("a challenge is longer than that")
    return {**_STATE, "challenge": encode_base64url(challenge)}


def _client_data(data: bytes) -> CollectedClientData:
    found = CollectedClientData(_bounded(data))
    if found.cross_origin is not False or "topOrigin" in found._data:
        _refuse("the page stands inside another")
    if not isinstance(found.origin, str):
        _refuse("it names no origin")
    return found


def _known_kind(key: CoseKey) -> bool:
    """RFC 9053: the two that are asked for, and nothing in them but a public key of that size."""
    if key.get(3) == ES256.ALGORITHM:
        sizes, kind = {-2: 32, -3: 32}, {1: 2, 3: ES256.ALGORITHM, -1: 1}
    else:
        sizes, kind = {-2: 32}, {1: 1, 3: EdDSA.ALGORITHM, -1: 6}
    rest = {name: value for name, value in key.items() if name not in sizes}
    return rest == kind and all(isinstance(key.get(name), bytes) and len(key[name]) == n for name, n in sizes.items())


def _descriptor(credential_id: bytes) -> dict[str, str]:
    return {"type": "public-key", "id": encode_base64url(credential_id)}


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        _refuse("it is too long")
    return data


def _refuse(why: str) -> NoReturn:
    raise TokenError(f"this passkey is not taken: {why}", code="passkey_malformed")


@contextmanager
def _judged() -> Iterator[None]:
    """Every word of the library's becomes the one error that is documented."""
    try:
        yield
    except TokenError:
        raise
    except _BROKEN as error:
        said = str(error) if type(error) is ValueError and str(error) in _SAID else "it cannot be read"
        raise TokenError(f"this passkey is not taken: {said}", code="passkey_malformed") from None


_SAID = frozenset(
    {
        "Incorrect type in CollectedClientData.",
        "Invalid origin in CollectedClientData.",
        "Wrong challenge in response.",
        "Wrong RP ID hash in response.",
        "User Present flag not set.",
        "User verification required, but User Verified flag not set.",
        "User verification required, but user verified flag not set.",
        "Invalid signature.",
        "Unknown credential ID.",
    }
)
"""What the library says without quoting what came."""
