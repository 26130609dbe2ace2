"""Whose a vehicle is: the end of an epoch, handing it over, and for whom its next owner key is reserved.

After an epoch has ended the next owner key belongs to whoever ended it, or has taken the vehicle over: without that
the thief who sits in a stolen car could simply pair with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from keygw.credentials.actors import app_actor, kind_of
from keygw.credentials.epoch import EpochEnd, end_epoch
from keygw.credentials.lifecycle import CAUSES, KeyEvent, check_actor
from keygw.credentials.ports import CredentialReads, CredentialTransaction, VehicleRecord
from keygw.credentials.service_base import ServiceBase
from keygw.credentials.transfer import EVENTS, Transfer, TransferEvent, TransferState, next_transfer_state
from keygw.credentials.values import DAY
from keygw.crypto.kdf import constant_time_equal, sha256
from keygw.model.audit import SYSTEM, Datum
from keygw.model.device import Device
from keygw.model.errors import BadInput, Conflict, Forbidden, NotFound
from keygw.model.ids import new_id

SECRET_BYTES = 32
LIFETIME, MOST_LIFETIME = 7 * DAY, 30 * DAY


@dataclass(frozen=True, slots=True)
class Offered:
    """A new offer, and what nobody can read again."""

    transfer: Transfer
    secret: bytes = field(repr=False)


class OwnershipService(ServiceBase):
    """Epochs and transfers."""

    async def vehicle_epoch(self, vehicle_id: str) -> int:
        return (await self._vehicle(self._store, vehicle_id)).epoch

    async def end_epoch(self, vehicle_id: str, reserved_for: str | None, *, actor: str = SYSTEM) -> EpochEnd:
        """End every digital key of the vehicle. ``reserved_for``: the app or person that gets its next owner key;
        ``None``: any.

        An offer to hand the vehicle over ends with it: whoever made it owns no key any more.
        """
        check_actor(KeyEvent.END_EPOCH, actor)

        async def work(tx: CredentialTransaction) -> EpochEnd:
            now = await self._now(tx)
            vehicle = await self._vehicle(tx, vehicle_id)
            offered = await tx.offered_transfer(vehicle_id)
            if offered is not None:
                await self._move(tx, offered, TransferEvent.CANCEL, actor)
            await tx.reserve(vehicle_id, reserved_for)
            return await self._end(tx, vehicle, now, actor)

        return await self._store.write(work)

    async def tell_pairing(self, key_id: str, vehicle_id: str, state: str, reason: str | None) -> None:
        """What became of a pairing whose key was issued: its owners hear."""

        async def work(tx: CredentialTransaction) -> None:
            self._journal.pairing(tx, key_id, vehicle_id, state, reason)

        await self._store.write(work)

    async def offer_transfer(self, vehicle_id: str, lifetime: int | None = None, *, actor: str = SYSTEM) -> Offered:
        """The first of two steps; nothing happens to the vehicle yet. ``lifetime``: seconds, a week unless told
        otherwise, 30 days at most. ``Conflict`` transfer_offered; ``BadInput`` bad_lifetime."""
        seconds = LIFETIME if lifetime is None else lifetime
        if not 1 <= seconds <= MOST_LIFETIME:
            raise BadInput(f"an offer lives 1 to {MOST_LIFETIME} seconds", code="bad_lifetime")
        secret = self._random(SECRET_BYTES)

        async def work(tx: CredentialTransaction) -> Transfer:
            now = int(await self._now(tx))
            await self._vehicle(tx, vehicle_id)
            before = await tx.offered_transfer(vehicle_id)
            if before is not None:
                await self._seen_transfer(tx, before, now)
            made = Transfer(
                new_id("trf", self._random), vehicle_id, actor, now, now + seconds, secret_hash=sha256(secret)
            )
            await tx.add_transfer(made)
            self._tell_transfer(tx, made, actor)
            return made

        return Offered(await self._store.write(work), secret)

    async def transfer(self, transfer_id: str) -> Transfer:
        """As it stands now. ``NotFound`` unknown_transfer."""

        async def work(tx: CredentialTransaction) -> Transfer:
            return await self._seen_transfer(tx, await self._known(tx, transfer_id), await self._now(tx))

        found = await self._known(self._store, transfer_id)
        over = found.state is TransferState.OFFERED and await self._now(self._store) >= found.expires_at
        return await self._store.write(work) if over else found

    async def accept_transfer(self, transfer_id: str, secret: bytes, app_id: str) -> Transfer:
        """The second step: the epoch ends, and the next owner key is reserved for that app.

        The same app again: a success that changes nothing. ``NotFound`` unknown_transfer (also for a wrong secret);
        ``Conflict`` transfer_cancelled, transfer_expired, transfer_taken (by another app).
        """
        found = await self._known(self._store, transfer_id)
        if not constant_time_equal(sha256(secret), found.secret_hash):
            raise unknown_transfer()
        await self.transfer(transfer_id)  # one whose time is over is stored so, and the refusal below leaves it
        actor = app_actor(app_id)

        async def work(tx: CredentialTransaction) -> Transfer:
            now = await self._now(tx)
            offered = await self._known(tx, transfer_id)
            if offered.state is TransferState.ACCEPTED and offered.app_id != app_id:
                raise Conflict("another app has taken the vehicle over", code="transfer_taken")
            moved = await self._move(tx, replace(offered, app_id=app_id), TransferEvent.ACCEPT, actor)
            if moved.version != offered.version:
                await tx.reserve(offered.vehicle_id, app_id)
                await self._end(tx, await self._vehicle(tx, offered.vehicle_id), now, actor)
            return moved

        return await self._store.write(work)

    async def cancel_transfer(self, transfer_id: str, *, actor: str = SYSTEM) -> Transfer:
        """Again: a success that changes nothing. ``Conflict`` transfer_accepted."""

        async def work(tx: CredentialTransaction) -> Transfer:
            now = await self._now(tx)
            found = await self._seen_transfer(tx, await self._known(tx, transfer_id), now)
            return await self._move(tx, found, TransferEvent.CANCEL, actor)

        return await self._store.write(work)

    # Inside

    async def _end(self, tx: CredentialTransaction, vehicle: VehicleRecord, now: float, actor: str) -> EpochEnd:
        done = await end_epoch(tx, vehicle, now, self.issuer, self._limits_of(vehicle))
        await self._steps.end_of_parents(tx, done.ended)
        if done.list_sequence:
            more: dict[str, Datum] = {"list_sequence": done.list_sequence, "reason": KeyEvent.END_EPOCH.value}
            self._tell(tx, actor, CAUSES[KeyEvent.END_EPOCH].told, done.ended, **more)
            facts: dict[str, Datum] = {"epoch": done.epoch, "list_sequence": done.list_sequence}
            self._tell_vehicle(tx, actor, "vehicle.epoch_ended", done.vehicle_id, facts)
        return done

    async def _known(self, reads: CredentialReads, transfer_id: str) -> Transfer:
        found = await reads.transfer(transfer_id)
        if found is None:
            raise unknown_transfer()
        return found

    async def _seen_transfer(self, tx: CredentialTransaction, found: Transfer, now: float) -> Transfer:
        over = found.state is TransferState.OFFERED and now >= found.expires_at
        return await self._move(tx, found, TransferEvent.EXPIRE, SYSTEM) if over else found

    async def _move(self, tx: CredentialTransaction, found: Transfer, event: TransferEvent, actor: str) -> Transfer:
        state = next_transfer_state(found.state, event)
        if state is found.state:
            return found
        moved = await tx.save_transfer(replace(found, state=state))
        self._tell_transfer(tx, moved, actor)
        return moved

    def _tell_transfer(self, tx: CredentialTransaction, transfer: Transfer, actor: str) -> None:
        facts: dict[str, Datum] = {"transfer_id": transfer.id, "state": transfer.state.value}
        self._tell_vehicle(tx, actor, EVENTS[transfer.state], transfer.vehicle_id, facts)

    def _tell_vehicle(
        self, tx: CredentialTransaction, actor: str, event_type: str, vehicle_id: str, facts: dict[str, Datum]
    ) -> None:
        self._journal.record(tx, actor, event_type, vehicle_id=vehicle_id, data=facts)
        data = {"vehicle_id": vehicle_id, **facts, "by": kind_of(actor)}
        self._journal.tell(tx, event_type, vehicle_id, data)


async def use_reservation(tx: CredentialTransaction, vehicle: VehicleRecord, device: Device) -> None:
    """Let an owner key be made for that device, and the reservation end with it. ``Forbidden`` vehicle_reserved."""
    reserved = vehicle.reserved_for
    if reserved is None:
        return
    if device.app_id != reserved:
        # An account outlives the phone: any app that acts for the person will do.
        person = None if device.app_id is None else await tx.person_of(device.app_id)
        if person is None or person not in (reserved, await tx.person_of(reserved)):
            raise Forbidden("the vehicle's next owner key is for another app", code="vehicle_reserved")
    await tx.reserve(vehicle.vehicle.id, None)


def unknown_transfer() -> NotFound:
    """Also for a wrong secret, so that ids cannot be probed."""
    return NotFound("there is no such offer, or the secret is not complete", code="unknown_transfer")
