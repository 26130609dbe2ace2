"""Vehicles and links as an app handles them."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from keygw.bridge.access import Access, View, require, usable
from keygw.bridge.ports import AppStore, Clock, Credentials, Fleet, SignedList
from keygw.bridge.reconnect import Reconnect
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.credentials.once import Once, Replayed
from keygw.model.audit import AuditEntry
from keygw.model.digital_key import DigitalKey
from keygw.model.errors import Conflict, Forbidden
from keygw.model.ids import id_bytes
from keygw.model.vehicle import IssuerRoot, Registered, Vehicle
from keygw.vehicle.values import Discovered, LinkStatus


class Vehicles:
    def __init__(
        self,
        credentials: Credentials,
        store: AppStore,
        access: Access,
        fleet: Fleet,
        reconnect: Reconnect,
        clock: Clock,
    ) -> None:
        self._credentials = credentials
        self._reconnect = reconnect
        self._store = store
        self._access = access
        self._fleet = fleet
        self._clock = clock

    async def register(self, app: App, vehicle: Vehicle, once: Once | None = None) -> None:
        """Make a vehicle known here, in the tenant that it names (``Tenants.chosen``).

        ``Conflict`` vehicle_taken if another app registered it before."""
        require(app, Scope.VEHICLE_MANAGE)
        id_bytes(vehicle.id, "veh")
        if await self._store.claimant(vehicle.id) not in (None, app.id):
            raise _taken()
        # Registered before it is claimed: what is refused here (malformed, or other keys under that id) leaves no claim
        # behind. After a crash in between, or where another was quicker, the same request simply comes again.
        credentials = self._credentials if once is None else self._credentials.under(once)
        with contextlib.suppress(Replayed):  # the claim may be what the first one did not come to
            await credentials.register_vehicle(vehicle, actor=app.actor)
        if await self._store.claim_vehicle(vehicle.id, app.id, claim_entry(app, self._clock())) != app.id:
            raise _taken()

    async def register_many(self, app: App, vehicles: Sequence[Vehicle]) -> Sequence[Registered]:
        """Make several known, in one transaction, and say of each what became of it. ``BadInput``: then of none.

        A vehicle that another app registered, or whose id stands for other keys, is a conflict, and hinders no other.
        """
        require(app, Scope.VEHICLE_MANAGE)
        for vehicle in vehicles:
            id_bytes(vehicle.id, "veh")
        free = [each for each in vehicles if await self._store.claimant(each.id) in (None, app.id)]
        answers = await self._credentials.register_vehicles(free, actor=app.actor)
        # Claimed after they are registered, as a single one is; the same batch again heals a crash in between.
        sound = {each.id for each, answer in zip(free, answers, strict=True) if answer is not Registered.CONFLICT}
        holders = await self._store.claim_vehicles(sorted(sound), app.id, claim_entry(app, self._clock()))
        told = iter(answers)
        taken = {each.id for each in vehicles} - {each.id for each in free}
        told_all = [Registered.CONFLICT if each.id in taken else next(told) for each in vehicles]
        return [
            answer if answer is Registered.CONFLICT or holders[each.id] == app.id else Registered.CONFLICT
            for each, answer in zip(vehicles, told_all, strict=True)
        ]

    async def issuer_root(self) -> IssuerRoot:
        """What a vehicle that is provisioned now is to trust; anybody may know."""
        return await self._credentials.issuer_root()

    async def list(self, app: App) -> list[View]:
        require(app, Scope.VEHICLE_READ)
        return await self._access.views(app)

    async def get(self, app: App, vehicle_id: str) -> View:
        require(app, Scope.VEHICLE_READ)
        return await self._access.view(app, vehicle_id)

    async def discover(self, app: App, seconds: float) -> Sequence[Discovered]:
        """Vehicles heard near the gateway; the id only of those that the app may know of."""
        require(app, Scope.VEHICLE_READ)
        heard = await self._fleet.discover(seconds)
        mine = {view.vehicle.id for view in await self._access.views(app)}
        return [each if each.vehicle_id in mine else Discovered(None, each.rotating_id, each.link) for each in heard]

    async def link(self, app: App, vehicle_id: str) -> LinkStatus:
        """How the link is; ``disconnected`` if there is none."""
        await self.get(app, vehicle_id)
        return self._fleet.link(vehicle_id) or LinkStatus(vehicle_id, "disconnected")

    async def connect(self, app: App, vehicle_id: str, key_id: str | None, seconds: float) -> LinkStatus:
        """A session with one of the app's own keys. ``LinkError`` out_of_range and so on within ``seconds``.

        It is made again when it is lost, until somebody ends it."""
        key = await self._usable_own_key(app, vehicle_id, key_id)
        status = await self._fleet.connect(vehicle_id, key.id, seconds)
        self._reconnect.hold(vehicle_id, key.id)
        return status

    async def disconnect(self, app: App, vehicle_id: str) -> None:
        """``Forbidden`` link_of_another if the link runs on a key that is not the app's own."""
        require(app, Scope.VEHICLE_READ, operator=(Scope.VEHICLE_MANAGE,))
        view = await self._access.view(app, vehicle_id)
        status = self._fleet.link(vehicle_id)
        if status is None or status.state == "disconnected":
            return
        if not app.operator and all(key.id != status.key_id for key in view.own):
            raise Forbidden("another app is using this link", code="link_of_another")
        self._reconnect.release(vehicle_id)
        await self._fleet.disconnect(vehicle_id)

    async def sync(self, app: App, vehicle_id: str) -> None:
        """Carry the revocation list now, and return when the vehicle has acknowledged it."""
        await self._usable_own_key(app, vehicle_id, None)
        await self._fleet.sync_list(vehicle_id)

    async def time_proof(self, app: App, vehicle_id: str, nonce: bytes) -> tuple[bytes, SignedList]:
        """For a phone that has met the vehicle and got this nonce (8 bytes) from it. It goes with the key token: who
        may fetch the one may fetch the other.

        With it comes the list that it names, or a newer one: the vehicle believes no time without that list."""
        require(app, Scope.KEY_READ, Scope.KEY_SHARE, operator=(Scope.KEY_MANAGE,))
        view = await self._access.view(app, vehicle_id)
        proof = await self._credentials.time_proof(view.vehicle.id, nonce, actor=app.actor)
        return proof, await self._credentials.current_list(view.vehicle.id)

    async def _usable_own_key(self, app: App, vehicle_id: str, key_id: str | None) -> DigitalKey:
        require(app, Scope.VEHICLE_READ, operator=(Scope.VEHICLE_MANAGE,))
        key = self._access.own_key(await self._access.view(app, vehicle_id), key_id)
        if not usable(key, self._clock()):
            raise Forbidden("the app's key for that vehicle cannot be used now", code="key_not_usable")
        return key


def claim_entry(app: App, now: float) -> AuditEntry:
    """For the trail, where the claim is new: the app registered the vehicle, or took it over."""
    return AuditEntry(int(now), app.actor, "vehicle.claimed", app.tenant_id, data={"app_id": app.id})


def _taken() -> Conflict:
    return Conflict("that vehicle is registered already", code="vehicle_taken")
