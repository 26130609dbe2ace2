"""Who may see and manage what: an app sees the keys of its own devices and what descends from them.

Its own are the devices that the gateway hosts for it, and the phones with which it has claimed an invitation.

Whoever holds a live owner key also sees every key of that vehicle. An operator sees all of its tenant. Anything else,
and all of another tenant, is not there: ``NotFound``, never ``Forbidden``, so that ids cannot be probed.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from keygw.bridge.ports import BridgeStore, Clock, Credentials
from keygw.bridge.records import App
from keygw.bridge.scopes import SIGNAL_SCOPES, Scope
from keygw.model.device import Device, DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import BadInput, Forbidden, NotFound
from keygw.model.ids import id_bytes
from keygw.model.signal import SignalId
from keygw.model.vehicle import Vehicle


class ScopeRequired(Forbidden):
    """The app's token does not have the scope that this needs."""

    code = "insufficient_scope"

    def __init__(self, scope: Scope) -> None:
        super().__init__(f"this needs the scope {scope}: an app is registered with it, an operator has it by its role")
        self.scope = scope


def require(app: App, *scopes: Scope, operator: tuple[Scope, ...] = ()) -> None:
    """Any one of the scopes will do; ``ScopeRequired`` names the first.

    ``operator``: which an operator needs instead, where an app is kept to what is its own and an operator is not."""
    wanted = operator if operator and app.operator else scopes
    if app.scopes.isdisjoint(wanted):
        raise ScopeRequired(wanted[0])


def begun(key: DigitalKey, now: float) -> float:
    """The time to judge a key by: a clock that shows less than when we issued it has gone backwards."""
    return max(now, float(key.issued_at))


def usable(key: DigitalKey, now: float) -> bool:
    """Active and within its time."""
    return key.state is KeyState.ACTIVE and key.not_before <= begun(key, now) < key.expires_at


@dataclass(frozen=True, slots=True)
class View:
    """A vehicle as one app sees it. ``own``: keys of the app's devices and its home's; ``keys``: all it may know of.

    ``hosted``: ids of those of its own with which the gateway can act.

    ``first``: the app registered the vehicle or has taken it over, and no owner key was issued to anybody since.
    """

    app: App
    vehicle: Vehicle
    own: tuple[DigitalKey, ...]
    keys: tuple[DigitalKey, ...]
    first: bool
    owner: bool
    """Holds a live owner key (or is an operator)."""
    hosted: frozenset[str] = frozenset()
    managing: frozenset[str] = frozenset()
    """Ids of its home's keys; with an owner key among them the gateway acts for it to manage keys, and for nothing
    else."""

    def usable_keys(self, now: float) -> list[DigitalKey]:
        return [key for key in self.own if usable(key, now)]

    def may_read(self, signal: SignalId, now: float) -> bool:
        """By scope, and by a live key that allows reading the status."""
        return not self.app.scopes.isdisjoint(SIGNAL_SCOPES.get(signal, ())) and self._status(now)

    def readable(self, now: float) -> frozenset[SignalId]:
        """All of which ``may_read`` says yes."""
        scopes = self.app.scopes if self._status(now) else frozenset()
        return frozenset(signal for signal, wanted in SIGNAL_SCOPES.items() if not scopes.isdisjoint(wanted))

    def _status(self, now: float) -> bool:
        return self.app.operator or any(Entitlement.STATUS_READ in key.entitlements for key in self.usable_keys(now))


