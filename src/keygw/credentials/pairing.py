"""Owner keys on the word of the vehicle: a pairing ticket is good for one key, of one device, after one exchange."""

from __future__ import annotations

from dataclasses import replace

from keygw.credentials.attestation import Attested
from keygw.credentials.devices import with_attestation
from keygw.credentials.ports import CredentialTransaction, VehicleRecord
from keygw.model.device import Device
from keygw.model.errors import Conflict, Forbidden
from keygw.model.vehicle import Vehicle
from keygw.token.ticket import check_ticket, verify_ticket


async def accept_ticket(
    tx: CredentialTransaction, vehicle: Vehicle, device: Device, ticket: bytes, transcript: bytes
) -> VehicleRecord:
    """Verify and use up the ticket; makes the vehicle known if it was not. Answers how it stands now.

    ``vehicle``: as it introduced itself in the exchange with that ``transcript`` (32 bytes). One that is known already
    is believed only under the keys that are on record, whatever it says now: nobody pairs his way into its name.
    ``TokenError``: token_malformed, wrong_type, token_signature, ticket_foreign; ``Conflict``: vehicle_exists (other
    keys under this id), ticket_replayed (this one, or a newer one of the vehicle, was used).
    """
    known = await tx.vehicle(vehicle.id)
    if known is not None and replace(known.vehicle, name=vehicle.name) != vehicle:
        raise Conflict("another vehicle is registered under this id", code="vehicle_exists")
    said = verify_ticket(ticket, vehicle.public_key)
    check_ticket(said, vehicle.id, device.public_key, transcript)
    if known is None:
        await tx.add_vehicle(vehicle)
    await tx.take_ticket(vehicle.id, said.counter)
    return replace(known or VehicleRecord(vehicle), ticket_counter=said.counter)


async def judge_holder(tx: CredentialTransaction, device: Device, attested: Attested | None, now: float) -> Device:
    """A phone's device as it stands here, with what is proven of it now; the profile is held against that.

    ``Conflict`` device_taken (another app has it), hosted_device.
    """
    stored = await tx.add_device(device)
    if stored.kind is not device.kind:
        raise Conflict("the gateway itself holds the key of this device", code="hosted_device")
    if stored.app_id != device.app_id:
        raise Conflict("another app has registered this device", code="device_taken")
    return stored if attested is None else await tx.save_device(with_attestation(stored, attested, int(now)))


def refuse_without_ticket(vehicle: VehicleRecord) -> None:
    """``Forbidden`` pairing_required if this vehicle's owners come by pairing: it would not accept the key anyway."""
    if vehicle.ticket_counter:
        raise Forbidden("this vehicle has been paired: an owner key takes another pairing", code="pairing_required")
