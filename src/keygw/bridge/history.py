"""What happened while somebody was away, from the books: for streams that come back after a restart, or to another
gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from keygw.bridge.ports import Outbox
from keygw.events.event import BEGINNING, Event, recorded_event
from keygw.events.hub import Hub
from keygw.events.subscription import Subscription

PAGE = 100
_DIGITS = 18


def audience_of(kind: str, data: Mapping[str, Any]) -> str | None:
    """The app that alone may see it; ``None``: scopes and keys decide."""
    own = kind == "command.updated" or kind.startswith(("session.", "card.", "webhook."))
    app_id = data.get("app_id") if own else None
    return app_id if isinstance(app_id, str) else None


class History:
    """``hub`` makes the gaps."""

    def __init__(self, outbox: Outbox, hub: Hub) -> None:
        self._outbox = outbox
        self._hub = hub

    async def missed(self, subscription: Subscription) -> AsyncIterator[Event]:
        """Every recorded event between where the consumer was and where its subscription begins, oldest first.

        Then a ``keygw.gap``, because links and signals are not recorded: reason ``not_recorded``. Where the books do
        not reach as far back, or tell another story at that place, the gap alone: ``too_old``, ``unknown_id``.
        """
        if subscription.missed is None:
            return
        after = await self._known(subscription.missed)
        if isinstance(after, str):
            yield self._hub.gap(after)
            return
        through = number_of(subscription.through) or 0
        while after < through and (page := await self._outbox.outbox(after, PAGE, through)):
            for told in page:
                after, event = told.id, told.event
                audience = audience_of(event.type, event.data)
                yield recorded_event(told.event_id, f"keygw.{event.type}", event.vehicle_id, event.data, audience)
        yield self._hub.gap("not_recorded")

    async def _known(self, position: str) -> int | str:
        """The number to go on after, or why there is none."""
        number = number_of(position)
        if number is None:
            return "unknown_id"
        oldest, _ = await self._outbox.outbox_bounds()
        if number < oldest - 1 or 0 < number < oldest:
            return "too_old"
        there = await self._outbox.outbox(number - 1, 1, number)
        if position != BEGINNING and [told.event_id for told in there] != [position]:
            return "unknown_id"  # of before a restore, or of no gateway on these books
        return number


def number_of(position: str) -> int | None:
    """Of the id of a recorded event; ``None``: it is none."""
    number, _, at = position.partition(".")
    sound = all(part.isascii() and part.isdecimal() and len(part) <= _DIGITS for part in (number, at))
    return int(number) if sound else None
