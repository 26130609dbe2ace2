"""The credential service: every operation is one transaction, and nothing is told to anybody before it is durable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Self

from keygw.credentials.attestation import Attestations, Evidence
from keygw.credentials.batches import KeyWish, checked_wishes, plan
from keygw.credentials.devices import Devices
from keygw.credentials.invitations import Invitations
from keygw.credentials.issuing import (
    KeyPlan,
    checked_public_key,
    hosted_grant,
    make_key,
    plan_friend,
    plan_owner,
)
from keygw.credentials.lifecycle import CAUSES, KeyEvent, next_state, refusal, stage
from keygw.credentials.listing import view
from keygw.credentials.once import KEEP_SECONDS, Once, OnceStore, look, on
from keygw.credentials.pairing import accept_ticket, judge_holder, refuse_without_ticket
from keygw.credentials.policy import authorize
from keygw.credentials.ports import (
    CredentialStore,
    CredentialTransaction,
    KeyRecord,
    Vault,
    VehicleRecord,
)
from keygw.credentials.renewal import renew
from keygw.credentials.service_base import no_notice
from keygw.credentials.service_changes import SWEPT
from keygw.credentials.service_former import FormerTokens
from keygw.credentials.service_lists import ListService
from keygw.credentials.service_losses import LossService
from keygw.credentials.service_ownership import OwnershipService, use_reservation
from keygw.credentials.service_vehicles import VehicleService
from keygw.credentials.sharing import callers_grant, key_of_grant, plan_granted, read_grant
from keygw.credentials.status_list import StatusLists
from keygw.credentials.trail import Marker, Trail
from keygw.credentials.values import ChainLink, IssuerKeys, KeyToken, Limits, Notify, Standing
from keygw.crypto.signer import device_id
from keygw.model.audit import SYSTEM
from keygw.model.command import AuthorizedCommand, Command
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import Entitlement
from keygw.model.errors import Conflict, NotFound
from keygw.model.ids import Random
from keygw.model.vehicle import Vehicle


class CredentialService(VehicleService, ListService, FormerTokens, OwnershipService, LossService):
    """Issue, share, suspend, resume, revoke; and remember what vehicles say.

    ``clock``: Unix seconds; where it has gone back, the greatest time ever signed takes its place, so neither an iat
    nor an expiry ever moves back. ``random(n)``: n bytes, for key ids; give the operating system's.
    ``marker``: where the newest checkpoint of the audit trail is kept outside the store.
    Raises ``NotFound``, ``Conflict``, ``Forbidden``, ``BadInput``, ``TokenError`` and, from the store, ``StoreError``.
    """

    def __init__(
        self,
        store: CredentialStore,
        vault: Vault,
        issuer: IssuerKeys,
        clock: Callable[[], float],
        random: Random,
        notify: Notify = no_notice,
        limits: Limits | None = None,
        marker: Marker | None = None,
        attestations: Attestations | None = None,
    ) -> None:
        super().__init__(store, vault, issuer, clock, random, notify, limits or Limits())
        judged = attestations or Attestations()
        self.status_lists = StatusLists(store, issuer, clock)
        self.trail = Trail(store, issuer, clock, marker)
        self.invitations = Invitations(store, vault, issuer, clock, random, self._journal, self._limits, judged)
        self.devices = Devices(store, clock, random, self._limits, judged, self._journal)

    def under(self, once: Once) -> Self:
        """This service for one operation that is carried out once. Beside its errors: ``Replayed``, and ``Conflict``
        idempotency_mismatch."""
        store = OnceStore(self._store, once, self._clock)
        narrowed = on(self, store)
        narrowed.invitations = on(self.invitations, store)
        narrowed.devices = on(self.devices, store)
        return narrowed

    async def look(self, once: Once | None) -> None:
        """``Replayed`` if the request was carried out before; ``Conflict`` idempotency_mismatch if another was."""
        await look(self._store, once)

    async def drop_answered(self) -> int:
        """Forget requests that were answered more than a day ago."""
        before = int(self._clock()) - KEEP_SECONDS
        return await self._store.write(lambda tx: tx.drop_answered(before))

    async def issue_owner_key(
        self,
        vehicle_id: str,
        device: Device | bytes,
        label: str = "",
        lifetime: int | None = None,
        *,
        actor: str = SYSTEM,
    ) -> DigitalKey:
        """``device``: a device, or the public key of a phone. ``lifetime``: seconds, at most and by default a year.

        ``Forbidden`` pairing_required for a vehicle that has been paired: its owners come with tickets.
        """
        holder = device if isinstance(device, Device) else _phone(device)

        async def work(tx: CredentialTransaction) -> DigitalKey:
            now = await self._now(tx)
            vehicle = await self._vehicle(tx, vehicle_id)
            refuse_without_ticket(vehicle)
            await use_reservation(tx, vehicle, holder)
            plan = plan_owner(holder, label, lifetime, now, self._limits_of(vehicle))
            return await self._make(tx, vehicle, plan, now, actor)

        return await self._store.write(work)

    async def issue_batch(self, vehicle_id: str, wishes: Sequence[KeyWish], *, actor: str = SYSTEM) -> list[DigitalKey]:
        """Up to 100 keys in one transaction, in the order of the wishes; all or none. ``batches`` has the codes.

        A grant that a key was issued on is refused with ``Conflict`` grant_used: whoever repeats a batch says so.
        """
        checked_wishes(wishes)

        async def work(tx: CredentialTransaction) -> list[DigitalKey]:
            now, made = await self._now(tx), []
            for wish in wishes:
                vehicle = await self._vehicle(tx, vehicle_id)
                planned = await plan(tx, vehicle, wish, now, self._limits_of(vehicle))
                if planned.parent and await key_of_grant(tx, planned.parent, planned.device, wish.grant or b""):
                    raise Conflict("a key was issued on this grant already", code="grant_used")
                if planned.parent is None:
                    await use_reservation(tx, vehicle, planned.device)
                made.append(await self._make(tx, vehicle, planned, now, actor, wish.grant))
            return made

        with callers_grant():
            return await self._store.write(work)

    async def pair_owner(
        self,
        vehicle: Vehicle,
        device: Device,
        ticket: bytes,
        transcript: bytes,
        label: str = "",
        *,
        evidence: Evidence | None = None,
        challenge: bytes = b"",
        actor: str = SYSTEM,
    ) -> DigitalKey:
        """An owner key on the word of the vehicle; makes the vehicle known if it was not. All or nothing.

        ``transcript``: the hash of the exchange as we saw it. ``pairing.accept_ticket`` has the codes. ``evidence``:
        of a phone's device key, for that exchange's ``challenge`` (32 bytes); the codes of ``Attestations.judge`` and,
        where the owner's profile asks for more, of ``Profiles.check_new``.
        """
        self._check_vehicle(vehicle)
        attested = None
        if evidence is not None:
            now = await self._now(self._store)
            attested = self.devices.attestations.judge(evidence, challenge, device.public_key, now)

        async def work(tx: CredentialTransaction) -> DigitalKey:
            now = await self._now(tx)
            record = await accept_ticket(tx, vehicle, device, ticket, transcript)
            await use_reservation(tx, record, device)
            holder = await judge_holder(tx, device, attested, now)
            planned = plan_owner(holder, label, None, now, self._limits_of(record))
            key = await self._make(tx, record, planned, now, actor)
            self._journal.pairing(tx, key.id, key.vehicle_id, "enrolled")
            return key

        return await self._store.write(work)

    async def share(
        self,
        parent_id: str,
        *,
        device_public_key: bytes,
        entitlements: Entitlement,
        expires_at: int,
        label: str = "",
        profile: str = "",
        actor: str = SYSTEM,
    ) -> DigitalKey:
        """A friend key for the phone with that public key; ``issuing.check_friend`` has the rules and their codes.

        The hosted device that holds the parent signs the grant here. ``Conflict`` grant_required if a phone holds it.
        """
        phone = _phone(device_public_key)
        holder = await self.device((await self.key(parent_id)).device_id)
        signer = await self.device_signer(holder.id) if holder.kind is DeviceKind.HOSTED else None

        async def work(tx: CredentialTransaction) -> DigitalKey:
            now = await self._now(tx)
            parent = view(await self._record(tx, parent_id), now)
            vehicle = await self._vehicle(tx, parent.vehicle_id)
            limits = self._limits_of(vehicle)
            plan = plan_friend(parent, phone, entitlements, expires_at, label, now, limits, profile)
            grant = hosted_grant(plan, now, signer)
            return await self._make(tx, vehicle, plan, now, actor, grant)

        return await self._store.write(work)

    async def share_granted(
        self, parent_id: str, *, device_public_key: bytes, grant: bytes, label: str = "", actor: str = SYSTEM
    ) -> DigitalKey:
        """The friend key that the parent's own device has granted: its rights, its end, its depth.

        One grant makes one key: the same again answers that key, whatever became of it. Beside the codes of ``share``,
        as ``BadInput`` or ``Forbidden``, those of ``token.grant``.
        """
        phone = _phone(device_public_key)
        await self.key(parent_id)
        with callers_grant():

            async def work(tx: CredentialTransaction) -> DigitalKey:
                now = await self._now(tx)
                parent = view(await self._record(tx, parent_id), now)
                said = await read_grant(tx, parent, grant)
                known = await key_of_grant(tx, parent, phone, grant)
                if known is not None:
                    return view(known, now)
                vehicle = await self._vehicle(tx, parent.vehicle_id)
                plan = plan_granted(parent, phone, said, label, now, self._limits_of(vehicle))
                return await self._make(tx, vehicle, plan, now, actor, grant)

            return await self._store.write(work)

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

        Every new one is told by ``key.renewed``, with its ``reason``: due, asked, or watermark (of a list that would
        bar the old one).
        """
        token = await self._store.key_token(key_id)
        if token is None:
            raise NotFound("there is no such key", code="unknown_key")
        if token.renew_from is None or self._clock() < token.renew_from:
            return token
        # Asked before a transaction is begun: a key that cannot be used now is not renewed either.
        if view(await self._record(self._store, key_id), self._clock()).state is not KeyState.ACTIVE:
            return token

        async def work(tx: CredentialTransaction) -> KeyToken:
            return await self._renew(tx, await self._record(tx, key_id), await self._now(tx), SYSTEM)

        return await self._store.write(work)

    async def renew(self, key_id: str, *, actor: str = SYSTEM) -> DigitalKey:
        """Sign a token that lasts as long as one can now. ``Conflict``: key_suspended, key_revoked, key_expired."""

        async def work(tx: CredentialTransaction) -> DigitalKey:
            now = await self._now(tx)
            record = await self._record(tx, key_id)
            ended = refusal(view(record, now).state)
            if ended is not None:
                code, sentence = ended
                raise Conflict(sentence, code=code)
            await self._renew(tx, record, now, actor, asked=True)
            return (await self._record(tx, key_id)).key

        return await self._store.write(work)

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

    async def sweep(self) -> int:
        """Store and tell what time alone has ended: keys and invitations. How many; call again while there are any."""
        now = await self._now(self._store)
        over = await self._store.keys_over(int(now), SWEPT)
        for key_id in over:
            await self.key(key_id)
        return len(over) + await self.invitations.sweep(now, SWEPT)

    async def authorize(self, command: Command) -> AuthorizedCommand:
        """``policy.authorize`` with the key as it is now. ``Forbidden`` has the reason as its code."""
        key = await self.key(command.key_id)
        return authorize(key, command, await self._now(self._store))

    # Inside

    async def _make(
        self,
        tx: CredentialTransaction,
        vehicle: VehicleRecord,
        plan: KeyPlan,
        now: float,
        actor: str,
        grant: bytes | None = None,
    ) -> DigitalKey:
        renewed: list[DigitalKey] = []
        limits = self._limits_of(vehicle)
        key = await make_key(tx, vehicle, plan, now, self.issuer, limits, self._random, grant, renewed)
        self._tell(tx, SYSTEM, "key.renewed", renewed, reason="due")
        self._tell(tx, actor, "key.issued" if plan.parent is None else "key.shared", [key])
        return key

    async def _renew(
        self, tx: CredentialTransaction, record: KeyRecord, now: float, actor: str, *, asked: bool = False
    ) -> KeyToken:
        renewed: list[DigitalKey] = []
        limits = await self._limits_of_key(tx, record.key)
        token = await renew(tx, record, now, self.issuer, limits, renewed, asked=asked)
        for key in renewed:  # parents' tokens that were due come along
            if asked and key.id == record.key.id:
                self._tell(tx, actor, "key.renewed", [key], reason="asked")
            else:
                self._tell(tx, SYSTEM, "key.renewed", [key], reason="due")
        return token

    async def _seen(self, records: Sequence[KeyRecord]) -> list[DigitalKey]:
        """The keys as shown. One that was seen expired is stored so, and stays so if the clock goes back."""
        now = await self._now(self._store)
        shown = [view(record, now) for record in records]
        fresh = [
            key.id
            for key, record in zip(shown, records, strict=True)
            if key.state is KeyState.EXPIRED and record.key.state is not KeyState.EXPIRED
        ]

        async def work(tx: CredentialTransaction) -> None:
            for key_id in fresh:
                key = (await self._record(tx, key_id)).key
                state = next_state(key.state, KeyEvent.EXPIRE)
                if state is not key.state:
                    ended = await tx.set_key_state(key, state)
                    self._tell(tx, SYSTEM, CAUSES[KeyEvent.EXPIRE].told, [ended])

        if fresh:
            await self._store.write(work)
        return shown

    async def _standing(self, records: Sequence[KeyRecord]) -> list[Standing]:
        shown, now = await self._seen(records), await self._now(self._store)
        return [
            Standing(
                key,
                record.family_sequence,
                record.acknowledged,
                record.newest,
                stage(key.state, record.met, record.renew_from, now),
                record.hold,
            )
            for key, record in zip(shown, records, strict=True)
        ]


def _phone(public_key: bytes) -> Device:
    checked_public_key(public_key)
    return Device(device_id(public_key), DeviceKind.PHONE, public_key)
