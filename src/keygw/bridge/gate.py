"""Which events an app may see: the same rules as for reading, applied to what happens."""

from __future__ import annotations

import math

from keygw.bridge.access import Access, View
from keygw.bridge.feed import Feed
from keygw.bridge.ports import Clock
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.bridge.signals import SIGNAL_IDS
from keygw.events.event import GAP, Event
from keygw.model.digital_key import Role
from keygw.model.errors import NotFound

UPDATED = "keygw.command.updated"
MOST_VIEWS = 4096
"""That one gate remembers; then it begins anew."""


class EventGate:
    """For one stream. ``wanted`` is the cheap first look, ``allows`` the whole truth.

    It remembers how the app sees each vehicle, until the keys of that vehicle change or one of the app's own ends.
    """

    def __init__(self, app: App, access: Access, feed: Feed, clock: Clock, vehicle_id: str | None = None) -> None:
        self._app = app
        self._access = access
        self._feed = feed
        self._clock = clock
        self._vehicle_id = vehicle_id
        self._views: dict[str, tuple[int, float, View | None]] = {}

    def wanted(self, event: Event) -> bool:
        if self._vehicle_id is not None and event.subject != self._vehicle_id:
            return False
        return event.audience in (None, self._app.id) or self._app.operator

    async def allows(self, event: Event) -> bool:
        """Nothing gets through that is not named here."""
        quick = self.decided(event)
        if quick is not None:
            return quick
        assert event.subject is not None  # noqa: S101 - one without is decided at once
        return self._judge(event, await self.view(event.subject))

    def decided(self, event: Event) -> bool | None:
        """``allows``, where nothing has to be read for it; ``None``: it has."""
        if event.type == GAP:
            return True
        if event.type == UPDATED and not self._app.operator:
            return event.audience == self._app.id
        if event.type.startswith(
            ("keygw.session.", "keygw.card.")
        ):  # also the one that says that the vehicle is gone for the app
            return event.audience == self._app.id
        if event.type.startswith("keygw.webhook."):
            tenant_id = event.data.get("tenant_id")
            return event.audience == self._app.id or (self._app.operator and self._app.reaches(tenant_id))
        if event.subject is None:
            return False
        known = self._views.get(event.subject)
        if known is None or known[0] != self._feed.version(event.subject) or self._clock() >= known[1]:
            return None
        return self._judge(event, known[2])

    def _judge(self, event: Event, view: View | None) -> bool:
        if view is None:
            return False
        if event.type == UPDATED:
            return event.audience == self._app.id or Scope.COMMAND_READ in self._app.scopes
        if event.type in ("keygw.signal.changed", "keygw.signal.dropped"):
            signal = SIGNAL_IDS.get(event.data["path"])
            return signal is not None and view.may_read(signal, self._clock())
        if event.type in ("keygw.vehicle.reachable", "keygw.vehicle.unreachable", "keygw.vehicle.presence"):
            return Scope.VEHICLE_READ in self._app.scopes
        if event.type.startswith("keygw.key."):
            return Scope.KEY_READ in self._app.scopes and any(key.id == event.data["key_id"] for key in view.keys)
        if event.type.startswith("keygw.invitation."):
            visible = any(key.id == event.data["parent_id"] for key in view.keys)
            return visible and not self._app.scopes.isdisjoint((Scope.KEY_READ, Scope.KEY_SHARE))
        if event.type in ("keygw.permission.changed", "keygw.capability.changed"):
            return Scope.SESSION_CONNECT in self._app.scopes
        if event.type == "keygw.vehicle.epoch_ended":
            return Scope.VEHICLE_READ in self._app.scopes
        if event.type.startswith("keygw.transfer."):  # for who owns it, and who has owned it until now
            owns = self._app.operator or view.first or any(key.role is Role.OWNER for key in view.own)
            return owns and Scope.KEY_READ in self._app.scopes
        if event.type.startswith("keygw.device."):
            visible = any(key.device_id == event.data["device_id"] for key in view.keys)
            return visible and Scope.KEY_READ in self._app.scopes
        if event.type == "keygw.security.alert":
            return view.owner and Scope.STATUS_SECURITY_READ in self._app.scopes
        return False

    async def view(self, vehicle_id: str) -> View | None:
        """The vehicle as the app sees it now; ``None``: not at all."""
        version, now = self._feed.version(vehicle_id), self._clock()
        known = self._views.get(vehicle_id)
        if known is not None and known[0] == version and now < known[1]:
            return known[2]
        try:
            view = await self._access.view(self._app, vehicle_id)
        except NotFound:
            view = None
        if len(self._views) >= MOST_VIEWS:
            self._views.clear()
        ends = (key.expires_at for key in view.own if key.expires_at > now) if view is not None else ()
        self._views[vehicle_id] = (version, min(ends, default=math.inf), view)
        return view