class Access:
    def __init__(self, credentials: Credentials, store: BridgeStore, clock: Clock) -> None:
        self._credentials = credentials
        self._store = store
        self._clock = clock
        self._devices: dict[str, Device] = {}  # none changes but by a claim, which says so

    async def vehicle(self, app: App, vehicle_id: str) -> Vehicle:
        """One of the caller's tenant, for who needs no view of its keys: those may be many. ``NotFound``
        unknown_vehicle."""
        try:
            id_bytes(vehicle_id, "veh")
            vehicle = await self._credentials.vehicle(vehicle_id)
        except (BadInput, NotFound):
            raise _no_vehicle() from None
        if not app.reaches(vehicle.tenant_id):
            raise _no_vehicle()
        return vehicle

    async def view(self, app: App, vehicle_id: str) -> View:
        """``NotFound`` unknown_vehicle if there is none, or the app has nothing to do with it."""
        return await self._view(app, await self.vehicle(app, vehicle_id))

    async def _view(self, app: App, vehicle: Vehicle) -> View:
        vehicle_id = vehicle.id
        keys = tuple(await self._credentials.keys(vehicle_id=vehicle_id))
        holders = {key.id: await self.device(key.device_id) for key in keys}
        own = tuple([key for key in keys if holders[key.id].app_id in (app.id, app.home_id or app.id)])
        claimed = await self._store.claimant(vehicle_id) == app.id
        owner = app.operator or any(key.role is Role.OWNER and _held(key, self._clock()) for key in own)
        visible = keys if owner else _with_descendants(own, keys)
        if not (visible or claimed or app.operator):
            raise _no_vehicle()
        epoch = await self._credentials.vehicle_epoch(vehicle_id) if claimed else 0
        first = claimed and all(key.role is not Role.OWNER or key.epoch < epoch for key in keys)
        mine = [key for key in own if holders[key.id].app_id == app.id]
        acting = [key.id for key in mine if holders[key.id].kind is DeviceKind.HOSTED]
        home = [key.id for key in own if holders[key.id].app_id != app.id]
        return View(app, vehicle, own, visible, first, owner, frozenset(acting), frozenset(home))

    async def views(self, app: App) -> list[View]:
        """Every vehicle the app may know of."""
        found: list[View] = []
        for vehicle in await self._credentials.vehicles():
            if app.reaches(vehicle.tenant_id):
                with contextlib.suppress(NotFound):
                    found.append(await self._view(app, vehicle))
        return found

    async def key(self, app: App, key_id: str) -> tuple[DigitalKey, View]:
        """A key the app may know of; ``NotFound`` unknown_key."""
        try:
            id_bytes(key_id, "key")
            key = await self._credentials.key(key_id)
            view = await self.view(app, key.vehicle_id)
        except (BadInput, NotFound):
            raise _no_key() from None
        if all(seen.id != key_id for seen in view.keys):
            raise _no_key()
        return key, view

    async def check_tenant(self, app: App, key_id: str) -> None:
        """``NotFound`` unknown_key for one of another tenant's vehicles, and if there is none."""
        try:
            id_bytes(key_id, "key")
            vehicle = await self._credentials.vehicle((await self._credentials.key(key_id)).vehicle_id)
        except (BadInput, NotFound):
            raise _no_key() from None
        if not app.reaches(vehicle.tenant_id):
            raise _no_key()

    def check_manage(self, view: View, key: DigitalKey, *, hold: bool = False, resuming: bool = False) -> None:
        """May the app revoke, or with ``hold`` suspend or resume this key? ``ScopeRequired``, or ``Forbidden``
        not_key_manager.

        Holders of a live ancestor may, with ``key.share`` or ``key.manage``. With ``key.manage`` a live owner key that
        entitles to it reaches every key of the vehicle, and anybody may give up a key of its own. A holder never lifts
        a suspension of its own key, not even with another key of its own: whoever suspended it had a reason.
        """
        if view.app.operator:
            return require(view.app, *((Scope.KEY_HOLD,) if hold or resuming else (Scope.KEY_MANAGE,)))
        own = any(mine.id == key.id for mine in view.own)
        if resuming and own:
            require(view.app, Scope.KEY_SHARE, Scope.KEY_MANAGE)
            raise Forbidden("an app never lifts the suspension of its own key", code="not_key_manager")
        now = self._clock()
        live = {mine.id: mine for mine in view.usable_keys(now)}
        if _ancestors(key, view.keys) & live.keys():
            return require(view.app, Scope.KEY_SHARE, Scope.KEY_MANAGE)
        require(view.app, Scope.KEY_MANAGE)
        if any(mine.role is Role.OWNER and Entitlement.KEY_MANAGE in mine.entitlements for mine in live.values()):
            return None
        if own:
            return None
        raise Forbidden("none of this app's keys may manage that key", code="not_key_manager")

    def usable_keys(self, view: View) -> list[DigitalKey]:
        """The app's own keys that open something right now."""
        return view.usable_keys(self._clock())

    def own_key(self, view: View, key_id: str | None, wanted: Entitlement | None = None) -> DigitalKey:
        """The hosted key the app acts with: the one it names, else the best it has.

        ``NotFound`` unknown_key if the name is not one of its own here; ``Forbidden`` no_key if it has none, not_hosted
        if a phone holds it. A key that is no longer usable is returned all the same, so that the policy can say why it
        refuses.
        """
        own = [key for key in view.own if key_id in (None, key.id)]
        managing = view.managing if wanted is Entitlement.KEY_MANAGE else frozenset()
        owners = [key for key in own if key.id in managing and key.role is Role.OWNER]
        hosted = owners or [key for key in own if key.id in view.hosted]
        if not own and key_id is not None:
            raise _no_key()
        if not own:
            raise Forbidden("this app has no digital key for that vehicle; issue or share one first", code="no_key")
        if not hosted:
            raise Forbidden("a phone holds this app's key; the gateway cannot act with it", code="not_hosted")
        now = self._clock()
        return max(
            hosted,
            key=lambda key: (usable(key, now), wanted is None or wanted in key.entitlements, key.issued_at, key.index),
        )

    def check_holder(self, app: App, device: Device) -> None:
        """Does the app hold the keys of this device? ``Forbidden`` not_key_holder. A phone may belong to no app: its
        keys are shared by a grant that it signs itself, so who may see them may ask for one."""
        if not app.operator and device.app_id not in (app.id, app.home_id, None):
            raise Forbidden("only the holder of a key can share it", code="not_key_holder")

    async def device(self, device_id: str) -> Device:
        if device_id not in self._devices:
            self._devices[device_id] = await self._credentials.device(device_id)
        return self._devices[device_id]

    async def reaches_device(self, app: App, device: Device) -> bool:
        """Whether the device is the app's own; of an operator's tenant, by the app that has it, or by a key of it."""
        if not app.operator:
            return device.app_id == app.id
        if app.platform or device.app_id == app.id:
            return True
        if device.app_id is not None:
            holder = await self._store.app(device.app_id)
            if holder is not None:
                return app.reaches(holder.tenant_id)
            operator = await self._store.operator(device.app_id)
            return operator is not None and app.reaches(operator.tenant_id)
        vehicles = {key.vehicle_id for key in await self._credentials.keys(device_id=device.id)}
        return any([app.reaches((await self._credentials.vehicle(each)).tenant_id) for each in vehicles])

    def forget_device(self, device_id: str) -> None:
        """It may belong to another app from now on."""
        self._devices.pop(device_id, None)

    def forget_devices(self) -> None:
        """Any of them may have changed, by another gateway."""
        self._devices.clear()


def _held(key: DigitalKey, now: float) -> bool:
    return key.state in (KeyState.ACTIVE, KeyState.SUSPENDED) and not key.expired(now)


def _with_descendants(own: tuple[DigitalKey, ...], keys: tuple[DigitalKey, ...]) -> tuple[DigitalKey, ...]:
    mine = {key.id for key in own}
    return tuple(key for key in keys if key.id in mine or _ancestors(key, keys) & mine)


def _ancestors(key: DigitalKey, keys: tuple[DigitalKey, ...]) -> set[str]:
    """Ids of all parents of a key. ``keys``: every key of the vehicle (or all that are visible)."""
    parents = {each.id: each.parent_id for each in keys}
    found: set[str] = set()
    parent = key.parent_id
    while parent is not None and parent not in found:
        found.add(parent)
        parent = parents.get(parent)
    return found


def _no_vehicle() -> NotFound:
    return NotFound("there is no such vehicle for this app", code="unknown_vehicle")


def _no_key() -> NotFound:
    return NotFound("there is no such key for this app", code="unknown_key")
