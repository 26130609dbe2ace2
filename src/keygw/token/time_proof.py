"""The time proof: the issuer's signed word what time it is, for one vehicle and one of its nonces (``key_token``)."""

from __future__ import annotations

from dataclasses import dataclass

from keygw.crypto import cbor
from keygw.crypto.signer import Signer
from keygw.model.errors import ProtocolError, TokenError
from keygw.model.ids import ID_BYTES, format_id, id_bytes
from keygw.token.claims import MAX_TIME, check_number, malformed
from keygw.token.envelope import TIME_PROOF
from keygw.token.trust import TrustedIssuers

NONCE_BYTES = 8


@dataclass(frozen=True, slots=True)
class TimeProof:
    """``nonce``: 8 bytes that the vehicle gave out. ``time``: Unix seconds when it was signed. ``list_sequence``: the
    revocation list that the vehicle must have before it may rely on this time; 0 if there is none yet."""

    vehicle_id: str
    nonce: bytes
    time: int
    list_sequence: int


def sign_time_proof(proof: TimeProof, signer: Signer, kid: bytes) -> bytes:
    """Sign it with the issuer's key. ``ValueError`` for a field out of range."""
    return TIME_PROOF.seal(_payload(proof), signer, kid)


def verify_time_proof(data: bytes, issuers: TrustedIssuers, vehicle_id: str) -> TimeProof:
    """The proof, if a trusted issuer signed it for that vehicle.

    ``TokenError``: wrong_type, token_malformed, unknown_issuer, token_signature, wrong_audience. Whether its nonce is
    one that still counts is for the vehicle that gave it out.
    """
    envelope = TIME_PROOF.open(data)
    envelope.verify(issuers.find(envelope.kid).public_key)
    try:
        value = cbor.decode(envelope.payload)
        if not isinstance(value, list) or len(value) != 4:
            raise ValueError("not an array of 4")
        vehicle, nonce, time, sequence = value
        if not isinstance(vehicle, bytes) or len(vehicle) != ID_BYTES:
            raise ValueError(f"a vehicle id has {ID_BYTES} bytes")
        found = TimeProof(format_id("veh", vehicle), nonce, time, sequence)
        if _payload(found) != envelope.payload:
            raise ValueError("not the one encoding of its value")
    except (ValueError, ProtocolError) as error:
        raise malformed(str(error)) from error
    if found.vehicle_id != vehicle_id:
        raise TokenError("the time proof is for another vehicle", code="wrong_audience")
    return found


def _payload(proof: TimeProof) -> bytes:
    if not isinstance(proof.nonce, bytes) or len(proof.nonce) != NONCE_BYTES:
        raise ValueError(f"nonce must have {NONCE_BYTES} bytes")
    check_number("time", proof.time, MAX_TIME, least=1)
    check_number("list sequence", proof.list_sequence, 2**32)
    return cbor.encode([id_bytes(proof.vehicle_id, "veh"), proof.nonce, proof.time, proof.list_sequence])
