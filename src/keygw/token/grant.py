"""The grant: the word of a key's own device that another device may have a key shared from it.

Specification: ``protocols/key_token``. ``typ`` ``dkgr``, signed by the device key of the parent key, never by the
issuer. The issuer co-signs by issuing the child's key token within it; the car believes neither signature without the
other. One grant serves every renewal of the child's token.

Usage, by whoever shares (a hosted device's signer, a phone) and by whoever issues on it or lets it open a car::

    wanted = Grant(vehicle_id, parent_id, thumbprint(friend_public_key), rights, iat, nbf, exp, depth, max_depth)
    signed = sign_grant(wanted, signer)
    grant = verify_grant(signed, parent_device_public_key, vehicle_id)
    check_grant(grant, parent_claims, child_claims)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from keygw.crypto import cbor
from keygw.crypto.kdf import HASH_BYTES
from keygw.crypto.signer import Signer, thumbprint
from keygw.model.entitlement import Entitlement
from keygw.model.errors import BadInput, ProtocolError, TokenError
from keygw.model.ids import ID_BYTES, format_id, id_bytes
from keygw.token.claims import MAX_DEPTH, MAX_TIME, KeyClaims, check_number, malformed
from keygw.token.envelope import GRANT

LEEWAY = 300
"""Seconds by which the clock of the device that signs may be behind the issuer's."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What the holder of a key allows one other device. ``ValueError`` if a field is out of its range.

    ``parent_id``: the key that is shared from. ``device``: the whole thumbprint (32 bytes) of the friend's device key.
    Times: whole Unix seconds, ``not_before`` and ``issued_at`` before ``expires_at``. ``depth``: the child's, 1 or 2;
    ``max_depth``: the deepest key that may descend from it, not below ``depth``.
    """

    vehicle_id: str
    parent_id: str
    device: bytes
    entitlements: Entitlement
    issued_at: int
    not_before: int
    expires_at: int
    depth: int = 1
    max_depth: int = 1

    def __post_init__(self) -> None:
        try:
            id_bytes(self.vehicle_id, "veh")
            id_bytes(self.parent_id, "key")
        except BadInput as error:
            raise ValueError(str(error)) from error
        if not isinstance(self.device, bytes) or len(self.device) != HASH_BYTES:
            raise ValueError(f"the device's thumbprint must have {HASH_BYTES} bytes")
        check_number("entitlements", self.entitlements, 2**32, least=1)
        check_number("exp", self.expires_at, MAX_TIME, least=1)
        check_number("iat", self.issued_at, self.expires_at, least=1)
        check_number("nbf", self.not_before, self.expires_at, least=1)
        check_number("max_depth", self.max_depth, MAX_DEPTH + 1, least=1)
        check_number("depth", self.depth, self.max_depth + 1, least=1)


class Terms(Protocol):
    """What of a key is bound by its grant; ``KeyClaims`` and whatever a vehicle remembers of them."""

    @property
    def device_key(self) -> bytes: ...
    @property
    def parent_id(self) -> str | None: ...
    @property
    def entitlements(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def max_depth(self) -> int: ...
    @property
    def not_before(self) -> int: ...
    @property
    def expires_at(self) -> int: ...


def sign_grant(grant: Grant, device_signer: Signer) -> bytes:
    """Sign it with the device key of the parent key: about 160 bytes, a COSE_Sign1."""
    return GRANT.seal(_payload(grant), device_signer)


def verify_grant(data: bytes, parent_device_key: bytes, vehicle_id: str) -> Grant:
    """The grant, if that device key (P-256, 33 bytes) signed it and it is for that vehicle.

    ``TokenError``: wrong_type, token_malformed, token_signature, wrong_audience. What it allows of a key is for
    ``check_grant``; whether the parent's token is good, and whose key it carries, is for the caller.
    """
    envelope = GRANT.open(data)
    envelope.verify(parent_device_key)
    grant = _grant(envelope.payload)
    if grant.vehicle_id != vehicle_id:
        raise TokenError("the grant is for another vehicle", code="wrong_audience")
    return grant


def check_grant(grant: Grant, parent: KeyClaims, child: KeyClaims) -> None:
    """Hold a child's verified claims, and its verified grant, to the claims of the parent. The clock is not looked at.

    ``TokenError``: grant_foreign (another vehicle, parent or device), grant_unentitled (the parent may not share),
    grant_depth, grant_wider (the grant than the parent, or the child than the grant), grant_outlived (the child is not
    within the grant's life or ends after its parent, or the grant was not issued within the parent's life).
    """
    if not grant.vehicle_id == parent.vehicle_id == child.vehicle_id:
        raise TokenError("the grant, the parent and the key are for different vehicles", code="grant_foreign")
    if grant.parent_id != parent.key_id:
        raise TokenError("the grant is of another parent", code="grant_foreign")
    check_within(grant, child)
    if not Entitlement.KEY_SHARE & parent.entitlements:
        raise TokenError("the parent does not hold key.share", code="grant_unentitled")
    if parent.depth + 1 != grant.depth or grant.max_depth > parent.max_depth:
        raise TokenError("the key is, or may be shared, deeper than its parent allows", code="grant_depth")
    # In plain numbers: `~` on a flag forgets the bits that this release has no name for.
    if int(grant.entitlements) & ~int(parent.entitlements):
        raise TokenError("the grant gives what the parent does not hold", code="grant_wider")
    if not parent.not_before - LEEWAY <= grant.issued_at < parent.expires_at:
        raise TokenError("the grant was not issued within the parent's life", code="grant_outlived")
    if child.expires_at > parent.expires_at:
        raise TokenError("the key outlives its parent", code="grant_outlived")


def check_within(grant: Grant, child: Terms) -> None:
    """Hold a key to its verified grant alone: what a vehicle asks again of a renewed token. ``TokenError`` as above."""
    if grant.parent_id != child.parent_id:
        raise TokenError("the grant is of another parent", code="grant_foreign")
    if grant.device != thumbprint(child.device_key):
        raise TokenError("the grant is for another device", code="grant_foreign")
    if not grant.depth == child.depth <= child.max_depth <= grant.max_depth:
        raise TokenError("the key is, or may be shared, deeper than was granted", code="grant_depth")
    if int(child.entitlements) & ~int(grant.entitlements):  # plain numbers, as above
        raise TokenError("the key holds what was not granted", code="grant_wider")
    if child.not_before < grant.not_before or child.expires_at > grant.expires_at:
        raise TokenError("the key's life is not within the grant's", code="grant_outlived")


def _payload(grant: Grant) -> bytes:
    return cbor.encode(
        [
            id_bytes(grant.vehicle_id, "veh"),
            id_bytes(grant.parent_id, "key"),
            grant.device,
            int(grant.entitlements),
            grant.issued_at,
            grant.not_before,
            grant.expires_at,
            grant.depth,
            grant.max_depth,
        ]
    )


def _grant(payload: bytes) -> Grant:
    try:
        value = cbor.decode(payload)
        if not isinstance(value, list) or len(value) != 9:
            raise ValueError("not an array of 9")
        vehicle, parent, device, entitlements, *numbers = value
        for raw in (vehicle, parent):
            if not isinstance(raw, bytes) or len(raw) != ID_BYTES:
                raise ValueError(f"an id has {ID_BYTES} bytes")
        check_number("entitlements", entitlements, 2**32, least=1)
        return Grant(format_id("veh", vehicle), format_id("key", parent), device, Entitlement(entitlements), *numbers)
    except (ValueError, ProtocolError) as error:
        raise malformed(str(error)) from error
