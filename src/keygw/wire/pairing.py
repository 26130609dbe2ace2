"""The bodies of the pairing messages, 50 to 56. Specification: ``protocols/owner_pairing``.

50 to 53 are packed and of fixed length, so that a transcript over them has one reading. What travels in the pairing
channel is deterministic CBOR. Decoders accept exactly what the encoders write, ``ProtocolError`` for anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from keygw.crypto.signer import PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from keygw.crypto.spake2plus import SALT_BYTES, SHARE_BYTES
from keygw.model.command import Outcome
from keygw.model.errors import ProtocolError
from keygw.model.ids import ID_BYTES, format_id, id_bytes
from keygw.wire import cbor

SUITE = 1
"""SPAKE2+-P256-SHA256-HKDF-SHA256-HMAC-SHA256 with scrypt (2^14, 8, 1). There is no other, and so no downgrade."""
CONFIRMATION_BYTES = 32
ADVERTISING_KEY_BYTES = 16
MAX_ATTESTATION = 3072
MAX_FORMAT = 24


def encode_ask() -> bytes:
    """D>V: the suite, 1 byte."""
    return bytes((SUITE,))


def decode_ask(body: bytes) -> None:
    """``ProtocolError`` unless it asks for the one suite there is."""
    if body != encode_ask():
        raise ProtocolError("PAIR_ASK asks for a suite that this release does not know")


def check_offer(body: bytes) -> bytes:
    """V>D: the salt of the code that is shown, 16 bytes."""
    return _sized("PAIR_OFFER", body, SALT_BYTES)


def check_share(body: bytes) -> bytes:
    """D>V: shareP, 65 bytes."""
    return _sized("PAIR_SHARE", body, SHARE_BYTES)


def split_proof(body: bytes) -> tuple[bytes, bytes]:
    """V>D: shareV (65 bytes) and the vehicle's confirmation (32)."""
    _sized("PAIR_PROOF", body, SHARE_BYTES + CONFIRMATION_BYTES)
    return body[:SHARE_BYTES], body[SHARE_BYTES:]


def split_enrol(body: bytes) -> tuple[bytes, bytes]:
    """D>V: the device's confirmation (32 bytes) and the sealed ``Enrol``."""
    if len(body) <= CONFIRMATION_BYTES:
        raise ProtocolError("ENROL has a wrong length")
    return body[:CONFIRMATION_BYTES], body[CONFIRMATION_BYTES:]


@dataclass(frozen=True, slots=True)
class Attestation:
    """What a platform says about the device key: the name of its ``format`` (1 to 24 ASCII characters), and evidence.

    The challenge that it must answer is the transcript's hash. This release carries evidence and judges none.
    """

    format: str
    evidence: bytes = field(repr=False)

    def items(self) -> list[object]:
        return [self.format, self.evidence]


@dataclass(frozen=True, slots=True)
class Enrol:
    """``device_key``: 33 bytes; ``signature``: 64 bytes by that key over ``session.pairing.to_be_signed``."""

    device_key: bytes
    signature: bytes
    attestation: Attestation | None = None

    def encode(self) -> bytes:
        attestation = None if self.attestation is None else self.attestation.items()
        return cbor.encode([self.device_key, self.signature, attestation])

    @classmethod
    def decode(cls, body: bytes) -> Enrol:
        items = _array("ENROL", body, 3)
        key = _bytes("ENROL", items[0], PUBLIC_KEY_BYTES)
        return cls(key, _bytes("ENROL", items[1], SIGNATURE_BYTES), _attestation(items[2]))


@dataclass(frozen=True, slots=True)
class Credential:
    """V>D: the signed ticket, and what the device needs to find and know the vehicle from now on."""

    ticket: bytes = field(repr=False)
    vehicle_id: str
    public_key: bytes
    advertising_key: bytes = field(repr=False)

    def encode(self) -> bytes:
        return cbor.encode([self.ticket, id_bytes(self.vehicle_id, "veh"), self.public_key, self.advertising_key])

    @classmethod
    def decode(cls, body: bytes) -> Credential:
        ticket, vehicle, key, advertising = _array("PAIR_TICKET", body, 4)
        if not isinstance(ticket, bytes):
            raise ProtocolError("PAIR_TICKET is malformed")
        return cls(
            ticket,
            format_id("veh", _bytes("PAIR_TICKET", vehicle, ID_BYTES)),
            _bytes("PAIR_TICKET", key, PUBLIC_KEY_BYTES),
            _bytes("PAIR_TICKET", advertising, ADVERTISING_KEY_BYTES),
        )


def encode_outcome(outcome: Outcome) -> bytes:
    """V>D, the answer to OWNER_TOKEN."""
    return cbor.encode([int(outcome)])


def decode_outcome(body: bytes) -> Outcome:
    (outcome,) = _array("OWNER_TOKEN", body, 1)
    if not isinstance(outcome, int) or not cbor.is_uint(outcome, 256):
        raise ProtocolError("OWNER_TOKEN is malformed")
    return Outcome(outcome)


def _attestation(value: object) -> Attestation | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2:
        raise ProtocolError("ENROL holds a malformed attestation")
    name, evidence = value
    if not (isinstance(name, str) and name.isascii() and name.isprintable() and 1 <= len(name) <= MAX_FORMAT):
        raise ProtocolError("ENROL holds a malformed attestation")
    if not (isinstance(evidence, bytes) and len(evidence) <= MAX_ATTESTATION):
        raise ProtocolError("ENROL holds a malformed attestation")
    return Attestation(name, evidence)


def _sized(what: str, body: bytes, length: int) -> bytes:
    if len(body) != length:
        raise ProtocolError(f"{what} has a wrong length")
    return body


def _array(what: str, body: bytes, length: int) -> list[object]:
    value = cbor.decode(body)
    if not isinstance(value, list) or len(value) != length:
        raise ProtocolError(f"{what} is malformed")
    return value


def _bytes(what: str, value: object, length: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != length:
        raise ProtocolError(f"{what} is malformed")
    return value
