"""What a vehicle is told in signed words (revocation lists, the time), and what it says in its own."""

from __future__ import annotations

from keygw.credentials import receipts as receipt_book
from keygw.credentials.journal import vehicle_actor
from keygw.credentials.lifecycle import KeyEvent, check_actor
from keygw.credentials.listing import due, put_list, view
from keygw.credentials.ports import CredentialTransaction
from keygw.credentials.recovery import take_in
from keygw.credentials.revocation import accept_ack, change
from keygw.credentials.service_changes import ChangeService
from keygw.credentials.values import SignedList
from keygw.model.audit import SYSTEM
from keygw.model.digital_key import DigitalKey
from keygw.model.errors import BadInput, Conflict, TokenError
from keygw.model.receipt import Receipt
from keygw.token.receipt import receipt_hash, verify_receipt
from keygw.token.revocation import verify_ack
from keygw.token.time_proof import TimeProof, sign_time_proof


class ListService(ChangeService):
    """Lists, acknowledgements, time proofs, receipts."""

    async def current_list(self, vehicle_id: str) -> SignedList:
        vehicle = await self._vehicle(self._store, vehicle_id)
        stored = await self._store.revocation_list(vehicle_id, vehicle.list_sequence)
        signed = stored.signed if stored else b""
        return SignedList(vehicle_id, vehicle.list_sequence, signed, vehicle.acknowledged_sequence)

    async def vehicles_behind(self) -> list[str]:
        """Ids of the vehicles that have not acknowledged their current list."""
        return [
            record.vehicle.id
            for record in await self._store.vehicles()
            if record.acknowledged_sequence < record.list_sequence
        ]

    async def vehicles_due(self) -> list[str]:
        """Ids of the vehicles that need a fresh list (``listing.due``)."""
        now = await self._now(self._store)
        found = await self._store.vehicles()
        return [record.vehicle.id for record in found if await due(self._store, record, now, self._limits_of(record))]

    async def refresh_list(self, vehicle_id: str) -> bool:
        """Sign the vehicle's list anew if it needs one; whether it did."""
        if not await due(
            self._store, await self._vehicle(self._store, vehicle_id), await self._now(self._store), self._limits
        ):
            return False  # without waiting for the one writer

        async def work(tx: CredentialTransaction) -> bool:
            now = await self._now(tx)
            vehicle = await self._vehicle(tx, vehicle_id)
            if not await due(tx, vehicle, now, self._limits_of(vehicle)):
                return False
            published = await put_list(tx, vehicle, now, self.issuer, self._limits_of(vehicle))
            self._journal.record(
                tx, SYSTEM, "list.signed", vehicle_id=vehicle_id, data={"sequence": published.sequence}
            )
            self._tell(tx, SYSTEM, "key.renewed", published.renewed, list_sequence=published.sequence)
            return True

        return await self._store.write(work)

    async def recover_list(self, vehicle_id: str, signed: bytes) -> None:
        """Take in a list that the vehicle has and we have forgotten: we were restored from a backup.

        What it bars stays barred, and the next list is signed at once (``recovery.take_in``). ``TokenError`` if it is
        not ours; a list that is not newer than what we have changes nothing.
        """

        async def work(tx: CredentialTransaction) -> None:
            now, vehicle, ours = await self._now(tx), await self._vehicle(tx, vehicle_id), self._issuer_keys
            taken = await take_in(tx, vehicle, signed, now, ours.current, ours.trusted, self._limits_of(vehicle))
            if taken is not None:
                sequence = taken.published.sequence
                self._journal.alert(tx, vehicle_actor(vehicle_id), vehicle_id, "list_forgotten")
                self._journal.record(tx, SYSTEM, "list.recovered", vehicle_id=vehicle_id, data={"sequence": sequence})
                self._tell(tx, SYSTEM, "key.revoking", taken.revoked, list_sequence=sequence)
                self._tell(tx, SYSTEM, "key.suspended", taken.suspended, list_sequence=sequence)
                self._tell(tx, SYSTEM, "key.renewed", taken.published.renewed, list_sequence=sequence)

        await self._store.write(work)

    async def alert(self, vehicle_id: str, reason: str) -> None:
        """What a contact with the vehicle has shown, and nothing stored here: recorded and told."""

        async def work(tx: CredentialTransaction) -> None:
            self._journal.alert(tx, vehicle_actor(vehicle_id), vehicle_id, reason)

        await self._store.write(work)

    async def acknowledge_list(self, vehicle_id: str, ack: bytes) -> list[DigitalKey]:
        """The vehicle's signed word that it stored a list; answers the keys that are ``revoked`` by it.

        ``revocation.accept_ack`` has the codes; a signature that does not hold is a ``TokenError``.
        """
        said = verify_ack(ack, (await self._vehicle(self._store, vehicle_id)).vehicle.public_key)

        async def work(tx: CredentialTransaction) -> list[DigitalKey]:
            ended = await accept_ack(tx, vehicle_id, said, ack)
            if ended is None:
                return []
            actor = vehicle_actor(vehicle_id)
            self._journal.record(
                tx, actor, "list.acknowledged", vehicle_id=vehicle_id, data={"sequence": said.sequence}
            )
            self._tell(tx, actor, "key.revoked", ended, list_sequence=said.sequence)
            return ended

        try:
            return await self._store.write(work)
        except TokenError as error:
            await self._alert(error, vehicle_id, said.sequence)
            raise

    async def time_proof(self, vehicle_id: str, nonce: bytes, *, actor: str = SYSTEM) -> bytes:
        """What time it is, signed for that vehicle and an 8-byte nonce of it; names the newest list that it must have.

        Recorded first: the vehicle will hold it against us, so no later signature of ours may name an earlier time.
        """

        async def work(tx: CredentialTransaction) -> bytes:
            vehicle, now, issuer = await self._vehicle(tx, vehicle_id), int(await self._now(tx)), self.issuer
            await tx.raise_last_issued_at(now)
            self._journal.record(tx, actor, "time.proved", vehicle_id=vehicle_id)
            proof = TimeProof(vehicle_id, nonce, now, vehicle.list_sequence)
            return sign_time_proof(proof, issuer.signer, issuer.kid)  # here, where a slow signer holds no event loop

        return await self._store.write(work)

    async def record_receipt(self, vehicle_id: str, signed: bytes) -> Receipt:
        """Verify, check against its neighbours, keep; durable on return. ``receipts.keep`` has the codes.

        The first that names a key says that the vehicle has met it; one that says that the key was removed in the car
        ends it here, in the same transaction.
        """
        receipt = verify_receipt(signed, (await self._vehicle(self._store, vehicle_id)).vehicle.public_key)

        async def work(tx: CredentialTransaction) -> None:
            if await receipt_book.keep(tx, vehicle_id, receipt):
                self._journal.record(
                    tx,
                    vehicle_actor(vehicle_id),
                    "receipt.recorded",
                    vehicle_id=vehicle_id,
                    key_id=receipt.key_id,
                    outcome=receipt.outcome.label,
                    data={
                        "action": receipt.action.label,
                        "sequence": receipt.sequence,
                        "hash": receipt_hash(signed).hex(),
                    },
                )
                if receipt.removes_key:  # which is no use of it; that it was revoked tells of it
                    await self._removed(tx, receipt)
                    return
                if await tx.mark_met(receipt.key_id, vehicle_id):
                    met = view(await self._record(tx, receipt.key_id), await self._now(tx))
                    self._tell(tx, vehicle_actor(vehicle_id), "key.met", [met])
                used = "key.used" if receipt.outcome.ok else "key.refused"
                self._journal.tell(tx, used, vehicle_id, receipt_book.receipt_json(receipt))

        try:
            await self._store.write(work)
        except Conflict as error:
            await self._alert(error, vehicle_id, receipt.sequence)
            raise
        return receipt

    async def _removed(self, tx: CredentialTransaction, receipt: Receipt) -> None:
        """A vehicle's word counts for keys of its own. One that names another's lies: which is told; nothing ends."""
        actor = vehicle_actor(receipt.vehicle_id)
        check_actor(KeyEvent.REMOVE, actor)
        record = await tx.key(receipt.key_id)
        if record is None:
            return  # of a time that a restored backup has forgotten: the vehicle bars it by itself
        if record.key.vehicle_id != receipt.vehicle_id:
            reason = "removal_foreign"
            self._journal.alert(tx, actor, receipt.vehicle_id, reason, sequence=receipt.sequence)
            return
        limits = await self._limits_of_key(tx, record.key)
        done = await change(tx, record, KeyEvent.REMOVE, await self._now(tx), self.issuer, limits)
        await self._tell_change(tx, done, KeyEvent.REMOVE, actor)

    async def receipts(
        self, vehicle_id: str, after: int = 0, limit: int = 100, key_id: str | None = None
    ) -> list[Receipt]:
        """Those with a sequence above ``after``, ascending, at most ``limit`` (1 to 1000)."""
        if not 1 <= limit <= 1000:
            raise BadInput("limit is 1 to 1000")
        await self._vehicle(self._store, vehicle_id)
        return list(await self._store.receipts(vehicle_id, after, limit, key_id))

    async def last_receipt_sequence(self, vehicle_id: str) -> int:
        """Receipts 1 to this one are all here: ask the vehicle for those after it, and gaps close."""
        return (await self._vehicle(self._store, vehicle_id)).receipts_through
