"""The steps of an invitation inside a transaction: each writes one change and says what to tell after the commit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from keygw.credentials.actors import kind_of
from keygw.credentials.invitation import (
    MOST_TRIES,
    Invitation,
    InvitationEvent,
    InvitationState,
    next_invitation_state,
)
from keygw.credentials.issuing import KeyPlan, make_key, plan_friend
from keygw.credentials.journal import Journal
from keygw.credentials.listing import view
from keygw.credentials.ports import CredentialReads, CredentialTransaction, VehicleRecord
from keygw.credentials.sharing import plan_granted, read_grant
from keygw.credentials.values import IssuerKeys, Limits
from keygw.crypto.signer import device_id
from keygw.model.audit import DONE, SYSTEM
from keygw.model.device import Device
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import Entitlement
from keygw.model.errors import Forbidden, NotFound
from keygw.model.ids import Random
from keygw.token.grant import LEEWAY

EVENTS = {
    InvitationState.OPEN: "invitation.created",
    InvitationState.CLAIMED: "invitation.claimed",
    InvitationState.ACCEPTED: "invitation.accepted",
    InvitationState.DECLINED: "invitation.declined",
    InvitationState.CANCELLED: "invitation.cancelled",
    InvitationState.EXPIRED: "invitation.expired",
    InvitationState.LOCKED: "invitation.locked",
    InvitationState.ENDED: "invitation.ended",
}


class InvitationSteps:
    def __init__(self, issuer_keys: IssuerKeys, random: Random, journal: Journal, limits: Limits) -> None:
        self._issuer_keys = issuer_keys
        self._random = random
        self._journal = journal
        self._limits = limits

    async def add(self, tx: CredentialTransaction, invitation: Invitation, actor: str) -> None:
        await tx.add_invitation(invitation)
        self._tell(tx, actor, EVENTS[invitation.state], invitation)

    async def current(self, tx: CredentialTransaction, invitation_id: str, now: float) -> Invitation:
        """As it stands, after what time and its parent have done to it."""
        found = await tx.invitation(invitation_id)
        if found is None:
            raise unknown_invitation()
        event = await self.due(tx, found, now)
        return found if event is None else await self.move(tx, found, event)

    async def due(self, reads: CredentialReads, invitation: Invitation, now: float) -> InvitationEvent | None:
        """What has happened to it by itself and is not written yet."""
        if invitation.state.settled:
            return None
        if now >= invitation.expires_at:
            return InvitationEvent.EXPIRE
        parent = await reads.key(invitation.parent_id)
        if parent is None or view(parent, now).state is not KeyState.ACTIVE:
            return InvitationEvent.PARENT_END
        return None

    async def move(
        self,
        tx: CredentialTransaction,
        invitation: Invitation,
        event: InvitationEvent,
        *,
        actor: str = SYSTEM,
        device_key: bytes | None = None,
    ) -> Invitation:
        """Write the step and tell it; ``Conflict`` where the table refuses. ``device_key``: to bind it to."""
        state = next_invitation_state(invitation.state, event)
        if state is invitation.state:
            return invitation
        moved = await tx.save_invitation(
            replace(invitation, state=state, device_key=device_key or invitation.device_key)
        )
        self._tell(tx, actor, EVENTS[state], moved)
        return moved

    async def accept(
        self, tx: CredentialTransaction, invitation: Invitation, plan: KeyPlan, signed: bytes, now: float, actor: str
    ) -> Invitation:
        """Issue the key within the signed grant. ``Conflict`` vehicle_full, ``TokenError`` of ``check_grant``."""
        state = next_invitation_state(invitation.state, InvitationEvent.ACCEPT)
        vehicle = await self._vehicle(tx, invitation.vehicle_id)
        renewed: list[DigitalKey] = []
        limits = self._limits.of_tenant(vehicle.vehicle.tenant_id)
        key = await make_key(tx, vehicle, plan, now, self._issuer_keys.current, limits, self._random, signed, renewed)
        accepted = await tx.save_invitation(replace(invitation, state=state, key_id=key.id))
        self._journal.keys(tx, SYSTEM, "key.renewed", renewed, reason="due")
        self._journal.keys(tx, actor, "key.shared", [key])
        self._tell(tx, actor, EVENTS[state], accepted)
        return accepted

    async def refuse_device(self, tx: CredentialTransaction, invitation: Invitation, actor: str) -> Invitation:
        """Another device knows the secret: the owner hears of it. Beyond ``MOST_TRIES`` no more is written or told."""
        if invitation.other_claims >= MOST_TRIES:
            return invitation
        counted = await tx.save_invitation(replace(invitation, other_claims=invitation.other_claims + 1))
        self._tell(tx, actor, "invitation.refused", counted, reason="other_device")
        return counted

    async def refuse_code(self, tx: CredentialTransaction, invitation: Invitation, actor: str) -> Invitation:
        """One more wrong activation code; the last one ends it."""
        counted = await tx.save_invitation(replace(invitation, wrong_codes=invitation.wrong_codes + 1))
        self._tell(tx, actor, "invitation.refused", counted, reason="activation_code_wrong")
        if counted.wrong_codes < MOST_TRIES:
            return counted
        return await self.move(tx, counted, InvitationEvent.LOCK, actor=actor)

    async def end_of_parents(self, tx: CredentialTransaction, keys: Iterable[DigitalKey]) -> None:
        """Whatever still waits on a key that is not active any more ends with it."""
        for key in keys:
            if key.state is not KeyState.ACTIVE:
                for waiting in await tx.unsettled_invitations(key.id):
                    await self.move(tx, waiting, InvitationEvent.PARENT_END)

    async def promised(self, tx: CredentialTransaction, invitation: Invitation, device: Device, now: float) -> KeyPlan:
        """The key that the invitation promises; where a lifetime would lead past the parent's end, until that."""
        parent = await parent_of(tx, invitation.parent_id, now)
        end = min(invitation.key_end(now), parent.expires_at)
        limits = await self.limits_of(tx, parent)
        return plan_friend(
            parent, device, invitation.entitlements, end, invitation.label, now, limits, invitation.profile
        )

    async def granted(
        self, tx: CredentialTransaction, invitation: Invitation, device: Device, signed: bytes, now: float
    ) -> KeyPlan:
        """The key that a phone's grant allows. ``Forbidden`` beyond_invitation: wider or longer than was promised."""
        parent = await parent_of(tx, invitation.parent_id, now)
        said = await read_grant(tx, parent, signed)
        wider = Entitlement(int(said.entitlements) & ~int(invitation.entitlements))
        if wider or said.expires_at > invitation.key_end(now) + LEEWAY:
            raise Forbidden("the grant gives more than the invitation promised", code="beyond_invitation")
        limits = await self.limits_of(tx, parent)
        return plan_granted(parent, device, said, invitation.label, now, limits, invitation.profile)

    async def limits_of(self, reads: CredentialReads, parent: DigitalKey) -> Limits:
        """What holds for the vehicle of that key."""
        return self._limits.of_tenant((await self._vehicle(reads, parent.vehicle_id)).vehicle.tenant_id)

    async def _vehicle(self, reads: CredentialReads, vehicle_id: str) -> VehicleRecord:
        found = await reads.vehicle(vehicle_id)
        if found is None:
            raise NotFound("there is no such vehicle", code="unknown_vehicle")
        return found

    def _tell(
        self, tx: CredentialTransaction, actor: str, kind: str, invitation: Invitation, reason: str | None = None
    ) -> None:
        data = {
            "invitation_id": invitation.id,
            "vehicle_id": invitation.vehicle_id,
            "parent_id": invitation.parent_id,
            "key_id": invitation.key_id,
            "state": invitation.state.value,
            "reason": reason,
            "by": kind_of(actor),
        }
        bound = None if invitation.device_key is None else device_id(invitation.device_key)
        self._journal.record(
            tx,
            actor,
            kind,
            vehicle_id=invitation.vehicle_id,
            key_id=invitation.key_id or invitation.parent_id,
            device_id=bound,
            outcome=reason or DONE,
            data={"invitation_id": invitation.id},
        )
        self._journal.tell(tx, kind, invitation.vehicle_id, data)


async def parent_of(reads: CredentialReads, key_id: str, now: float) -> DigitalKey:
    """The key as it is shown now; ``NotFound`` unknown_key."""
    record = await reads.key(key_id)
    if record is None:
        raise NotFound("there is no such key", code="unknown_key")
    return view(record, now)


def unknown_invitation() -> NotFound:
    """Also for a wrong secret, so that ids cannot be probed."""
    return NotFound("there is no such invitation, or the link is not complete", code="unknown_invitation")
