"""What waits for one consumer: bounded, with the newest value of each thing alone."""

from __future__ import annotations

from collections import OrderedDict

from keygw.events.event import Event

Lost = dict[str | None, tuple[Event, Event]]
"""For each subject the first and the last event that gave way."""


class Backlog:
    """At most ``limit`` events. One with a ``coalesce`` value replaces the waiting one with the same value."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: OrderedDict[str, Event] = OrderedDict()
        self._lost: Lost = {}

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def oldest(self) -> int:
        """The lowest sequence number of what waits."""
        return min((waiting.sequence for waiting in self._pending.values()), default=0)

    def push(self, event: Event) -> bool:
        """Keep it, if need be in the place of the oldest one that may give way. False: there is no room, and it may not
        be dropped."""
        key = event.coalesce or event.id
        self._pending.pop(key, None)  # the newer value goes to the end: order by sequence holds
        if len(self._pending) >= self._limit and not self._make_room():
            if event.coalesce is None:
                return False
            self._note(event)
            return True
        self._pending[key] = event
        return True

    def pop(self) -> Event | None:
        """The oldest."""
        return self._pending.popitem(last=False)[1] if self._pending else None

    def lost(self) -> Lost:
        """What gave way since this was asked last."""
        found, self._lost = self._lost, {}
        return found

    def clear(self) -> None:
        self._pending.clear()
        self._lost = {}

    def _make_room(self) -> bool:
        for key, waiting in self._pending.items():
            if waiting.coalesce is not None:
                del self._pending[key]
                self._note(waiting)
                return True
        return False

    def _note(self, event: Event) -> None:
        first, last = self._lost.get(event.subject, (event, event))
        low = event if event.sequence < first.sequence else first
        self._lost[event.subject] = (low, event if event.sequence > last.sequence else last)
