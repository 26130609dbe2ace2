"""The rig of a test: an issuer of its own, people with device keys, and what must not be used twice on one vehicle.

On a board the rig is a folder (``keygw conformance prepare``): ``rig.json`` holds one seed from which every key is
made, so it is a secret of the test bench and of nothing else. A vehicle that trusts it is a test vehicle.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from keygw.crypto.kdf import sha256
from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import BadInput, KeygwError
from keygw.model.ids import Random, format_id, id_bytes
from keygw.model.vehicle import Vehicle
from keygw.session.device import KeyInHand
from keygw.token.claims import KeyClaims
from keygw.wire.messages import Chain
from keygw_sim.chance import chance, new_signer
from keygw_sim.rehearsal import Office

ISSUER = "https://conformance.keygw.example"
RIG, PROVISIONING = "rig.json", "provisioning.json"
TOKEN_SECONDS = 3600
COUNTS_SINCE = 3600
"""How long before now a new issuer key begins to count, seconds."""
_INDICES = 60_000


@dataclass(frozen=True, slots=True)
class Key:
    """A digital key of the test: its claims, what a device brings to a session, and who signs for it."""

    claims: KeyClaims
    hand: KeyInHand
    signer: LocalSigner

    @property
    def id(self) -> str:
        return self.claims.key_id


@dataclass(slots=True)
class Counters:
    """What never comes twice on one vehicle: key indices, lists, issuer keys, command numbers."""

    index: int = 1
    issuer_keys: int = 0
    epoch: int = 0


class Rig:
    """``now``: Unix seconds as the issuer knows them. ``keep``: called with the counters before any of them is used."""

    def __init__(
        self,
        seed: str,
        vehicle: Vehicle,
        now: Callable[[], float],
        counters: Counters | None = None,
        keep: Callable[[Counters], None] = lambda counters: None,
        device: bytes = b"",
    ) -> None:
        self.vehicle = vehicle
        self.device = device
        """The public key of a device under test; empty where a vehicle is tested."""
        self.counters = counters or Counters()
        self.seed, self._now, self._keep = seed, now, keep
        self.random: Random = chance(f"{seed} {self.counters.index}", "random")
        self.office = Office(chance(seed, "issuer"), ISSUER)
        for number in range(self.counters.issuer_keys):
            self.office.rotate(chance(seed, f"issuer {number + 1}"))
        self.owner_device = new_signer(chance(seed, "owner"))
        """The one that the vehicle was provisioned with."""

    @property
    def now(self) -> int:
        return int(self._now())

    @property
    def owner_thumbprint(self) -> bytes:
        return thumbprint(self.owner_device.public_key)

    def stranger(self) -> LocalSigner:
        """A device key that nobody has enrolled."""
        return new_signer(self.random)

    def number(self) -> int:
        """A command number."""
        return int.from_bytes(self.random(4), "big")

    def index(self) -> int:
        """A key index that no key of this vehicle has had."""
        if self.counters.index >= _INDICES:
            raise BadInput("this rig has used up its key indices: prepare a new one", code="rig_used_up")
        self.counters.index += 1
        self._keep(self.counters)
        return self.counters.index

    def owner(self, **changes: Any) -> Key:
        """A fresh owner key of the enrolled device."""
        return self.key(self.owner_device, **changes)

    def claims(self, device_key: bytes, **changes: Any) -> KeyClaims:
        """An owner's for the device of that key, then the changes; always a new key id and index."""
        now = self.now
        plain = self.office.claims(
            self.vehicle,
            device_key,
            key_id=format_id("key", self.random(10)),
            index=self.index(),
            issued_at=now,
            not_before=now - 60,
            expires_at=now + TOKEN_SECONDS,
            epoch=self.counters.epoch,
        )
        return replace(plain, **changes)

    def key(self, signer: LocalSigner, chain: Chain = (), **changes: Any) -> Key:
        """An owner's key for that device, then the changes."""
        return self.sign(self.claims(signer.public_key, **changes), signer, chain)

    def sign(self, claims: KeyClaims, signer: LocalSigner, chain: Chain = ()) -> Key:
        return Key(claims, self.office.hand(claims, chain), signer)

    def friend(self, parent: Key, grant: dict[str, Any] | None = None, **changes: Any) -> Key:
        """A key that the parent's device has shared, with its chain; ``grant``: what its grant says differently."""
        above = parent.claims
        said: dict[str, Any] = {
            "role": Role.FRIEND, "depth": above.depth + 1, "parent_id": above.key_id,
            "entitlements": PROFILES["access"] | Entitlement.KEY_SHARE, "expires_at": above.expires_at,
        }  # fmt: skip
        child = self.key(new_signer(self.random), **{**said, **changes})
        link = self.office.link(above, parent.signer, child.claims, **(grant or {}))
        return self.sign(child.claims, child.signer, (link, *parent.hand.chain))

    def next_list(
        self, sequence: int, *, by: Office | None = None, vehicle: Vehicle | None = None, **changes: Any
    ) -> bytes:
        """A revocation list of that sequence, signed now; ``by`` another issuer, for another ``vehicle``."""
        now = self.now
        plain: dict[str, Any] = {"issued_at": now, "next_update": now + 7 * 86_400, "min_epoch": self.counters.epoch}
        return (by or self.office).sign_list(vehicle or self.vehicle, sequence, **{**plain, **changes})

    def next_issuer_key(self, **changes: Any) -> bytes:
        """A statement of the next issuer key; not yet signed with (``rotated``). It counts since an hour ago, so that
        a check may still have tokens of yesterday's making."""
        return self.office.state(self._next().public_key, self.now - COUNTS_SINCE, **changes)

    def rotated(self) -> None:
        """The vehicle has taken it, or may have: sign with the next issuer key from now on."""
        self.counters.issuer_keys += 1
        self._keep(self.counters)
        self.office.rotate(chance(self.seed, f"issuer {self.counters.issuer_keys}"))

    def _next(self) -> LocalSigner:
        return new_signer(chance(self.seed, f"issuer {self.counters.issuer_keys + 1}"))

    def provisioning(self) -> dict[str, object]:
        """The file for the vehicle: which issuer it trusts, and whose device is the owner's."""
        return {
            "v": 1,
            "vehicle_id": self.vehicle.id,
            "issuer": {
                "issuer": self.office.key.issuer,
                "kid": encode_base64url(self.office.kid),
                "public_key": encode_base64url(self.office.key.public_key),
                "sequence": self.office.sequence,
            },
            "owner_thumbprint": encode_base64url(self.owner_thumbprint),
        }


