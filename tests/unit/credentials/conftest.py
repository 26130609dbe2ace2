"""A credential service on a real store, with a clock that the test moves and cars that sign for themselves."""

from __future__ import annotations

import random
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

# The authenticators of the vectors; tools import one another as scripts do.
sys.path.append(str(Path(__file__).resolve().parents[3] / "tools"))

from attestation_cast import PARTY, ROOT_CERTIFICATE, pem

from keygw.credentials.attestation import Attestations, PackedVerifier
from keygw.credentials.service import CredentialService
from keygw.credentials.values import Issuer, Limits
from keygw.crypto.certificates import Roots
from keygw.crypto.signer import LocalSigner, device_id, thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import DigitalKey
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.ids import Random, new_id
from keygw.model.receipt import NO_SESSION
from keygw.model.revocation import ListAck, RevocationList
from keygw.model.vehicle import Vehicle
from keygw.store.store import Store, open_store
from keygw.token.grant import Grant, sign_grant
from keygw.token.receipt import FIRST, sign_receipt
from keygw.token.revocation import list_hash, sign_ack, verify_list
from keygw.token.trust import IssuerKey, TrustedIssuers, kid_of

START = 1_800_000_000.0
HOUR = 3600


class World:
    """``now`` is the clock; ``events`` holds what was told, in order."""

    attestations = Attestations(PackedVerifier(PARTY, Roots.from_pem(pem(ROOT_CERTIFICATE))))

    def __init__(self, store: Store, limits: Limits | None = None) -> None:
        signer = LocalSigner.generate()
        self.now = START
        self.store = store
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.random: Random = random.Random(7).randbytes
        self.issuer = Issuer("keygw-test", kid_of(signer.public_key), signer)
        self.trusted = TrustedIssuers([IssuerKey("keygw-test", self.issuer.kid, signer.public_key)])
        self.cars: dict[str, LocalSigner] = {}
        self.phones: dict[str, LocalSigner] = {}
        self.service = self.restarted(limits)

    def restarted(self, limits: Limits | None = None) -> CredentialService:
        """A service that remembers only what is stored."""
        return CredentialService(
            store=self.store.credentials,
            vault=self.store.vault,
            issuer=self.issuer,
            clock=lambda: self.now,
            random=self.random,
            notify=lambda name, data, _id: self.events.append((name, data)),
            limits=limits,
            attestations=self.attestations,
        )

    async def car(self) -> Vehicle:
        signer = LocalSigner.generate()
        vehicle = Vehicle(new_id("veh", self.random), "Car", signer.public_key, self.random(16))
        self.cars[vehicle.id] = signer
        await self.service.register_vehicle(vehicle)
        return vehicle

    async def owner(self, vehicle: Vehicle) -> DigitalKey:
        device = await self.service.create_hosted_device("app_test", "Owner's phone")
        return await self.service.issue_owner_key(vehicle.id, device)

    async def friend(
        self, parent: DigitalKey, rights: Entitlement = PROFILES["access"], lifetime: int = 24 * HOUR
    ) -> DigitalKey:
        phone = LocalSigner.generate()
        self.phones[device_id(phone.public_key)] = phone
        expires_at = int(self.now) + lifetime
        grant = self.grant(parent, phone.public_key, rights, expires_at)
        if grant is not None:
            return await self.service.share_granted(parent.id, device_public_key=phone.public_key, grant=grant)
        return await self.service.share(
            parent.id, device_public_key=phone.public_key, entitlements=rights, expires_at=expires_at
        )

    def grant(
        self,
        parent: DigitalKey,
        friend: bytes,
        rights: Entitlement,
        expires_at: int,
        changes: dict[str, Any] | None = None,
    ) -> bytes | None:
        """What the phone that holds ``parent`` signs; ``None`` if it is not one of ours, or would not sign that."""
        signer, now = self.phones.get(parent.device_id), int(self.now)
        if signer is None or not rights or expires_at <= now or parent.depth + 1 > parent.max_depth:
            return None
        made = Grant(parent.vehicle_id, parent.id, thumbprint(friend), rights, now, now, expires_at,
                     parent.depth + 1, parent.max_depth)  # fmt: skip
        return sign_grant(replace(made, **(changes or {})), signer)

    async def list_of(self, vehicle_id: str) -> RevocationList:
        """The current list as the car reads it."""
        current = await self.service.current_list(vehicle_id)
        return verify_list(current.signed, self.trusted, vehicle_id)

    async def ack(self, vehicle_id: str, sequence: int | None = None) -> bytes:
        """What the car signs after it stored the list with that sequence (the current one by default)."""
        current = await self.service.current_list(vehicle_id)
        stored = await self.store.credentials.revocation_list(vehicle_id, sequence or current.sequence)
        assert stored is not None
        return self.forged_ack(vehicle_id, stored.sequence, list_hash(stored.signed))

    def forged_ack(self, vehicle_id: str, sequence: int, digest: bytes, signer: LocalSigner | None = None) -> bytes:
        return sign_ack(ListAck(vehicle_id, sequence, digest, 1), signer or self.cars[vehicle_id])

    def receipt(
        self, vehicle_id: str, key_id: str, sequence: int = 1, previous: bytes = FIRST, number: int = 1, **changes: Any
    ) -> bytes:
        fields: dict[str, Any] = {
            "before": True, "after": False, "action": Action.UNLOCK, "outcome": Outcome.DONE, "session": b"a sessio",
        }  # fmt: skip
        return sign_receipt(
            vehicle_id=vehicle_id,
            sequence=sequence,
            number=number,
            key_id=key_id,
            boot_epoch=1,
            previous=previous,
            at=int(self.now),
            signer=self.cars[vehicle_id],
            **(fields | changes),
        )

    def removal(
        self, vehicle_id: str, key_id: str, sequence: int = 1, previous: bytes = FIRST, **changes: Any
    ) -> bytes:
        """What the car signs when somebody in it has removed that key."""
        said = {"action": Action.REMOVE_KEY, "before": None, "after": None, "session": NO_SESSION, "number": 0}
        return self.receipt(vehicle_id, key_id, sequence, previous, **(said | changes))

    def told(self) -> list[str]:
        return [name for name, _ in self.events]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with await open_store(tmp_path / "data") as store:
        yield World(store)
