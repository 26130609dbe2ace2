"""Events go up through here: what vehicles and the credential service report becomes signals, events and errands.

Made before the fleet and the credential service, whose callbacks are its methods; the bridge adds its listeners later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from keygw.bridge.history import audience_of
from keygw.bridge.present import signal_json
from keygw.bridge.signals import SignalCache
from keygw.events.hub import Hub
from keygw.model.receipt import Receipt
from keygw.model.signal import Quality, Signal
from keygw.model.times import rfc3339
from keygw.vehicle.presence import Nearness
from keygw.vehicle.values import LinkStatus

log = structlog.get_logger(__name__)

_KEYS_STAY = frozenset({"command.updated", "key.used", "key.refused"})
"""Events that change nothing about who may see what."""


class Feed:
    """All methods are synchronous and quick; call them on the event loop."""

    def __init__(self, hub: Hub, signals: SignalCache) -> None:
        self.hub = hub
        self.signals = signals
        self.on_heard: list[Callable[[str], None]] = []
        """Told of each vehicle whose link or signals have changed, over a link of this gateway."""
        self.on_changed: list[Callable[[str], None]] = []
        """Told of each vehicle whose link or signals have changed, over whose link ever."""
        self.on_contact: list[Callable[[str], None]] = []
        self.link_listeners: list[Callable[[str, LinkStatus], None]] = []
        self.near_listeners: list[Callable[[str], None]] = []
        """Told of each vehicle that has come near."""
        self.on_recorded: list[Callable[[str, str, Mapping[str, Any]], None]] = []
        """Told of each recorded event, in their order: its id, its type and its data."""
        self.presence: dict[str, Nearness] | None = None
        """Of the vehicles that are not gone; ``None``: nobody looks out for them."""
        self.receipt_listeners: list[Callable[[str, Receipt], None]] = []
        self._versions: dict[str, int] = {}

    def on_signal(self, vehicle_id: str, signals: Sequence[Signal]) -> None:
        self._publish_signals(vehicle_id, self.signals.update(vehicle_id, signals))
        for listener in self.on_heard:
            listener(vehicle_id)

    def on_link(self, vehicle_id: str, status: LinkStatus) -> None:
        """A session that stands is a contact: what waits for this vehicle may now be carried to it."""
        if self.signals.set_link(vehicle_id, status.up):
            self._publish_link(vehicle_id, status.up)
        for listener in self.on_heard:
            listener(vehicle_id)
        for tell in self.link_listeners:
            tell(vehicle_id, status)
        if status.state == "authenticated":
            for listener in self.on_contact:
                listener(vehicle_id)

    def nearness(self, vehicle_id: str) -> Nearness | None:
        """``None``: nobody looks out for vehicles."""
        return None if self.presence is None else self.presence.get(vehicle_id, Nearness.GONE)

    def on_presence(self, vehicle_id: str, nearness: Nearness) -> None:
        """As the lookout hears it."""
        known = self.presence = {} if self.presence is None else self.presence
        if nearness is Nearness.GONE:
            known.pop(vehicle_id, None)
        else:
            known[vehicle_id] = nearness
        data = {"vehicle_id": vehicle_id, "presence": nearness.value}
        self.hub.publish("keygw.vehicle.presence", vehicle_id, data, coalesce=f"{vehicle_id}/presence")
        if nearness is Nearness.NEAR:
            for listener in self.near_listeners:
                listener(vehicle_id)

    def on_mirror(self, vehicle_id: str, up: bool, signals: Sequence[Signal]) -> None:
        """What another gateway, which has the vehicle's link, hears over it: all that is live."""
        changed, news = self.signals.mirror(vehicle_id, up, signals)
        if changed:
            self._publish_link(vehicle_id, up)
        self._publish_signals(vehicle_id, news)

    def _publish_signals(self, vehicle_id: str, news: Sequence[Signal]) -> None:
        for signal in news:
            data = {"vehicle_id": vehicle_id, **signal_json(signal, Quality.LIVE, self.signals.max_age)}
            self.hub.publish("keygw.signal.changed", vehicle_id, data, coalesce=f"{vehicle_id}/{signal.path}")
        if news:
            self._changed(vehicle_id)

    async def drop_old(self) -> None:
        """Forget where vehicles were (``SignalCache.drop_old``), here and in the memory of the streams, and say so."""
        for vehicle_id, signal, at in self.signals.drop_old():
            coalesce = f"{vehicle_id}/{signal.path}"
            self.hub.forget(coalesce)
            data = {"vehicle_id": vehicle_id, "path": signal.path, "dropped_at": rfc3339(at)}
            self.hub.publish("keygw.signal.dropped", vehicle_id, data, coalesce=coalesce)
            for listener in self.on_heard:
                listener(vehicle_id)

    def _publish_link(self, vehicle_id: str, up: bool) -> None:
        kind = "keygw.vehicle.reachable" if up else "keygw.vehicle.unreachable"
        self.hub.publish(kind, vehicle_id, {"vehicle_id": vehicle_id}, coalesce=f"{vehicle_id}/link")
        self._changed(vehicle_id)

    def _changed(self, vehicle_id: str) -> None:
        for listener in self.on_changed:
            listener(vehicle_id)

    def on_receipt(self, vehicle_id: str, receipt: Receipt) -> None:
        """A verified, stored receipt of any key of the vehicle, from whichever road. That it was stored is an event of
        its own."""
        for listener in self.receipt_listeners:
            listener(vehicle_id, receipt)

    def on_event(self, kind: str, data: Mapping[str, Any], event_id: str | None = None, /) -> None:
        """``kind``: ``key.issued``, ``command.updated`` and so on, of the outbox, told after the commit.

        ``event_id``: an event that is told twice has the same one. An alert is for the operator, who
        reads the log, and for the owners' apps."""
        if kind == "security.alert":
            log.warning("security_alert", **data)
        vehicle_id = data.get("vehicle_id")
        if isinstance(vehicle_id, str) and kind not in _KEYS_STAY and not kind.startswith(("session.", "card.")):
            self._versions[vehicle_id] = self.version(vehicle_id) + 1
        subject = vehicle_id if isinstance(vehicle_id, str) else None
        self.hub.publish(f"keygw.{kind}", subject, data, audience=audience_of(kind, data), position=event_id)
        if event_id is not None:
            for tell in self.on_recorded:
                tell(event_id, kind, data)

    def version(self, vehicle_id: str) -> int:
        """Grows with every change to the vehicle's keys: whoever remembers a view of them sees when to look again."""
        return self._versions.get(vehicle_id, 0)