def vehicle_of(data: object) -> Vehicle:
    """The vehicle that ``keygw sim vehicle --identity``, or a board's maker, describes. ``BadInput`` if it does not."""
    try:
        car: Any = data
        car = car.get("vehicle", car)
        found = Vehicle(
            car["id"], str(car.get("name", "Board")), decode_base64url(car["public_key"]),
            decode_base64url(car["advertising_key"]),
        )  # fmt: skip
        id_bytes(found.id, "veh")
        thumbprint(found.public_key)
        if len(found.advertising_key) != 16:
            raise ValueError("an advertising key has 16 bytes")
    except (KeyError, TypeError, ValueError, AttributeError, KeygwError) as error:
        raise BadInput(
            f"this does not say who the vehicle is: {error}. It takes id, public_key and advertising_key, as "
            "keygw sim vehicle --identity prints them",
            code="bad_vehicle",
        ) from error
    return found


def prepare(folder: Path, vehicle: Vehicle) -> Rig:
    """Make the rig in a new folder, with the provisioning file for the board. ``BadInput`` rig_exists."""
    make(folder, os.urandom(32).hex(), vehicle)
    rig = load(folder, time.time)
    write(folder / PROVISIONING, rig.provisioning())
    return rig


def make(folder: Path, seed: str, vehicle: Vehicle, device: bytes = b"") -> None:
    """A new rig. ``BadInput`` rig_exists."""
    path = folder / RIG
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        raise BadInput(f"there is a rig in {folder} already; choose another folder, or remove it", code="rig_exists")
    write(path, _content(seed, vehicle, Counters(), device))


def load(folder: Path, now: Callable[[], float]) -> Rig:
    """``BadInput`` no_rig, bad_rig."""
    path = folder / RIG
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadInput(
            f"there is no rig in {folder}: keygw conformance prepare {folder} --vehicle FILE (or --phone FILE)",
            code="no_rig",
        ) from error
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read: prepare a new rig", code="bad_rig") from error
    try:
        vehicle, seed, counts = vehicle_of(data["vehicle"]), data["seed"], Counters(**data["counters"])
        device = decode_base64url(data.get("device", ""))
        numbers = (counts.index, counts.issuer_keys, counts.epoch)
        if data["v"] != 1 or not isinstance(seed, str) or len(seed) != 64:
            raise ValueError("another form")
        if any(type(number) is not int or not 0 <= number < 2**16 for number in numbers):
            raise ValueError("a counter is no number")
    except (KeyError, TypeError, ValueError, KeygwError) as error:
        raise BadInput(f"{path} is no rig of this release: prepare a new one", code="bad_rig") from error

    def keep(counters: Counters) -> None:
        write(path, _content(seed, vehicle, counters, device))

    return Rig(seed, vehicle, now, counts, keep, device)


def in_memory(vehicle: Vehicle, now: Callable[[], float], seed: str = "conformance") -> Rig:
    """For a vehicle that lives no longer than this process."""
    return Rig(sha256(seed.encode()).hex(), vehicle, now)


def _content(seed: str, vehicle: Vehicle, counters: Counters, device: bytes) -> dict[str, object]:
    return {
        "v": 1,
        "seed": seed,
        **({"device": encode_base64url(device)} if device else {}),
        "vehicle": {
            "id": vehicle.id, "name": vehicle.name, "public_key": encode_base64url(vehicle.public_key),
            "advertising_key": encode_base64url(vehicle.advertising_key),
        },
        "counters": {
            "index": counters.index, "issuer_keys": counters.issuer_keys, "epoch": counters.epoch,
        },
    }  # fmt: skip


def write(path: Path, content: dict[str, object]) -> None:
    """In one piece, readable for this user alone."""
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
    temporary.replace(path)
