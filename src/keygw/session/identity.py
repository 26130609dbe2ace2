"""Who is who before the first message: the vehicle's credential, and the rotating id it advertises."""

from __future__ import annotations

from functools import lru_cache

from keygw.crypto import cbor
from keygw.crypto.kdf import constant_time_equal, hmac256
from keygw.crypto.signer import cose_key
from keygw.model.ids import id_bytes
from keygw.session.edhoc import Credential

VEHICLE_KID = b"\x00"
"""ID_CRED_R of every vehicle: a stable one of its own would let anybody who connects track the car (M)."""
ROTATING_ID_BYTES = 6
ADVERTISING_KEY_BYTES = 16
_PRAND = 3


def token_kid(index: int) -> bytes:
    """What names a key token at a vehicle that keeps it: the key index, one byte below 24, else two, big-endian.

    One byte below 24 travels as a CBOR integer (RFC 9528 section 3.5.3.2).
    """
    return bytes((index,)) if index < 24 else index.to_bytes(2, "big")


@lru_cache(maxsize=512)
def vehicle_credential(vehicle_id: str, public_key: bytes) -> Credential:
    """CRED_R: the CWT Claims Set ``{2: vehicle id, 8: {1: COSE_Key}}``, known to the device before message_1.

    A memo of a pure function: it is the same in every session with that vehicle.
    """
    cred = cbor.encode({2: vehicle_id, 8: {1: cose_key(public_key)}})
    id_bytes(vehicle_id, "veh")
    return Credential.by_kid(VEHICLE_KID, cred, public_key)


def rotating_id(advertising_key: bytes, prand: bytes) -> bytes:
    """6 bytes: 3 random ones and the head of their HMAC, as a Bluetooth resolvable private address does it.

    It needs no clock, so a car that has lost its time is still recognised.
    """
    if len(prand) != _PRAND or len(advertising_key) != ADVERTISING_KEY_BYTES:
        raise ValueError("a rotating id takes 3 random bytes and a 16-byte advertising key")
    return prand + hmac256(advertising_key, b"keygw adv" + prand)[:_PRAND]


def recognises(advertising_key: bytes, candidate: bytes) -> bool:
    """Whether ``candidate`` was made with this key. A chance match (2^-24) fails in the handshake, not here."""
    if len(candidate) != ROTATING_ID_BYTES:
        return False
    return constant_time_equal(rotating_id(advertising_key, candidate[:_PRAND]), candidate)
