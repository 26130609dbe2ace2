"""Lost devices: everything that a device holds pauses, on every vehicle, until the device itself is back."""

from __future__ import annotations

from dataclasses import dataclass

from keygw.credentials.actors import kind_of
from keygw.credentials.life_ports import Loss
from keygw.credentials.lifecycle import Hold, KeyEvent, check_actor
from keygw.credentials.ports import CredentialTransaction
from keygw.credentials.revocation import change
from keygw.credentials.service_changes import ChangeService
from keygw.model.audit import SYSTEM
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.errors import BadInput, Forbidden, NotFound, TokenError
from keygw.token.statement import StatementAct, verify_statement


@dataclass(frozen=True, slots=True)
class LossReport:
    """A device after it was reported lost or found. ``keys``: those whose state changed, as shown now.

    ``loss.number`` is what the device must name to be found again: each loss takes a fresh word of it.
    """

    device_id: str
    loss: Loss
    keys: tuple[DigitalKey, ...] = ()


class LossService(ChangeService):
    """Events of devices."""

    async def loss(self, device_id: str) -> LossReport:
        """How a device stands; number 0 if it was never lost. ``NotFound`` unknown_device."""
        await self._device(device_id)
        return LossReport(device_id, await self._store.loss(device_id) or Loss(0, False, 0))

    async def lose(self, device_id: str, *, actor: str = SYSTEM) -> LossReport:
        """Suspend every key of the device, on all vehicles; no token of it is renewed, and it gets no new key.

        Again: a success that changes nothing. ``NotFound`` unknown_device.
        """
        check_actor(KeyEvent.LOSE, actor)
        await self._device(device_id)

        async def work(tx: CredentialTransaction) -> LossReport:
            now, known = await self._now(tx), await tx.loss(device_id)
            if known is not None and known.lost:
                return LossReport(device_id, known)
            loss = Loss(1 if known is None else known.number + 1, True, int(now))
            await tx.set_loss(device_id, loss)
            keys = await self._all(tx, device_id, KeyEvent.LOSE, now, actor)
            self._tell_device(tx, "device.lost", device_id, loss, keys, actor)
            return LossReport(device_id, loss, keys)

        return await self._store.write(work)

    async def find(self, device_id: str, proof: bytes | None, *, actor: str = SYSTEM) -> LossReport:
        """Lift what ``lose`` did, and nothing else: what was suspended for another reason stays so.

        ``proof``: by the device key, about this very loss (``token.statement``). Of a hosted device the gateway has the
        key itself, so only an operator can say that it is back. ``BadInput`` bad_proof; ``Forbidden``
        step_up_required; ``NotFound`` unknown_device. A device that is not lost: a success that changes nothing.
        """
        check_actor(KeyEvent.FIND, actor)
        device = await self._device(device_id)
        self._check_found(device, await self._store.loss(device_id), proof, actor)

        async def work(tx: CredentialTransaction) -> LossReport:
            now, known = await self._now(tx), await tx.loss(device_id)
            if known is None or not known.lost:
                return LossReport(device_id, known or Loss(0, False, 0))
            self._check_found(device, known, proof, actor)  # of the loss as it is in this moment
            loss = Loss(known.number, False, known.at)
            await tx.set_loss(device_id, loss)
            keys = await self._all(tx, device_id, KeyEvent.FIND, now, actor)
            self._tell_device(tx, "device.found", device_id, loss, keys, actor)
            return LossReport(device_id, loss, keys)

        return await self._store.write(work)

    async def _all(
        self, tx: CredentialTransaction, device_id: str, event: KeyEvent, now: float, actor: str
    ) -> tuple[DigitalKey, ...]:
        changed = []
        for key_id in [record.key.id for record in await tx.keys(device_id=device_id)]:
            record = await self._record(tx, key_id)  # a list for the one before may have renewed this one's token
            if record.key.state not in (KeyState.ACTIVE, KeyState.SUSPENDED):
                continue
            if event is KeyEvent.FIND and Hold.LOST not in record.hold:
                continue
            limits = await self._limits_of_key(tx, record.key)
            done = await change(tx, record, event, now, self.issuer, limits)
            await self._tell_change(tx, done, event, actor)
            if done.list_sequence:
                changed += [done.key, *done.also]
        return tuple(changed)

    def _check_found(self, device: Device, loss: Loss | None, proof: bytes | None, actor: str) -> None:
        if loss is None or not loss.lost:
            return
        if device.kind is DeviceKind.HOSTED:
            if kind_of(actor) == "app":
                raise Forbidden("a hosted device is found by an operator alone", code="step_up_required")
            return
        if proof is None:
            raise Forbidden("the device itself must say that it is back", code="step_up_required")
        try:
            verify_statement(proof, StatementAct.FOUND, device.id, loss.number, device.public_key)
        except TokenError as error:
            raise BadInput(f"the device's statement is refused: {error}", code="bad_proof") from error

    async def _device(self, device_id: str) -> Device:
        device = await self._store.device(device_id)
        if device is None:
            raise NotFound("there is no such device", code="unknown_device")
        return device

    def _tell_device(
        self,
        tx: CredentialTransaction,
        event_type: str,
        device_id: str,
        loss: Loss,
        keys: tuple[DigitalKey, ...],
        actor: str,
    ) -> None:
        """One entry, and an event for each vehicle that is concerned: events belong to a vehicle."""
        self._journal.record(tx, actor, event_type, device_id=device_id, data={"loss": loss.number, "keys": len(keys)})
        for vehicle_id in dict.fromkeys(key.vehicle_id for key in keys):
            data = {"device_id": device_id, "vehicle_id": vehicle_id, "loss": loss.number, "by": kind_of(actor)}
            self._journal.tell(tx, event_type, vehicle_id, data)
