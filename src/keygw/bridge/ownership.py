"""Whose a vehicle is, and which device is lost, as an app handles them: each within what its keys and scopes allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keygw.bridge.access import Access, View, require
from keygw.bridge.errands import Errands
from keygw.bridge.people import People
from keygw.bridge.ports import AppStore, Clock, Credentials, EpochEnd, Loss, LossReport, OfferedTransfer
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.bridge.vehicles import claim_entry
from keygw.credentials.service_ownership import unknown_transfer
from keygw.credentials.transfer import Transfer, TransferState
from keygw.model.digital_key import DigitalKey, Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import BadInput, Forbidden, NotFound
from keygw.model.ids import id_bytes
from keygw.model.vehicle import Vehicle


@dataclass(frozen=True, slots=True)
class TransferView:
    """An offer and the vehicle that it is about."""

    transfer: Transfer
    vehicle: Vehicle


@dataclass(frozen=True, slots=True)
class Report:
    """``LossReport``, as far as its reader may know of the keys."""

    device_id: str
    loss: Loss
    keys: Sequence[DigitalKey]


class Ownership:
    def __init__(
        self,
        credentials: Credentials,
        store: AppStore,
        access: Access,
        errands: Errands,
        people: People,
        clock: Clock,
    ) -> None:
        self._credentials = credentials
        self._store = store
        self._access = access
        self._errands = errands
        self._people = people
        self._clock = clock

    # The vehicle

    async def end_epoch(self, app: App, vehicle_id: str, person_id: str | None = None) -> EpochEnd:
        """End every key of the vehicle at once. The next owner key is for this app, or for that person: nobody else can
        pair.

        ``Forbidden`` not_vehicle_owner without a usable owner key that holds key.manage; ``NotFound`` unknown_person,
        ``Conflict`` person_closed.
        """
        view = await self._owned(app, vehicle_id)
        heir = app.id if person_id is None else await self._people.heir(app, person_id, view.vehicle.tenant_id)
        done = await self._credentials.end_epoch(view.vehicle.id, heir, actor=app.actor)
        self._errands.request(view.vehicle.id)
        return done

    async def offer(self, app: App, vehicle_id: str, lifetime: int | None) -> tuple[OfferedTransfer, Vehicle]:
        """The first of two steps; until somebody accepts nothing happens to the vehicle. ``Conflict`` transfer_offered;
        ``Forbidden`` not_vehicle_owner."""
        view = await self._owned(app, vehicle_id)
        return await self._credentials.offer_transfer(view.vehicle.id, lifetime, actor=app.actor), view.vehicle

    async def accept(self, app: App, transfer_id: str, secret: bytes) -> TransferView:
        """The second step: every key of the vehicle ends, and this app may pair with it, or issue its first key."""
        require(app, Scope.KEY_MANAGE)
        _check_id(transfer_id)
        offered = await self._credentials.transfer(transfer_id)
        if not app.reaches((await self._credentials.vehicle(offered.vehicle_id)).tenant_id):
            raise unknown_transfer()
        accepted = await self._credentials.accept_transfer(transfer_id, secret, app.id)
        # After a crash in between, the same request comes again and passes the claim on then.
        await self._store.pass_claim(accepted.vehicle_id, app.id, claim_entry(app, self._clock()))
        self._errands.request(accepted.vehicle_id)
        return await self._with_vehicle(accepted)

    async def transfer(self, app: App, transfer_id: str) -> TransferView:
        """For who offered it, who accepted it, and operators; ``NotFound`` unknown_transfer for others."""
        require(app, Scope.KEY_MANAGE, operator=(Scope.KEY_READ,))
        return await self._with_vehicle(await self._visible(app, transfer_id))

    async def cancel(self, app: App, transfer_id: str) -> TransferView:
        """Take the offer back. ``Conflict`` transfer_accepted; ``Forbidden`` not_vehicle_owner for who accepted it."""
        require(app, Scope.KEY_MANAGE)
        found = await self._visible(app, transfer_id)
        if not app.operator and found.offered_by != app.actor and found.state is TransferState.OFFERED:
            raise Forbidden("only who offers the vehicle takes that back", code="not_vehicle_owner")
        return await self._with_vehicle(await self._credentials.cancel_transfer(found.id, actor=app.actor))

    # Devices

    async def loss(self, app: App, device_id: str) -> LossReport:
        """Whether the device is lost, and under which number. ``NotFound`` unknown_device for another app's."""
        require(app, Scope.KEY_READ, Scope.KEY_MANAGE)
        return await self._credentials.loss(await self._own_device(app, device_id))

    async def lose(self, app: App, device_id: str) -> LossReport:
        """Suspend everything that the device holds, on every vehicle."""
        require(app, Scope.KEY_MANAGE, operator=(Scope.KEY_HOLD,))
        name = await self._own_device(app, device_id)
        return await self._told(app, await self._credentials.lose(name, actor=app.actor))

    async def find(self, app: App, device_id: str, proof: bytes | None) -> LossReport:
        """Lift that again: by the device's own word and this app's, or an operator's."""
        require(app, Scope.KEY_MANAGE, operator=(Scope.KEY_HOLD,))
        name = await self._own_device(app, device_id)
        return await self._told(app, await self._credentials.find(name, proof, actor=app.actor))

    # Inside

    async def _told(self, app: App, report: LossReport) -> Report:
        """A phone is lost to everybody whose keys it holds; of other tenants' keys nothing is said here."""
        mine: set[str] = set()
        for vehicle_id in dict.fromkeys(key.vehicle_id for key in report.keys):
            self._errands.request(vehicle_id)
            if app.reaches((await self._credentials.vehicle(vehicle_id)).tenant_id):
                mine.add(vehicle_id)
        return Report(report.device_id, report.loss, [key for key in report.keys if key.vehicle_id in mine])

    async def _owned(self, app: App, vehicle_id: str) -> View:
        require(app, Scope.KEY_MANAGE)
        view = await self._access.view(app, vehicle_id)
        held = self._access.usable_keys(view)
        owner = any(key.role is Role.OWNER and Entitlement.KEY_MANAGE in key.entitlements for key in held)
        if not (owner or app.operator):
            raise Forbidden("this takes a usable owner key that holds key.manage", code="not_vehicle_owner")
        return view

    async def _own_device(self, app: App, device_id: str) -> str:
        try:
            id_bytes(device_id, "dev")
            device = await self._credentials.devices.get(device_id)
        except (BadInput, NotFound):
            raise _no_device() from None
        if not await self._access.reaches_device(app, device):
            raise _no_device()
        return device.id

    async def _visible(self, app: App, transfer_id: str) -> Transfer:
        _check_id(transfer_id)
        found = await self._credentials.transfer(transfer_id)
        if not app.reaches((await self._credentials.vehicle(found.vehicle_id)).tenant_id):
            raise unknown_transfer()
        if not (app.operator or found.offered_by == app.actor or found.app_id == app.id):
            raise unknown_transfer()
        return found

    async def _with_vehicle(self, transfer: Transfer) -> TransferView:
        return TransferView(transfer, await self._credentials.vehicle(transfer.vehicle_id))


def _check_id(transfer_id: str) -> None:
    try:
        id_bytes(transfer_id, "trf")
    except BadInput:
        raise unknown_transfer() from None


def _no_device() -> NotFound:
    return NotFound("there is no such device for this app", code="unknown_device")
