"""The pairing ticket: the vehicle's signed word that somebody inside it let this device key in (``owner_pairing``)."""

from __future__ import annotations

from dataclasses import dataclass

from keygw.crypto import cbor
from keygw.crypto.kdf import HASH_BYTES
from keygw.crypto.signer import Signer, thumbprint
from keygw.model.errors import ProtocolError, TokenError
from keygw.model.ids import ID_BYTES, format_id, id_bytes
from keygw.token.claims import check_number, malformed
from keygw.token.envelope import PAIR_TICKET


@dataclass(frozen=True, slots=True)
class PairingTicket:
    """``device``: the whole thumbprint (32 bytes) of the enrolled device key. ``transcript``: the hash of the pairing
    exchange up to ENROL (32 bytes). ``counter``: u32 from 1, counts the vehicle's tickets and never goes back."""

    vehicle_id: str
    device: bytes
    transcript: bytes
    counter: int


def sign_ticket(ticket: PairingTicket, vehicle_signer: Signer) -> bytes:
    """Sign it with the vehicle key, once its counter is on durable storage. ``ValueError`` for a field out of range."""
    return PAIR_TICKET.seal(_payload(ticket), vehicle_signer)


def verify_ticket(data: bytes, vehicle_public_key: bytes) -> PairingTicket:
    """The ticket, if that vehicle key signed it. ``TokenError``: wrong_type, token_malformed, token_signature."""
    envelope = PAIR_TICKET.open(data)
    envelope.verify(vehicle_public_key)
    try:
        value = cbor.decode(envelope.payload)
        if not isinstance(value, list) or len(value) != 4:
            raise ValueError("not an array of 4")
        vehicle, device, transcript, counter = value
        if not isinstance(vehicle, bytes) or len(vehicle) != ID_BYTES:
            raise ValueError(f"a vehicle id has {ID_BYTES} bytes")
        found = PairingTicket(format_id("veh", vehicle), device, transcript, counter)
        if _payload(found) != envelope.payload:
            raise ValueError("not the one encoding of its value")
    except (ValueError, ProtocolError) as error:
        raise malformed(str(error)) from error
    return found


def check_ticket(ticket: PairingTicket, vehicle_id: str, device_key: bytes, transcript: bytes) -> None:
    """It must be about this vehicle, this device and this very exchange. ``TokenError``: ticket_foreign."""
    if (ticket.vehicle_id, ticket.device, ticket.transcript) != (vehicle_id, thumbprint(device_key), transcript):
        raise TokenError("the pairing ticket is about another vehicle, device or exchange", code="ticket_foreign")


def _payload(ticket: PairingTicket) -> bytes:
    for name, data in (("device", ticket.device), ("transcript", ticket.transcript)):
        if not isinstance(data, bytes) or len(data) != HASH_BYTES:
            raise ValueError(f"{name} must have {HASH_BYTES} bytes")
    check_number("counter", ticket.counter, 2**32, least=1)
    return cbor.encode([id_bytes(ticket.vehicle_id, "veh"), ticket.device, ticket.transcript, ticket.counter])
