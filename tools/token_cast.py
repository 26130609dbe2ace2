"""Who plays in the vectors of ``protocols/key_token``: fixed keys, ids, claims, and one of each signed object."""

from __future__ import annotations

import dataclasses

from fixed_signer import FixedSigner

from keygw.crypto.signer import thumbprint
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.ids import format_id
from keygw.model.revocation import RevocationList
from keygw.token.claims import KeyClaims
from keygw.token.time_proof import TimeProof
from keygw.token.trust import IssuerKey

NOW = 1_800_000_000
ISSUER_NAME = "https://keys.example"
VEHICLE = format_id("veh", bytes.fromhex("a0a1a2a3a4a5a6a7a8a9"))
OTHER_VEHICLE = format_id("veh", bytes.fromhex("b0b1b2b3b4b5b6b7b8b9"))
OWNER_KEY = format_id("key", bytes.fromhex("c0c1c2c3c4c5c6c7c8c9"))
ORDER = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
INVITATION = format_id("inv", bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"))
OTHER_INVITATION = format_id("inv", bytes(10))
INVITATION_SECRET = bytes(range(32))
FRIEND_KEY = format_id("key", bytes.fromhex("d0d1d2d3d4d5d6d7d8d9"))
THIRD_KEY = format_id("key", bytes.fromhex("d4d5d6d7d8d9dadbdcdd"))


ISSUER, CAR, OWNER_DEVICE, FRIEND_DEVICE, STRANGER, THIRD_DEVICE = (FixedSigner(0x1000 + n) for n in range(6))
KEY = IssuerKey.of(ISSUER_NAME, ISSUER.public_key)
OWNER = KeyClaims(
    issuer=ISSUER_NAME,
    key_id=OWNER_KEY,
    device_key=OWNER_DEVICE.public_key,
    vehicle_id=VEHICLE,
    vehicle_thumbprint=thumbprint(CAR.public_key)[:16],
    role=Role.OWNER,
    entitlements=PROFILES["owner"],
    index=1,
    issued_at=NOW,
    not_before=NOW,
    expires_at=NOW + 30 * 86400,
    max_depth=2,
)
FRIEND = dataclasses.replace(
    OWNER,
    key_id=FRIEND_KEY,
    device_key=FRIEND_DEVICE.public_key,
    role=Role.FRIEND,
    entitlements=PROFILES["access"] | Entitlement.LIGHT_FLASH,
    index=300,
    not_before=NOW + 600,
    expires_at=NOW + 72 * 3600,
    parent_id=OWNER_KEY,
    depth=1,
    epoch=2,
    status_index=70_000,
    user_verification=True,
)
LARGEST = dataclasses.replace(
    FRIEND,
    issuer="https://" + "i" * 52,
    role=Role(255),
    entitlements=Entitlement(2**32 - 1),
    index=65535,
    expires_at=2**32 - 1,
    depth=2,
    epoch=65535,
    status_index=2**32 - 1,
)
SHARER = dataclasses.replace(FRIEND, entitlements=PROFILES["access"] | Entitlement.KEY_SHARE)
"""The friend again, but one who may share; the third device has a key from it."""
THIRD = dataclasses.replace(
    SHARER,
    key_id=THIRD_KEY,
    device_key=THIRD_DEVICE.public_key,
    entitlements=PROFILES["access"],
    index=301,
    expires_at=NOW + 24 * 3600,
    parent_id=FRIEND_KEY,
    depth=2,
    status_index=None,
)
LIST = RevocationList(VEHICLE, 7, NOW, NOW + 7 * 86400, 2, (3, 300, 65535), (4, 500), NOW - 1000)
PROOF = TimeProof(VEHICLE, bytes.fromhex("f0f1f2f3f4f5f6f7"), NOW + 1000, LIST.sequence)


def plain(value: object) -> object:
    """Hex for bytes, plain numbers for enums, so that JSON holds it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
