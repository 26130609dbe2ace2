"""The in-process hub: one publisher side that never waits, any number of bounded consumers, and a short memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from keygw.events.event import GAP, Event, make_event
from keygw.events.subscription import Filter, Subscription

RING = 1000
QUEUE = 256


class Hub:
    """``boot`` names this run of the gateway (ids of another run are unknown here); ``clock`` gives Unix seconds.

    For use on one event loop. ``publish`` is synchronous and never blocks.
    """

    def __init__(self, boot: str, clock: Callable[[], float], *, ring: int = RING, queue: int = QUEUE) -> None:
        self._boot = boot
        self._clock = clock
        self._queue = queue
        self._sequence = 0
        self._ring: deque[Event] = deque(maxlen=ring)
        self._subscriptions: set[Subscription] = set()
        self._closed = False

    @property
    def consumers(self) -> int:
        return len(self._subscriptions)

    def publish(
        self,
        kind: str,
        subject: str | None,
        data: Mapping[str, Any],
        *,
        coalesce: str | None = None,
        audience: str | None = None,
        event_id: str | None = None,
    ) -> Event:
        """Hand an event to everybody who wants it, and keep it in the ring. ``data``: plain JSON values.

        ``event_id``: of an event that may be told again, after a restart: its CloudEvents ``id``."""
        self._sequence += 1
        event = make_event(
            self._boot,
            self._sequence,
            kind,
            subject,
            self._clock(),
            data,
            audience=audience,
            coalesce=coalesce,
            lasting=event_id,
        )
        self._ring.append(event)
        for subscription in tuple(self._subscriptions):
            subscription.push(event)
        return event

    def subscribe(self, wanted: Filter, after: str | None = None) -> Subscription:
        """Events from now on, or from just after the event id ``after``.

        An ``after`` that is unknown, of another run, or older than the ring brings a ``keygw.gap`` first and then
        everything the ring still has. After ``close`` the subscription is at its end at once.
        """
        subscription = Subscription(wanted, self._gap, self._queue, self._subscriptions.discard)
        if after is not None:
            self._resume(subscription, after)
        if self._closed:
            subscription.close()
        else:
            self._subscriptions.add(subscription)
        return subscription

    def _resume(self, subscription: Subscription, after: str) -> None:
        boot, _, number = after.rpartition("-")
        oldest = self._ring[0].sequence if self._ring else self._sequence + 1
        known = boot == self._boot and number.isascii() and number.isdecimal() and len(number) <= 18
        seen = int(number) if known else 0
        known = known and oldest - 1 <= seen <= self._sequence
        missed = [event for event in self._ring if not known or event.sequence > seen]
        same_run = boot == self._boot and seen < oldest
        gap = None if known else self._gap("unknown_id", seen + 1 if same_run else 0, oldest - 1)
        subscription.preload(gap, missed)

    def _gap(self, reason: str, first: int, last: int) -> Event:
        data = {"reason": reason, "from": first, "to": last}
        return make_event(self._boot, self._sequence, GAP, None, self._clock(), data)

    def close(self) -> None:
        """End every subscription; used when the server stops, so that streams end before their connections do."""
        self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription.close()
