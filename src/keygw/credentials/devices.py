"""Devices that phones hold: registered on a challenge, with proof of possession, and an attestation if there is one.

A phone may have keys without any of this: it is then a device of level none, known by its public key alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from keygw.credentials.attestation import Attestations, Attested, Evidence
from keygw.credentials.issuing import checked_label, checked_public_key
from keygw.credentials.journal import Journal
from keygw.credentials.ports import CredentialReads, CredentialStore, CredentialTransaction
from keygw.credentials.values import Limits
from keygw.crypto.kdf import sha256
from keygw.crypto.signer import device_id
from keygw.model.audit import SYSTEM
from keygw.model.device import Device, DeviceKind
from keygw.model.errors import BadInput, Conflict, NotFound, TokenError
from keygw.model.ids import Random
from keygw.token.possession import verify_registration
from keygw.token.webauthn import CHALLENGE_BYTES

CHALLENGE_SECONDS = 300
OPEN_CHALLENGES = 16
"""Of one app; a newer one takes the place of the oldest."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """32 bytes that a device signs, once, until then (Unix seconds)."""

    value: bytes = field(repr=False)
    expires_at: int


class Devices:
    """``NotFound`` unknown_device wherever an id is asked for and there is none."""

    def __init__(
        self,
        store: CredentialStore,
        clock: Callable[[], float],
        random: Random,
        limits: Limits,
        attestations: Attestations,
        journal: Journal,
    ) -> None:
        self._store = store
        self._clock = clock
        self._random = random
        self._limits = limits
        self.attestations = attestations
        self._journal = journal

    async def challenge(self, app_id: str) -> Challenge:
        """A fresh one for that app, good for ``CHALLENGE_SECONDS``."""
        value = self._random(CHALLENGE_BYTES)

        async def work(tx: CredentialTransaction) -> Challenge:
            now = int(await self._now(tx))
            made = Challenge(value, now + CHALLENGE_SECONDS)
            await tx.add_challenge(sha256(value), app_id, made.expires_at, now, OPEN_CHALLENGES)
            return made

        return await self._store.write(work)

    async def register(
        self,
        app_id: str,
        public_key: bytes,
        challenge: bytes,
        proof: bytes,
        label: str = "",
        evidence: Evidence | None = None,
        *,
        actor: str = SYSTEM,
    ) -> Device:
        """Make the device that app's. Again: the new label, and the better of both attestations.

        ``proof``: ``token.possession``, about challenge and evidence. The challenge is used up by success alone.
        ``BadInput`` bad_public_key, bad_label, bad_proof; ``Conflict`` challenge_unknown, device_taken (by another
        app), hosted_device, too_many_devices; the codes of ``Attestations.judge``.
        """
        checked_public_key(public_key)
        checked_label(label, self._limits)
        said = None if evidence is None else (evidence.format, evidence.data)
        try:
            verify_registration(proof, challenge, said, public_key)
        except TokenError as error:
            raise BadInput(f"the proof of possession is refused: {error}", code="bad_proof") from error
        attested = None
        if evidence is not None:
            attested = self.attestations.judge(evidence, challenge, public_key, await self._now(self._store))

        async def work(tx: CredentialTransaction) -> Device:
            now = int(await self._now(tx))
            if not await tx.take_challenge(sha256(challenge), app_id, now):
                raise Conflict(
                    "this challenge was used, is over, or is another app's: ask for one", code="challenge_unknown"
                )
            device = Device(device_id(public_key), DeviceKind.PHONE, public_key)
            device = await tx.device(device.id) or device
            await self._check_free(tx, device, app_id)
            device = replace(device, app_id=app_id, label=label, registered_at=device.registered_at or now)
            saved = await tx.save_device(with_attestation(device, attested, now))
            said = {"kind": saved.kind.value, "attestation": saved.level.value}
            self._journal.record(tx, actor, "device.registered", device_id=saved.id, data=said)
            return saved

        return await self._store.write(work)

    async def get(self, device_id: str) -> Device:
        """``NotFound`` unknown_device, also for one that was removed: no app has it, and it never had a key."""
        device = await _known(self._store, device_id)
        if device.app_id is None and not await self._store.keys(device_id=device_id):
            raise _unknown()
        return device

    async def of_app(self, app_id: str | None = None) -> list[Device]:
        """Those of that app, hosted ones too; with ``None`` of every app, and those of none that have had a key."""
        return list(await self._store.devices(app_id))

    async def remove(self, device_id: str, *, actor: str = SYSTEM) -> None:
        """Forget what was registered. ``Conflict`` device_in_use while a key of it lives, hosted_device."""

        async def work(tx: CredentialTransaction) -> None:
            device = await _known(tx, device_id)
            _check_phone(device)
            if (await tx.holder(device.id, int(await self._now(tx)), most=1)).live_keys:
                raise Conflict("the device holds a key that lives: revoke it first", code="device_in_use")
            await tx.forget_device(device.id)
            self._journal.record(tx, actor, "device.removed", device_id=device.id)

        await self._store.write(work)

    async def _check_free(self, tx: CredentialTransaction, device: Device, app_id: str) -> None:
        _check_phone(device)
        if device.app_id not in (app_id, None):
            raise Conflict("another app has registered this device", code="device_taken")
        most = self._limits.of_tenant(await tx.tenant_of(app_id)).devices_per_app
        if device.registered_at is None and await tx.registered_count(app_id) >= most:
            raise Conflict(f"this app has registered {most} devices: remove one", code="too_many_devices")

    async def _now(self, reads: CredentialReads) -> float:
        return max(self._clock(), float(await reads.last_issued_at()))


def with_attestation(device: Device, attested: Attested | None, now: int) -> Device:
    """The device with what was proven now; what was proven better before stays."""
    if attested is None or attested.level.rank < device.attestation.rank:
        return device
    return replace(
        device,
        attestation=attested.level,
        attestation_format=attested.format,
        model=attested.model,
        attested_at=now,
    )


def _check_phone(device: Device) -> None:
    if device.kind is DeviceKind.HOSTED:
        raise Conflict("the gateway itself holds the key of this device", code="hosted_device")


async def _known(reads: CredentialReads, device_id: str) -> Device:
    device = await reads.device(device_id)
    if device is None:
        raise _unknown()
    return device


def _unknown() -> NotFound:
    return NotFound("there is no such device", code="unknown_device")
