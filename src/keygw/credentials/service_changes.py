"""Suspending, resuming and ending single keys; which changes a vehicle is slow to confirm."""

from __future__ import annotations

from dataclasses import dataclass

from keygw.credentials.issuing import checked_public_key
from keygw.credentials.journal import device_actor
from keygw.credentials.lifecycle import CAUSES, KeyEvent, check_actor
from keygw.credentials.ports import CredentialTransaction
from keygw.credentials.revocation import Change, change
from keygw.credentials.service_base import ServiceBase
from keygw.crypto.signer import device_id
from keygw.model.audit import SYSTEM
from keygw.model.digital_key import DigitalKey
from keygw.model.errors import BadInput, NotFound, TokenError
from keygw.token.statement import StatementAct, verify_statement

SWEPT = 200
"""What is stored as ended by time in one go; the next go takes the rest."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """A change that the vehicle has not confirmed: of which key, told by which list, signed when (Unix seconds)."""

    key_id: str
    list_sequence: int
    since: int


class ChangeService(ServiceBase):
    """Events of single keys."""

    async def suspend(self, key_id: str, *, actor: str = SYSTEM) -> DigitalKey:
        """The key and everything shared from it pause. Again: a success that changes nothing."""
        return await self._change(key_id, KeyEvent.SUSPEND, actor)

    async def resume(self, key_id: str, *, actor: str = SYSTEM) -> DigitalKey:
        """``Conflict``: key_revoked, key_expired, parent_suspended, device_lost."""
        return await self._change(key_id, KeyEvent.RESUME, actor)

    async def revoke(self, key_id: str, *, actor: str = SYSTEM) -> DigitalKey:
        """The key and everything shared from it end: ``revoking`` until the vehicle says that it knows."""
        return await self._change(key_id, KeyEvent.REVOKE, actor)

    async def give_back(self, key_id: str, *, actor: str) -> DigitalKey:
        """The same by its own holder."""
        return await self._change(key_id, KeyEvent.GIVE_BACK, actor)

    async def give_back_proven(self, key_id: str, device_key: bytes, proof: bytes) -> DigitalKey:
        """The same by a phone that has no token here: its device key says so (``token.statement``).

        ``NotFound`` unknown_key also where the key is another device's; ``BadInput`` bad_public_key, bad_proof. Such a
        proof is good for ever, and does no more a second time.
        """
        device = device_id(checked_public_key(device_key))
        record = await self._store.key(key_id)
        if record is None or record.key.device_id != device:
            raise NotFound("there is no such key of this device", code="unknown_key")
        try:
            verify_statement(proof, StatementAct.GIVE_BACK, key_id, 0, device_key)
        except TokenError as error:
            raise BadInput(f"the device's statement is refused: {error}", code="bad_proof") from error
        return await self.give_back(key_id, actor=device_actor(device))

    async def overdue(self, seconds: float | None = None) -> list[Overdue]:
        """Changes that vehicles have not acknowledged for so long (``None``: ``Limits.overdue``), longest first."""
        now = await self._now(self._store)
        allowed = self._limits.overdue if seconds is None else seconds
        found = await self._store.waiting_keys(int(now - allowed), int(now))
        return [Overdue(each.key_id, each.list_sequence, each.since) for each in found]

    async def _change(self, key_id: str, event: KeyEvent, actor: str) -> DigitalKey:
        check_actor(event, actor)
        await self._record(self._store, key_id)

        async def work(tx: CredentialTransaction) -> DigitalKey:
            now = await self._now(tx)
            record = await self._record(tx, key_id)
            limits = await self._limits_of_key(tx, record.key)
            done = await change(tx, record, event, now, self.issuer, limits)
            await self._tell_change(tx, done, event, actor)
            return done.key

        return await self._store.write(work)

    async def _tell_change(self, tx: CredentialTransaction, done: Change, event: KeyEvent, actor: str) -> None:
        """What waits on a key that cannot be used ends with it; and everybody hears."""
        await self._steps.end_of_parents(tx, [done.key, *done.also])
        told, sequence = CAUSES[event].told, done.list_sequence
        below = CAUSES[KeyEvent.REVOKE].told if event is KeyEvent.REMOVE else told
        if sequence:
            more = {"list_sequence": sequence, "reason": event.value}
            self._tell(tx, actor, told, [done.key], **more)
            self._tell(tx, actor, below, done.also, **more, because_of=done.key.id)
            self._tell(tx, SYSTEM, "key.renewed", done.renewed, list_sequence=sequence, reason="watermark")
