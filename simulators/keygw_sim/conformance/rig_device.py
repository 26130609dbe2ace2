"""The rig for a device: a vehicle that the kit plays, and digital keys for the device under test.

In a folder (``keygw conformance prepare DIR --phone FILE``): ``rig.json`` with the seed of it all and the device's
public key, ``key.json`` for the app, and the flash of the vehicle, which remembers from one run to the next.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from keygw.crypto.signer import thumbprint
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES
from keygw.model.errors import BadInput, KeygwError
from keygw_sim.conformance.rig import Rig, load, make, write
from keygw_sim.conformance.simulated import Make, SimulatedVehicle
from keygw_sim.phone.phone import Invitation
from keygw_sim.phone.satchel import CarriedList
from keygw_sim.vehicle.flash import Flash, Issuer

KEY, FRIEND, LIST = "key.json", "friend.json", "list.json"
"""What the app takes in."""
FLASH = "vehicle"
KEY_SECONDS = 30 * 86_400


class DeviceRig:
    """``device``: the public key (33 bytes) of the device under test."""

    def __init__(self, rig: Rig, device: bytes) -> None:
        self.rig, self.device = rig, device

    def owner(self) -> Invitation:
        """A fresh owner's key for the device under test."""
        claims = self.rig.claims(self.device, expires_at=self.rig.now + KEY_SECONDS)
        return Invitation(claims.key_id, self.rig.office.hand(claims).token, self.rig.vehicle)

    def friend(self) -> Invitation:
        """A fresh key that an owner shares with the device under test, and the chain that it stands on."""
        parent = self.rig.owner()
        above = parent.claims
        child = self.rig.claims(
            self.device, role=Role.FRIEND, depth=above.depth + 1, parent_id=above.key_id,
            entitlements=PROFILES["access"], expires_at=above.expires_at,
        )  # fmt: skip
        chain = (self.rig.office.link(above, parent.signer, child),)
        return Invitation(child.key_id, self.rig.office.hand(child).token, self.rig.vehicle, chain=chain)

    def next_list(self, sequence: int) -> CarriedList:
        """A revocation list of that sequence, which bars nobody."""
        return CarriedList(self.rig.vehicle.id, sequence, self.rig.next_list(sequence))

    def trusted_by(self, sim: SimulatedVehicle) -> None:
        """That vehicle leaves the factory with the rig's issuer, and both devices as owners'."""
        key = self.rig.office.key
        sim.trust(Issuer(key.issuer, key.kid, key.public_key), self.rig.owner_thumbprint, thumbprint(self.device))

    def tells_time(self, sim: SimulatedVehicle) -> None:
        """What a device of the issuer's would bring: a time proof, for the nonce that the vehicle gives out."""
        keeper = sim.brain._keeper
        nonce = keeper.time_nonce()
        sequence = sim.brain.memory.list_sequence
        keeper.take_time_proof(self.rig.office.prove_time(self.rig.vehicle, nonce.value, self.rig.now, sequence), nonce)


def prepare_device(folder: Path, device: bytes) -> DeviceRig:
    """Make the rig in a new folder, with the key for the app. ``BadInput`` rig_exists."""
    seed = os.urandom(32).hex()
    make(folder, seed, SimulatedVehicle(time.monotonic, seed).vehicle, device)
    rig = load_device(folder)
    write(folder / KEY, key_json(rig.owner()))
    return rig


def load_device(folder: Path) -> DeviceRig:
    """``BadInput`` no_rig, bad_rig, wrong_rig."""
    rig = load(folder, time.time)
    if not rig.device:
        raise BadInput(
            f"the rig in {folder} is for a board: keygw conformance prepare DIR --phone FILE makes one for a phone",
            code="wrong_rig",
        )
    return DeviceRig(rig, rig.device)


def vehicle_of_the_kit(folder: Path, rig: DeviceRig, brain: Make) -> SimulatedVehicle:
    """The vehicle whose keys the rig's seed makes, with what it remembers of earlier runs."""
    sim = SimulatedVehicle(time.monotonic, rig.rig.seed, make=brain, flash=Flash(folder / FLASH), random=os.urandom)
    rig.trusted_by(sim)
    return sim


def device_of(data: object) -> bytes:
    """The public key that an app's maker, or ``keygw sim phone``, tells. ``BadInput`` bad_phone if it does not."""
    try:
        told: Any = data
        told = told.get("device", told)
        key = decode_base64url(told["public_key"])
        thumbprint(key)
    except (KeyError, TypeError, ValueError, AttributeError, KeygwError) as error:
        raise BadInput(
            f"this does not say which device key the phone has: {error}. It takes public_key, 33 bytes in base64url, "
            "as keygw sim phone prints it",
            code="bad_phone",
        ) from error
    return key


def key_json(key: Invitation) -> dict[str, object]:
    """As ``GET /v1/keys/{id}/token`` gives it."""
    car = key.vehicle
    return {
        "key_id": key.key_id,
        "cwt": encode_base64url(key.cwt),
        "chain": [
            {"grant": encode_base64url(grant), "parent_token": encode_base64url(token)} for grant, token in key.chain
        ],
        "vehicle": {
            "id": car.id, "name": car.name, "public_key": encode_base64url(car.public_key),
            "advertising_key": encode_base64url(car.advertising_key),
        },
    }  # fmt: skip


def list_json(carried: CarriedList) -> dict[str, object]:
    """As ``GET /v1/vehicles/{id}/revocation-list`` gives it."""
    return {
        "vehicle_id": carried.vehicle_id, "sequence": carried.sequence, "signed": encode_base64url(carried.signed),
    }  # fmt: skip
