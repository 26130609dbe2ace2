"""The in-process hub: one publisher side that never waits, any number of bounded consumers, and a short memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from keygw.events.event import BEGINNING, GAP, Event, make_event, recorded_at
from keygw.events.subscription import Filter, Subscription

RING = 1000
QUEUE = 256


class Ear(Protocol):
    """A consumer that is handed the events of the vehicles it follows at once. Never blocks, never raises."""

    def hear(self, event: Event, /) -> None: ...

    def end(self) -> None:
        """The server stops."""


class Hub:
    """``boot`` names this run of the gateway; ``clock`` gives Unix seconds. ``position``: of the newest recorded event.

    For use on one event loop. ``publish`` is synchronous and never blocks.
    """

    def __init__(self, boot: str, clock: Callable[[], float], *, ring: int = RING, queue: int = QUEUE) -> None:
        self.position = BEGINNING
        self._boot = boot
        self._clock = clock
        self._queue = queue
        self._sequence = 0
        self._ring: deque[Event] = deque(maxlen=ring)
        self._subscriptions: set[Subscription] = set()
        self._ears: dict[Ear, None] = {}
        self._followers: dict[str, dict[Ear, None]] = {}
        self._places: dict[str, int] = {}
        self._closed = False

    @property
    def consumers(self) -> int:
        return len(self._subscriptions) + len(self._ears)

    @property
    def here(self) -> str:
        """The id with which who has heard all until now comes back."""
        return f"{self.position}-{self._boot}-{self._sequence}"

    @property
    def run(self) -> str:
        """The name of this run: ``place`` of a subject counts anew in the next."""
        return self._boot

    @property
    def sequence(self) -> int:
        """How many events this run has told."""
        return self._sequence

    def place(self, subject: str) -> int:
        """Of the newest event of that subject."""
        return self._places.get(subject, 0)

    def publish(
        self,
        kind: str,
        subject: str | None,
        data: Mapping[str, Any],
        *,
        coalesce: str | None = None,
        audience: str | None = None,
        position: str | None = None,
    ) -> Event:
        """Hand an event to everybody who wants it, and keep it in the ring. ``data``: plain JSON values.

        ``position``: of one that is recorded, ``<number>.<Unix seconds>``; numbers grow from call to call."""
        self._sequence += 1
        self.position = position or self.position
        place = 0
        if subject is not None:
            place = self._places[subject] = self._places.get(subject, 0) + 1
        event = make_event(
            self._boot,
            self._sequence,
            kind,
            subject,
            self._clock() if position is None else recorded_at(position),
            data,
            position=self.position,
            audience=audience,
            coalesce=coalesce,
            recorded=position is not None,
            place=place,
        )
        self._ring.append(event)
        for subscription in tuple(self._subscriptions):
            subscription.push(event)
        if subject in self._followers:
            for ear in tuple(self._followers[subject]):
                ear.hear(event)
        return event

    def forget(self, coalesce: str) -> None:
        """What is told under that word is to be kept no longer. A stream that resumes does not hear of it."""
        if any(event.coalesce == coalesce for event in self._ring):
            kept = [event for event in self._ring if event.coalesce != coalesce]
            self._ring.clear()
            self._ring.extend(kept)

    def join(self, ear: Ear) -> None:
        """It is told when the server stops; at once if that has come."""
        if self._closed:
            ear.end()
        else:
            self._ears[ear] = None

    def follow(self, ear: Ear, subject: str) -> None:
        """From now on it hears what is told of that vehicle."""
        self._followers.setdefault(subject, {})[ear] = None

    def unfollow(self, ear: Ear, subject: str) -> None:
        followers = self._followers.get(subject, {})
        followers.pop(ear, None)
        if not followers:
            self._followers.pop(subject, None)

    def leave(self, ear: Ear, subjects: Iterable[str]) -> None:
        """``subjects``: all that it follows."""
        self._ears.pop(ear, None)
        for subject in tuple(subjects):
            self.unfollow(ear, subject)

    def missed(self, wanted: Filter, after: str) -> Subscription:
        """What happened after the event id ``after``, as ``subscribe`` has it, and nothing that happens from now on."""
        with self.subscribe(wanted, after) as subscription:
            return subscription

    def subscribe(self, wanted: Filter, after: str | None = None) -> Subscription:
        """Events from now on, or from just after the event id ``after``.

        One of another run, or older than the ring, is ``missed`` of the subscription: what happened since then, up to
        its ``through``, only the books can tell. After ``close`` the subscription is at its end at once.
        """
        subscription = Subscription(wanted, self._gap, self._queue, self._subscriptions.discard)
        if after is not None and not self._resume(subscription, after):
            subscription.missed, subscription.through = after.partition("-")[0], self.position
        if self._closed:
            subscription.close()
        else:
            self._subscriptions.add(subscription)
        return subscription

    def _resume(self, subscription: Subscription, after: str) -> bool:
        """Put in front what the ring has since then; False if that is not all."""
        _, _, local = after.partition("-")
        boot, _, number = local.rpartition("-")
        if boot != self._boot or not (number.isascii() and number.isdecimal() and len(number) <= 18):
            return False
        oldest, seen = self._ring[0].sequence if self._ring else self._sequence + 1, int(number)
        if not oldest - 1 <= seen <= self._sequence:
            return False
        subscription.preload([event for event in self._ring if event.sequence > seen])
        return True

    def gap(self, reason: str) -> Event:
        """For who has missed something of which nobody knows how much it was."""
        return self._gap(reason, 0, self._sequence)

    def _gap(self, reason: str, first: int, last: int) -> Event:
        data = {"reason": reason, "from": first, "to": last}
        return make_event(self._boot, self._sequence, GAP, None, self._clock(), data)

    def close(self) -> None:
        """End every subscription; used when the server stops, so that streams end before their connections do."""
        self._closed = True
        for subscription in tuple(self._subscriptions):
            subscription.close()
        for ear in tuple(self._ears):
            ear.end()
