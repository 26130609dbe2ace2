"""Who may borrow a vehicle's link for the phone that holds its key, and for how long that holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import structlog

from keygw.bridge.access import Access, View, begun, usable
from keygw.bridge.ports import Clock, Fleet
from keygw.bridge.records import App
from keygw.credentials.lifecycle import refusal
from keygw.events.event import Event
from keygw.events.hub import Hub
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.errors import Forbidden, KeygwError, LinkError
from keygw.vehicle.relay import Relay

log = structlog.get_logger(__name__)

LOOK_S = 5.0
"""Keys also end by the clock."""
SHORT_S = 5.0
"""Who has a link longer than that leaves it to others for as long again: nobody keeps the gateway from a vehicle."""


class Relays:
    """``contact``: told of a vehicle that was in reach just now, when its link is free again."""

    def __init__(self, access: Access, fleet: Fleet, hub: Hub, clock: Clock, contact: Callable[[str], None]) -> None:
        self._access = access
        self._fleet = fleet
        self._hub = hub
        self._clock = clock
        self._contact = contact
        self._resting: dict[tuple[str, str], float] = {}
        """App and vehicle -> until when, of the loop's clock, that app is not lent that link."""

    @asynccontextmanager
    async def lending(self, app: App, vehicle_id: str, avoid: Collection[str] = ()) -> AsyncIterator[Relay]:
        """The link to that vehicle, for an app with a phone that has a live key of it.

        ``NotFound`` unknown_vehicle; ``Forbidden`` no_phone_key, key_suspended, key_revoked, key_expired,
        key_not_yet_valid; ``LinkError`` busy, held_elsewhere, or of the way.
        """
        await self.check(app, vehicle_id)
        loop, who = asyncio.get_running_loop(), (app.id, vehicle_id)
        self._resting = {each: until for each, until in self._resting.items() if until > loop.time()}
        if who in self._resting:
            raise LinkError("this app has had the link for long; it shall be free as long", code="busy")
        async with self._fleet.relay(vehicle_id, avoid) as relay:
            log.info("relay_opened", vehicle_id=vehicle_id, app_id=app.id)
            began = loop.time()
            try:
                yield relay
            finally:
                if loop.time() - began > SHORT_S:
                    self._resting[who] = 2 * loop.time() - began - SHORT_S
                log.info("relay_closed", vehicle_id=vehicle_id, app_id=app.id, frames=relay.frames)
                # Commands that paused, and lists that wait, need not do so any longer: it is in reach.
                asyncio.get_running_loop().call_soon(self._contact, vehicle_id)

    async def check(self, app: App, vehicle_id: str) -> View:
        """The errors of ``lending`` but ``LinkError``."""
        view = await self._access.view(app, vehicle_id)
        held = [key for key in view.own if key.id not in view.hosted | view.managing]
        if not held:
            raise Forbidden("no phone of this app has a digital key for that vehicle", code="no_phone_key")
        now = self._clock()
        if not any(usable(key, now) for key in held):
            raise _why_not(max(held, key=lambda key: (key.issued_at, key.index)), now)
        return view

    async def ended(self, app: App, vehicle_id: str) -> tuple[str, str]:
        """Return when the app may have the link no longer, with the word and a sentence: at once when its key ends
        early."""

        def about_keys(event: Event) -> bool:
            return event.subject == vehicle_id and event.type.startswith(("keygw.key.", "keygw.device."))

        with self._hub.subscribe(about_keys) as heard:
            while True:
                try:
                    await self.check(app, vehicle_id)
                    await heard.next(LOOK_S)
                except StopAsyncIteration:
                    return "gateway_stopping", ""
                except KeygwError as error:  # whatever it is, nobody can say any more that the app may
                    return error.code, str(error)


def _why_not(key: DigitalKey, now: float) -> Forbidden:
    state = KeyState.EXPIRED if key.state is KeyState.ACTIVE and key.expired(begun(key, now)) else key.state
    code, sentence = refusal(state) or ("key_not_yet_valid", "the key is not valid yet")
    return Forbidden(sentence, code=code)
