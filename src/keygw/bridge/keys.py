"""Digital keys as an app handles them: issue, share, suspend, resume, revoke, always within what it may."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from keygw.bridge.access import Access, require
from keygw.bridge.errands import Errands
from keygw.bridge.ports import ChainLink, Credentials, KeyToken, Overdue, SignedList, Standing
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.credentials.actors import app_actor
from keygw.credentials.batches import KeyWish
from keygw.credentials.lifecycle import Hold
from keygw.credentials.once import Once, Replayed
from keygw.model.digital_key import DigitalKey, KeyStage, Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import Forbidden, KeygwError, NotFound
from keygw.model.receipt import Receipt
from keygw.model.vehicle import Vehicle


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key and how far its vehicle has heard: list sequence ``current`` here, ``acknowledged`` by the vehicle.

    ``stage``: how far its life is; ``hold``: why it is suspended itself.
    """

    key: DigitalKey
    current: int
    acknowledged: int
    stage: KeyStage
    hold: Hold


class Keys:
    def __init__(self, credentials: Credentials, access: Access, errands: Errands) -> None:
        self._credentials = credentials
        self._access = access
        self._errands = errands

    async def issue_owner(
        self, app: App, vehicle_id: str, label: str, once: Once | None = None
    ) -> tuple[KeyView, bytes]:
        """An owner key for a new hosted device of the app, and that device's public key (33 bytes).

        For an app that holds a usable owner key of the vehicle, or an operator. Whoever registered it issues the very
        first one; after that the claim counts no more, or nobody could take the vehicle away from that app. Any other
        that can see the vehicle gets ``Forbidden`` not_vehicle_owner; a grant too: none of its keys is wider than it.
        """
        require(app, Scope.KEY_MANAGE, operator=(Scope.KEY_ISSUE,))
        view = await self._access.view(app, vehicle_id)
        owner = app.home_id is None and any(key.role is Role.OWNER for key in self._access.usable_keys(view))
        if not (view.first or owner or app.operator):
            raise Forbidden(
                "only an app with a usable owner key may issue another; the first is for who registered the vehicle",
                code="not_vehicle_owner",
            )
        try:
            await self._credentials.look(once)
            device = await self._credentials.create_hosted_device(app.id, label, actor=app.actor)
            key = await self._once(once).issue_owner_key(vehicle_id, device, label=label, actor=app.actor)
        except Replayed as again:
            seen = shown(await self._credentials.standing(again.resource))
            return seen, (await self._access.device(seen.key.device_id)).public_key
        return await self._seen(key), device.public_key

    async def issue_batch(
        self, app: App, vehicle_id: str, wishes: Sequence[KeyWish], once: Once | None = None
    ) -> Sequence[DigitalKey]:
        """For operators: keys of phones, all or none. The vehicle's new list, if friends need one, is on its way."""
        require(app, Scope.KEY_ISSUE)
        await self._access.vehicle(app, vehicle_id)
        try:
            made = await self._once(once).issue_batch(vehicle_id, wishes, actor=app.actor)
        except Replayed as again:
            return [await self._credentials.key(key_id) for key_id in again.resource.split()]
        if any(key.parent_id for key in made):
            await self._errands.refresh(vehicle_id)
        return made

    async def share(
        self,
        app: App,
        parent_id: str,
        *,
        device_public_key: bytes,
        entitlements: Entitlement,
        expires_at: int,
        label: str,
        once: Once | None = None,
        profile: str = "",
    ) -> KeyView:
        """A child of one of the app's own hosted keys. ``Forbidden`` not_key_holder for a key that it merely sees."""
        require(app, Scope.KEY_SHARE)
        parent, _ = await self._access.key(app, parent_id)
        self._access.check_holder(app, await self._access.device(parent.device_id))
        try:
            child = await self._once(once).share(
                parent.id,
                device_public_key=device_public_key,
                entitlements=entitlements,
                expires_at=expires_at,
                label=label,
                actor=app.actor,
                profile=profile,
            )
        except Replayed as again:
            child = await self._credentials.key(again.resource)
        await self._errands.refresh(child.vehicle_id)  # so that the phone finds it beside its token
        return await self._seen(child)

    async def share_granted(
        self,
        app: App,
        parent_id: str,
        *,
        device_public_key: bytes,
        grant: bytes,
        label: str,
        once: Once | None = None,
    ) -> KeyView:
        """A child of whichever key a phone holds and has signed a grant with: the grant is the proof of holding it.

        To an app that does not know the parent, a grant that fails says no more than that: ``NotFound`` unknown_key.
        """
        require(app, Scope.KEY_SHARE)
        await self._access.check_tenant(app, parent_id)
        try:
            child = await self._once(once).share_granted(
                parent_id, device_public_key=device_public_key, grant=grant, label=label, actor=app.actor
            )
        except Replayed as again:
            child = await self._credentials.key(again.resource)
        except KeygwError:
            await self._access.key(app, parent_id)
            raise
        await self._errands.refresh(child.vehicle_id)
        return await self._seen(child)

    async def renew(
        self, app: App, key_id: str, once: Once | None = None
    ) -> tuple[KeyToken, Sequence[ChainLink], Vehicle, SignedList]:
        """``token``, with one that is signed now."""
        require(app, Scope.KEY_READ, Scope.KEY_SHARE, operator=(Scope.KEY_MANAGE,))
        key, _ = await self._access.key(app, key_id)
        with contextlib.suppress(Replayed):
            await self._once(once).renew(key.id, actor=app.actor)
        return await self.token(app, key_id)

    async def suspend(self, app: App, key_id: str, once: Once | None = None) -> KeyView:
        key, view = await self._access.key(app, key_id)
        self._access.check_manage(view, key, hold=True)
        try:
            changed = await self._once(once).suspend(key.id, actor=app.actor)
        except Replayed:
            changed = key
        return await self._changed(changed)

    async def resume(self, app: App, key_id: str, once: Once | None = None) -> KeyView:
        key, view = await self._access.key(app, key_id)
        self._access.check_manage(view, key, resuming=True)
        try:
            changed = await self._once(once).resume(key.id, actor=app.actor)
        except Replayed:
            changed = key
        return await self._changed(changed)

    async def revoke(self, app: App, key_id: str, once: Once | None = None) -> KeyView:
        """``revoking`` until the vehicle has acknowledged; the list is on its way when this returns."""
        key, view = await self._access.key(app, key_id)
        self._access.check_manage(view, key)
        try:
            changed = await self._once(once).revoke(key.id, actor=app.actor)
        except Replayed:
            changed = key
        return await self._changed(changed)

    async def give_back(self, app: App, key_id: str) -> KeyView:
        """By the app whose device holds it. ``Forbidden`` not_key_holder for a key that it merely sees."""
        require(app, Scope.KEY_READ, Scope.KEY_SHARE, Scope.KEY_MANAGE)
        key, view = await self._access.key(app, key_id)
        if all(own.id != key.id for own in view.own):
            raise Forbidden("only its holder gives a key back; to end another's, revoke it", code="not_key_holder")
        return await self._changed(await self._credentials.give_back(key.id, actor=app_actor(app.id)))

    async def give_back_proven(self, key_id: str, device_key: bytes, proof: bytes) -> KeyView:
        """By a phone that has no token here, with its device key alone."""
        return await self._changed(await self._credentials.give_back_proven(key_id, device_key, proof))

    async def overdue(self, app: App, seconds: float | None) -> list[tuple[KeyView, Overdue]]:
        """Changes that their vehicles have not confirmed for that long, of keys that the app may know of.

        ``None``: for as long as the limits of this deployment say.
        """
        require(app, Scope.KEY_READ)
        found: list[tuple[KeyView, Overdue]] = []
        for late in await self._credentials.overdue(seconds):
            try:
                key, _ = await self._access.key(app, late.key_id)
            except NotFound:
                continue
            found.append((await self._seen(key), late))
        return found

    async def get(self, app: App, key_id: str) -> KeyView:
        require(app, Scope.KEY_READ)
        key, _ = await self._access.key(app, key_id)
        return await self._seen(key)

    async def list(self, app: App, vehicle_id: str | None = None) -> list[KeyView]:
        require(app, Scope.KEY_READ)
        views = [await self._access.view(app, vehicle_id)] if vehicle_id else await self._access.views(app)
        found: list[KeyView] = []
        for view in views:
            visible = {key.id for key in view.keys}
            standings = await self._credentials.standings(view.vehicle.id)
            found.extend(shown(standing) for standing in standings if standing.key.id in visible)
        return found

    async def token(self, app: App, key_id: str) -> tuple[KeyToken, Sequence[ChainLink], Vehicle, SignedList]:
        """The key token in both forms, what it stands on, the vehicle to find and know, the list to carry there."""
        require(app, Scope.KEY_READ, Scope.KEY_SHARE)
        key, view = await self._access.key(app, key_id)
        newest = await self._credentials.current_list(key.vehicle_id)
        token, chain = await self._credentials.key_token(key.id), await self._credentials.chain(key.id)
        return token, chain, view.vehicle, newest

    async def receipts(
        self, app: App, vehicle_id: str, after: int, limit: int, key_id: str | None = None
    ) -> Sequence[Receipt]:
        """The vehicle's receipts of the keys that the app may know of, ascending."""
        require(app, Scope.KEY_READ)
        view = await self._access.view(app, vehicle_id)
        wanted = {key.id for key in view.keys if key_id in (None, key.id)}
        found: list[Receipt] = []
        while len(found) < limit:
            page = await self._credentials.receipts(vehicle_id, after=after, limit=100)
            if not page:
                break
            found.extend(receipt for receipt in page if receipt.key_id in wanted)
            after = page[-1].sequence
        return found[:limit]

    async def key_receipts(self, app: App, key_id: str, after: int, limit: int) -> Sequence[Receipt]:
        key, _ = await self._access.key(app, key_id)
        return await self.receipts(app, key.vehicle_id, after, limit, key.id)

    def _once(self, once: Once | None) -> Credentials:
        return self._credentials if once is None else self._credentials.under(once)

    async def _changed(self, key: DigitalKey) -> KeyView:
        self._errands.request(key.vehicle_id)
        return await self._seen(key)

    async def _seen(self, key: DigitalKey) -> KeyView:
        """The key as it is now. Read together with the lists: an acknowledgement may come at any moment."""
        return shown(await self._credentials.standing(key.id))


def shown(standing: Standing) -> KeyView:
    """The view of it."""
    return KeyView(
        standing.key, standing.newest_sequence, standing.acknowledged_sequence, standing.stage, standing.hold
    )
