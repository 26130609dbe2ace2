"""The credential service: every operation is one transaction, and nothing is told to anybody before it is durable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from keygw.credentials import receipts as receipt_book
from keygw.credentials.invitation_steps import tell_keys
from keygw.credentials.invitations import Invitations
from keygw.credentials.issuing import (
    KeyPlan,
    checked_label,
    checked_public_key,
    hosted_grant,
    make_key,
    plan_friend,
    plan_owner,
)
from keygw.credentials.lifecycle import KeyEvent, next_state, refusal
from keygw.credentials.listing import due, put_list, view
from keygw.credentials.pairing import accept_ticket, refuse_without_ticket
from keygw.credentials.policy import authorize
from keygw.credentials.ports import (
    CredentialReads,
    CredentialStore,
    CredentialTransaction,
    KeyRecord,
    Vault,
    VehicleRecord,
)
from keygw.credentials.recovery import take_in
from keygw.credentials.renewal import renew
from keygw.credentials.revocation import accept_ack, change
from keygw.credentials.sharing import callers_grant, key_of_grant, plan_granted, read_grant
from keygw.credentials.values import ChainLink, Issuer, KeyToken, Limits, Notify, SignedList, Standing
from keygw.crypto.signer import Signer, device_id
from keygw.model.command import AuthorizedCommand, Command
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import Entitlement
from keygw.model.errors import BadInput, Conflict, NotFound, TokenError
from keygw.model.ids import Random, id_bytes
from keygw.model.receipt import Receipt
from keygw.model.vehicle import Vehicle
from keygw.token.receipt import verify_receipt
from keygw.token.revocation import verify_ack
from keygw.token.time_proof import TimeProof, sign_time_proof

_TOLD = {KeyEvent.SUSPEND: "key.suspended", KeyEvent.RESUME: "key.resumed", KeyEvent.REVOKE: "key.revoking"}
_ALARMING = frozenset({"ack_mismatch", "receipt_conflict", "receipt_chain_broken"})


def no_notice(event_type: str, data: dict[str, Any]) -> None:
    """A ``Notify`` for who does not listen."""


class CredentialService:
    """Issue, share, suspend, resume, revoke; and remember what vehicles say.

    ``clock``: Unix seconds; where it has gone back, the greatest time ever signed takes its place, so neither an iat
    nor an expiry ever moves back. ``random(n)``: n bytes, for key ids; give the operating system's.
    Raises ``NotFound``, ``Conflict``, ``Forbidden``, ``BadInput``, ``TokenError`` and, from the store, ``StoreError``.
    """

    def __init__(
        self,
        store: CredentialStore,
        vault: Vault,
        issuer: Issuer,
        clock: Callable[[], float],
        random: Random,
        notify: Notify = no_notice,
        limits: Limits | None = None,
    ) -> None:
        self.issuer = issuer
        self._store = store
        self._vault = vault
        self._clock = clock
        self._random = random
        self._notify = notify
        self._limits = limits or Limits()
        self.invitations = Invitations(store, vault, issuer, clock, random, notify, self._limits)

    # Vehicles and devices

    async def register_vehicle(self, vehicle: Vehicle) -> Vehicle:
        """The same vehicle again is a success; ``Conflict`` vehicle_exists if the id stands for other keys."""
        self._check_vehicle(vehicle)
        async with self._store.transaction() as tx:
            known = await tx.vehicle(vehicle.id)
            if known is None:
                await tx.add_vehicle(vehicle)
            elif known.vehicle != vehicle:
                raise Conflict("another vehicle is registered under this id", code="vehicle_exists")
        return vehicle

    async def vehicle(self, vehicle_id: str) -> Vehicle:
        return (await self._vehicle(self._store, vehicle_id)).vehicle

    async def vehicles(self) -> list[Vehicle]:
        return [record.vehicle for record in await self._store.vehicles()]

    async def create_hosted_device(self, app_id: str, label: str = "") -> Device:
        """A device whose key the gateway keeps for that app."""
        checked_label(label, self._limits)
        public_key = await self._vault.create()
        device = Device(device_id(public_key), DeviceKind.HOSTED, public_key, label, app_id)
        async with self._store.transaction() as tx:
            return await tx.add_device(device)

    async def device(self, device_id: str) -> Device:
        device = await self._store.device(device_id)
        if device is None:
            raise NotFound("there is no such device", code="unknown_device")
        return device

    async def device_signer(self, device_id: str) -> Signer:
        """The key of a hosted device, for use inside this process alone."""
        return await self._vault.signer(device_id)

    # Keys

    async def issue_owner_key(
        self, vehicle_id: str, device: Device | bytes, label: str = "", lifetime: int | None = None
    ) -> DigitalKey:
        """``device``: a device, or the public key of a phone. ``lifetime``: seconds, at most and by default a year.

        ``Forbidden`` pairing_required for a vehicle that has been paired: its owners come with tickets.
        """
        holder = device if isinstance(device, Device) else _phone(device)
        async with self._store.transaction() as tx:
            now = await self._now(tx)
            vehicle = await self._vehicle(tx, vehicle_id)
            refuse_without_ticket(vehicle)
            key = await self._make(tx, vehicle, plan_owner(holder, label, lifetime, now, self._limits), now)
            self._tell(tx, "key.issued", [key])
        return key

    async def pair_owner(
        self, vehicle: Vehicle, device: Device, ticket: bytes, transcript: bytes, label: str = ""
    ) -> DigitalKey:
        """An owner key on the word of the vehicle; makes the vehicle known if it was not. All or nothing.

        ``transcript``: the hash of the exchange as we saw it. ``pairing.accept_ticket`` has the codes.
        """
        self._check_vehicle(vehicle)
        async with self._store.transaction() as tx:
            now = await self._now(tx)
            record = await accept_ticket(tx, vehicle, device, ticket, transcript)
            key = await self._make(tx, record, plan_owner(device, label, None, now, self._limits), now)
            self._tell(tx, "key.issued", [key])
        return key

    async def share(
        self, parent_id: str, *, device_public_key: bytes, entitlements: Entitlement, expires_at: int, label: str = ""
    ) -> DigitalKey:
        """A friend key for the phone with that public key; ``issuing.check_friend`` has the rules and their codes.

        The hosted device that holds the parent signs the grant here. ``Conflict`` grant_required if a phone holds it.
        """
        phone = _phone(device_public_key)
        holder = await self.device((await self.key(parent_id)).device_id)
        signer = await self.device_signer(holder.id) if holder.kind is DeviceKind.HOSTED else None
        async with self._store.transaction() as tx:
            now = await self._now(tx)
            parent = view(await self._record(tx, parent_id), now)
            plan = plan_friend(parent, phone, entitlements, expires_at, label, now, self._limits)
            grant = hosted_grant(plan, now, signer)
            key = await self._make(tx, await self._vehicle(tx, parent.vehicle_id), plan, now, grant)
            self._tell(tx, "key.shared", [key])
        return key

    async def share_granted(
        self, parent_id: str, *, device_public_key: bytes, grant: bytes, label: str = ""
    ) -> DigitalKey:
        """The friend key that the parent's own device has granted: its rights, its end, its depth.

        One grant makes one key: the same again answers that key, whatever became of it. Beside the codes of ``share``,
        as ``BadInput`` or ``Forbidden``, those of ``token.grant``.
        """
        phone = _phone(device_public_key)
        await self.key(parent_id)
        with callers_grant():
            async with self._store.transaction() as tx:
                now = await self._now(tx)
                parent = view(await self._record(tx, parent_id), now)
                said = await read_grant(tx, parent, grant)
                known = await key_of_grant(tx, parent, phone, grant)
                if known is not None:
                    return view(known, now)
                plan = plan_granted(parent, phone, said, label, now, self._limits)
                key = await self._make(tx, await self._vehicle(tx, parent.vehicle_id), plan, now, grant)
                self._tell(tx, "key.shared", [key])
        return key

    async def suspend(self, key_id: str) -> DigitalKey:
        """The key and everything shared from it pause. Again: a success that changes nothing."""
        return await self._change(key_id, KeyEvent.SUSPEND)

    async def resume(self, key_id: str) -> DigitalKey:
        """``Conflict``: key_revoked, key_expired, parent_suspended."""
        return await self._change(key_id, KeyEvent.RESUME)

    async def revoke(self, key_id: str) -> DigitalKey:
        """The key and everything shared from it end: ``revoking`` until the vehicle says that it knows."""
        return await self._change(key_id, KeyEvent.REVOKE)

    async def key(self, key_id: str) -> DigitalKey:
        """As it is shown: expired by time, suspended with its parent."""
        return (await self._seen([await self._record(self._store, key_id)]))[0]

    async def keys(self, vehicle_id: str | None = None, device_id: str | None = None) -> list[DigitalKey]:
        return await self._seen(await self._store.keys(vehicle_id, device_id))

    async def standing(self, key_id: str) -> Standing:
        """The key, and whether its vehicle has confirmed to know its state."""
        return (await self._standing([await self._record(self._store, key_id)]))[0]

    async def standings(self, vehicle_id: str) -> list[Standing]:
        """``standing`` of every key of the vehicle."""
        return await self._standing(await self._store.keys(vehicle_id))

    async def key_token(self, key_id: str) -> KeyToken:
        """The newest one, signed anew if it is due; of an ended key the last: the car says whether it still opens.

        One that is signed although nobody asked (a list's watermark would bar the old one) is told by ``key.renewed``.
        """
        token = await self._store.key_token(key_id)
        if token is None:
            raise NotFound("there is no such key", code="unknown_key")
        if token.renew_from is None or self._clock() < token.renew_from:
            return token
        # Asked before a transaction is begun: a key that cannot be used now is not renewed either.
        if view(await self._record(self._store, key_id), self._clock()).state is not KeyState.ACTIVE:
            return token
        async with self._store.transaction() as tx:
            return await renew(tx, await self._record(tx, key_id), await self._now(tx), self.issuer, self._limits)

    async def renew(self, key_id: str) -> KeyToken:
        """A token that lasts as long as one can now. ``Conflict``: key_suspended, key_revoked, key_expired."""
        async with self._store.transaction() as tx:
            now = await self._now(tx)
            record = await self._record(tx, key_id)
            ended = refusal(view(record, now).state)
            if ended is not None:
                code, sentence = ended
                raise Conflict(sentence, code=code)
            return await renew(tx, record, now, self.issuer, self._limits, asked=True)

    async def chain(self, key_id: str) -> list[ChainLink]:
        """What the key stands on, nearest parent first; empty for an owner's.

        Empty too where a grant is missing, as in a key shared by a release before grants: a car refuses such a key.
        """
        links: list[ChainLink] = []
        key, token = (await self._record(self._store, key_id)).key, await self.key_token(key_id)
        while key.parent_id is not None:
            if token.grant is None:
                return []
            grant, token = token.grant, await self.key_token(key.parent_id)
            links.append(ChainLink(grant, token.cwt))
            key = (await self._record(self._store, key.parent_id)).key
        return links

    async def authorize(self, command: Command) -> AuthorizedCommand:
        """``policy.authorize`` with the key as it is now. ``Forbidden`` has the reason as its code."""
        key = await self.key(command.key_id)
        return authorize(key, command, await self._now(self._store))

    # Lists and receipts

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
        return [record.vehicle.id for record in found if await due(self._store, record, now, self._limits)]

    async def refresh_list(self, vehicle_id: str) -> bool:
        """Sign the vehicle's list anew if it needs one; whether it did."""
        if not await due(
            self._store, await self._vehicle(self._store, vehicle_id), await self._now(self._store), self._limits
        ):
            return False  # without waiting for the one writer
        async with self._store.transaction() as tx:
            now = await self._now(tx)
            vehicle = await self._vehicle(tx, vehicle_id)
            if not await due(tx, vehicle, now, self._limits):
                return False
            published = await put_list(tx, vehicle, now, self.issuer, self._limits)
            self._tell(tx, "key.renewed", published.renewed, list_sequence=published.sequence)
        return True

    async def recover_list(self, vehicle_id: str, signed: bytes) -> None:
        """Take in a list that the vehicle has and we have forgotten: we were restored from a backup.

        What it bars stays barred, and the next list is signed at once (``recovery.take_in``). ``TokenError`` if it is
        not ours; a list that is not newer than what we have changes nothing.
        """
        async with self._store.transaction() as tx:
            now = await self._now(tx)
            taken = await take_in(tx, await self._vehicle(tx, vehicle_id), signed, now, self.issuer, self._limits)
            if taken is not None:
                self._tell(tx, "key.revoking", taken.revoked, list_sequence=taken.published.sequence)
                self._tell(tx, "key.suspended", taken.suspended, list_sequence=taken.published.sequence)
                self._tell(tx, "key.renewed", taken.published.renewed, list_sequence=taken.published.sequence)

    async def acknowledge_list(self, vehicle_id: str, ack: bytes) -> list[DigitalKey]:
        """The vehicle's signed word that it stored a list; answers the keys that are ``revoked`` by it.

        ``revocation.accept_ack`` has the codes; a signature that does not hold is a ``TokenError``.
        """
        vehicle = await self.vehicle(vehicle_id)
        said = verify_ack(ack, vehicle.public_key)
        try:
            async with self._store.transaction() as tx:
                ended = await accept_ack(tx, vehicle_id, said, ack)
                self._tell(tx, "key.revoked", ended, list_sequence=said.sequence)
        except TokenError as error:
            self._alert(error, vehicle_id, said.sequence)
            raise
        return ended

    async def time_proof(self, vehicle_id: str, nonce: bytes) -> bytes:
        """What time it is, signed for that vehicle and an 8-byte nonce of it; names the newest list that it must have.

        Recorded first: the vehicle will hold it against us, so no later signature of ours may name an earlier time.
        """
        async with self._store.transaction() as tx:
            vehicle, now = await self._vehicle(tx, vehicle_id), int(await self._now(tx))
            await tx.raise_last_issued_at(now)
        proof = TimeProof(vehicle_id, nonce, now, vehicle.list_sequence)
        return sign_time_proof(proof, self.issuer.signer, self.issuer.kid)

    async def record_receipt(self, vehicle_id: str, signed: bytes) -> Receipt:
        """Verify, check against its neighbours, keep; durable on return. ``receipts.keep`` has the codes."""
        receipt = verify_receipt(signed, (await self.vehicle(vehicle_id)).public_key)
        try:
            async with self._store.transaction() as tx:
                await receipt_book.keep(tx, vehicle_id, receipt)
        except Conflict as error:
            self._alert(error, vehicle_id, receipt.sequence)
            raise
        return receipt

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

    # Inside

    def _check_vehicle(self, vehicle: Vehicle) -> None:
        id_bytes(vehicle.id, "veh")
        checked_public_key(vehicle.public_key)
        if len(vehicle.advertising_key) != 16:
            raise BadInput("an advertising key has 16 bytes", code="bad_advertising_key")
        checked_label(vehicle.name, self._limits)

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

    async def _make(
        self, tx: CredentialTransaction, vehicle: VehicleRecord, plan: KeyPlan, now: float, grant: bytes | None = None
    ) -> DigitalKey:
        return await make_key(tx, vehicle, plan, now, self.issuer, self._limits, self._random, grant)

    async def _change(self, key_id: str, event: KeyEvent) -> DigitalKey:
        await self.key(key_id)
        async with self._store.transaction() as tx:
            now = await self._now(tx)
            done = await change(tx, await self._record(tx, key_id), event, now, self.issuer, self._limits)
            await self.invitations.steps.end_of_parents(tx, [done.key, *done.also])
            if done.list_sequence:
                self._tell(tx, _TOLD[event], [done.key], list_sequence=done.list_sequence)
                self._tell(tx, _TOLD[event], done.also, list_sequence=done.list_sequence, because_of=done.key.id)
                self._tell(tx, "key.renewed", done.renewed, list_sequence=done.list_sequence)
        return done.key

    async def _seen(self, records: Sequence[KeyRecord]) -> list[DigitalKey]:
        """The keys as shown. One that was seen expired is stored so, and stays so if the clock goes back."""
        now = await self._now(self._store)
        shown = [view(record, now) for record in records]
        fresh = [
            key.id
            for key, record in zip(shown, records, strict=True)
            if key.state is KeyState.EXPIRED and record.key.state is not KeyState.EXPIRED
        ]
        if fresh:
            async with self._store.transaction() as tx:
                for key_id in fresh:
                    key = (await self._record(tx, key_id)).key
                    state = next_state(key.state, KeyEvent.EXPIRE)
                    if state is not key.state:
                        await tx.set_key_state(key, state)
        return shown

    async def _standing(self, records: Sequence[KeyRecord]) -> list[Standing]:
        shown = await self._seen(records)
        return [
            Standing(key, record.family_sequence, record.acknowledged, record.newest)
            for key, record in zip(shown, records, strict=True)
        ]

    def _tell(self, tx: CredentialTransaction, event_type: str, keys: Iterable[DigitalKey], **more: Any) -> None:
        tell_keys(tx, self._notify, event_type, keys, **more)

    def _alert(self, error: Conflict | TokenError, vehicle_id: str, sequence: int) -> None:
        if error.code in _ALARMING:
            data = {"vehicle_id": vehicle_id, "reason": error.code, "sequence": sequence}
            self._notify("security.alert", data)


def _phone(public_key: bytes) -> Device:
    checked_public_key(public_key)
    return Device(device_id(public_key), DeviceKind.PHONE, public_key)
