"""Events as frames: each is made once, whoever hears it."""

from __future__ import annotations

import json

from keygw.api.streams.line import text_frame
from keygw.events.event import Event


class Fanout:
    """One for a gateway. ``encoded``: how many frames were made, for the figures."""

    def __init__(self) -> None:
        self.encoded = 0
        self._event: Event | None = None
        self._frame = b""

    def frame(self, event: Event) -> bytes:
        """The event as it travels. All who hear it ask one after the other, so the last one is enough to keep."""
        if event is not self._event:
            self._frame = text_frame(event_text(event).encode())
            self._event = event
            self.encoded += 1
        return self._frame


def event_text(event: Event) -> str:
    """``messages.Event`` around the text that the event already is."""
    vehicle = json.dumps(event.subject)
    place = event.place or "null"
    return f'{{"type":"event","vehicle":{vehicle},"seq":{place},"resume":"{event.id}","event":{event.json}}}'
