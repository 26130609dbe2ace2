"""Invitations: apps offer a key with their token, friends answer with the secret of the link.

An app sees the invitations of the keys that it may know of. A phone needs no token: the secret of the link and its
device key are what it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keygw.bridge.access import Access, require
from keygw.bridge.errands import Errands
from keygw.bridge.keys import KeyView, shown
from keygw.bridge.ports import ChainLink, Credentials, Invited, KeyToken, SignedList
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.credentials.attestation import Evidence
from keygw.credentials.invitation import Invitation, InvitationState
from keygw.credentials.invitation_steps import unknown_invitation
from keygw.credentials.once import Once, Replayed
from keygw.crypto.signer import device_id
from keygw.model.entitlement import Entitlement
from keygw.model.errors import BadInput, NotFound
from keygw.model.ids import id_bytes
from keygw.model.vehicle import Vehicle


@dataclass(frozen=True, slots=True)
class Received:
    """What the friend's phone needs to use its key, as it is now: the newest token, chain and revocation list."""

    key: KeyView
    token: KeyToken
    chain: Sequence[ChainLink]
    revocations: SignedList


@dataclass(frozen=True, slots=True)
class Offer:
    """An invitation as the friend sees it; ``received`` once the key has been issued and to its own device alone."""

    invitation: Invitation
    vehicle: Vehicle
    received: Received | None = None


class Invitations:
    def __init__(self, credentials: Credentials, access: Access, errands: Errands) -> None:
        self._credentials = credentials
        self._access = access
        self._errands = errands

    # With an app's token

    async def create(
        self,
        app: App,
        parent_id: str,
        *,
        entitlements: Entitlement,
        key_expires_at: int | None,
        key_lifetime: int | None,
        label: str,
        activation_code: bool,
        lifetime: int | None,
        profile: str = "",
        once: Once | None = None,
    ) -> Invited | Invitation:
        """``Forbidden`` not_key_holder for a key of another app's device. The invitation alone where the request had
        been carried out: what is shown once is not shown twice."""
        require(app, Scope.KEY_SHARE)
        parent, _ = await self._access.key(app, parent_id)
        self._access.check_holder(app, await self._access.device(parent.device_id))
        credentials = self._credentials if once is None else self._credentials.under(once)
        try:
            return await credentials.invitations.create(
                parent.id,
                app_id=app.id,
                entitlements=entitlements,
                profile=profile,
                key_expires_at=key_expires_at,
                key_lifetime=key_lifetime,
                label=label,
                activation_code=activation_code,
                lifetime=lifetime,
                actor=app.actor,
            )
        except Replayed as again:
            return await self._credentials.invitations.get(again.resource)

    async def list(self, app: App, vehicle_id: str | None = None, key_id: str | None = None) -> list[Invitation]:
        """Oldest first within a vehicle; of one vehicle, or made with one key, if named."""
        require(app, Scope.KEY_READ, Scope.KEY_SHARE)
        if key_id is not None:
            views = [(await self._access.key(app, key_id))[1]]
        else:
            views = [await self._access.view(app, vehicle_id)] if vehicle_id else await self._access.views(app)
        found: list[Invitation] = []
        for view in views:
            visible = {key.id for key in view.keys if key_id in (None, key.id)}
            known = await self._credentials.invitations.of_vehicle(view.vehicle.id)
            found.extend(each for each in known if each.parent_id in visible)
        return found

    async def get(self, app: App, invitation_id: str) -> Invitation:
        require(app, Scope.KEY_READ, Scope.KEY_SHARE)
        return await self._visible(app, invitation_id)

    async def cancel(self, app: App, invitation_id: str, once: Once | None = None) -> Invitation:
        """By the app that made it, or by one that may manage the key it was made with."""
        require(app, Scope.KEY_SHARE, Scope.KEY_MANAGE)
        found = await self._visible(app, invitation_id)
        if found.app_id != app.id:
            key, view = await self._access.key(app, found.parent_id)
            self._access.check_manage(view, key)
        credentials = self._credentials if once is None else self._credentials.under(once)
        try:
            return await credentials.invitations.cancel(found.id, actor=app.actor)
        except Replayed:
            return await self._credentials.invitations.get(found.id)

    async def grant(self, app: App, invitation_id: str, signed: bytes) -> Invitation:
        """What the phone that holds the parent has signed for the device that claimed."""
        require(app, Scope.KEY_SHARE)
        found = await self._visible(app, invitation_id)
        granted = await self._credentials.invitations.grant(found.id, signed, actor=app.actor)
        await self._prepare(granted.vehicle_id)
        return granted

    # With the secret of the link

    async def look(self, invitation_id: str, secret: bytes) -> Offer:
        return await self._offer(await self._credentials.invitations.look(invitation_id, secret))

    async def claim(
        self,
        invitation_id: str,
        secret: bytes,
        device_key: bytes,
        proof: bytes,
        code: str | None,
        app: App | None,
        evidence: Evidence | None = None,
    ) -> Offer:
        """``app``: the friend's own, if it has one here: the phone's keys become visible to it."""
        if app is not None:
            await self._check_tenant(app, invitation_id, secret)
        claimed = await self._credentials.invitations.claim(
            invitation_id, secret, device_key, proof, code, None if app is None or app.operator else app.id, evidence
        )
        self._access.forget_device(device_id(device_key))
        offer = await self._offer(claimed)
        if claimed.state is not InvitationState.ACCEPTED or claimed.key_id is None:
            return offer
        await self._prepare(claimed.vehicle_id)
        token = await self._credentials.key_token(claimed.key_id)
        received = Received(
            key=shown(await self._credentials.standing(claimed.key_id)),
            token=token,
            chain=await self._credentials.chain(claimed.key_id),
            revocations=await self._credentials.current_list(claimed.vehicle_id),
        )
        return Offer(claimed, offer.vehicle, received)

    async def decline(self, invitation_id: str, secret: bytes, device_key: bytes | None, proof: bytes | None) -> Offer:
        return await self._offer(await self._credentials.invitations.decline(invitation_id, secret, device_key, proof))

    # Inside

    async def _check_tenant(self, app: App, invitation_id: str, secret: bytes) -> None:
        """An app that shows its token is told of no other tenant's invitation, whatever it knows of the link."""
        found = await self._credentials.invitations.look(invitation_id, secret)
        if not app.reaches((await self._credentials.vehicle(found.vehicle_id)).tenant_id):
            raise unknown_invitation()

    async def _prepare(self, vehicle_id: str) -> None:
        """As for any key that is shared: a list that the phone finds beside its token, and a visit to the vehicle."""
        await self._errands.refresh(vehicle_id)

    async def _offer(self, invitation: Invitation) -> Offer:
        return Offer(invitation, await self._credentials.vehicle(invitation.vehicle_id))

    async def _visible(self, app: App, invitation_id: str) -> Invitation:
        """``NotFound`` unknown_invitation, also for one of a key that the app may not know of."""
        try:
            id_bytes(invitation_id, "inv")
            found = await self._credentials.invitations.get(invitation_id)
            await self._access.key(app, found.parent_id)
        except (BadInput, NotFound):
            raise NotFound("there is no such invitation for this app", code="unknown_invitation") from None
        return found
