"""What every part of the credential service stands on: the store, the issuer, a clock that never goes back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from keygw.credentials.invitation_steps import InvitationSteps
from keygw.credentials.journal import Journal, vehicle_actor
from keygw.credentials.ports import (
    CredentialReads,
    CredentialStore,
    CredentialTransaction,
    KeyRecord,
    Vault,
    VehicleRecord,
)
from keygw.credentials.values import Issuer, IssuerKeys, Limits, Notify
from keygw.model.audit import Datum
from keygw.model.digital_key import DigitalKey
from keygw.model.errors import Conflict, NotFound, TokenError
from keygw.model.ids import Random

_ALARMING = frozenset({"ack_mismatch", "receipt_conflict", "receipt_chain_broken"})


def no_notice(event_type: str, data: dict[str, Any], event_id: str) -> None:
    """A ``Notify`` for who does not listen."""


class ServiceBase:
    """The parts of ``CredentialService`` derive from it, and use what is private here."""

    def __init__(
        self,
        store: CredentialStore,
        vault: Vault,
        issuer: IssuerKeys,
        clock: Callable[[], float],
        random: Random,
        notify: Notify,
        limits: Limits,
    ) -> None:
        self._issuer_keys = issuer
        self._store = store
        self._vault = vault
        self._clock = clock
        self._random = random
        self._journal = Journal(notify, clock)
        self._limits = limits
        self._steps = InvitationSteps(issuer, random, self._journal, self._limits)

    @property
    def issuer(self) -> Issuer:
        """Who signs now: to be taken once for each piece of work."""
        return self._issuer_keys.current

    @property
    def limits(self) -> Limits:
        """Of the deployment; ``Limits.of_tenant`` has what a tenant has of its own."""
        return self._limits

    def _limits_of(self, vehicle: VehicleRecord) -> Limits:
        return self._limits.of_tenant(vehicle.vehicle.tenant_id)

    async def _limits_of_key(self, reads: CredentialReads, key: DigitalKey) -> Limits:
        return self._limits_of(await self._vehicle(reads, key.vehicle_id))

    async def _now(self, reads: CredentialReads) -> float:
        return max(self._clock(), float(await reads.last_issued_at()))

    async def _vehicle(self, reads: CredentialReads, vehicle_id: str) -> VehicleRecord:
        record = await reads.vehicle(vehicle_id)
        if record is None:
            raise NotFound("there is no such vehicle", code="unknown_vehicle")
        return record

    async def _record(self, reads: CredentialReads, key_id: str) -> KeyRecord:
        record = await reads.key(key_id)
        if record is None:
            raise NotFound("there is no such key", code="unknown_key")
        return record

    def _tell(
        self, tx: CredentialTransaction, actor: str, event_type: str, keys: Iterable[DigitalKey], **more: Datum
    ) -> None:
        self._journal.keys(tx, actor, event_type, keys, **more)

    async def _alert(self, error: Conflict | TokenError, vehicle_id: str, sequence: int) -> None:
        if error.code not in _ALARMING:
            return

        async def work(tx: CredentialTransaction) -> None:
            self._journal.alert(tx, vehicle_actor(vehicle_id), vehicle_id, error.code, sequence=sequence)

        await self._store.write(work)
