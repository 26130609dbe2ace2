"""Cards that apps show on the head unit of a car, and what is pressed there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keygw.bridge.access import Access, require
from keygw.bridge.app_session import SessionEvent, SessionState, next_session_state
from keygw.bridge.card_ports import Card
from keygw.bridge.distraction import Distraction
from keygw.bridge.driving import RULES, Driving, DrivingRestricted, driving
from keygw.bridge.foresight import Live
from keygw.bridge.ports import BridgeStore, Clock
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.bridge.sessions import Sessions
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.credentials.values import Notify
from keygw.model.errors import Conflict, NotFound
from keygw.model.vehicle import Vehicle

MOST_OF_SESSION = 8
MOST_SHOWN = 32


class Cards:
    """``live``: what a vehicle tells now."""

    def __init__(
        self,
        store: BridgeStore,
        access: Access,
        sessions: Sessions,
        live: Callable[[str], Live],
        distraction: Distraction,
        notify: Notify,
        clock: Clock,
    ) -> None:
        self._store = store
        self._access = access
        self._sessions = sessions
        self._live = live
        self._distraction = distraction
        self._notify = notify
        self._clock = clock

    async def put(self, app: App, session_id: str, make: Callable[[str], Card]) -> Card:
        """``make``: the card, of the app with that id. ``DrivingRestricted``; ``Conflict`` session_suspended,
        session_closed, too_many_cards; ``NotFound`` unknown_session."""
        require(app, Scope.CARDS_WRITE)
        session = await self._sessions.get(app, session_id)
        must_be_active(session.state)
        card = make(session.app_id)
        state = self.driving(session.vehicle_id)
        if (why := card.beyond(RULES[state])) is not None:
            told = "while the car moves" if state is Driving.MOVING else "while it is not known whether the car moves"
            await self._distraction.refused(session)
            raise DrivingRestricted(f"{told}: {why}")
        put = await self._store.put_card(card, MOST_OF_SESSION, int(self._clock()))
        if put is None:
            must_be_active((await self._sessions.get(app, session_id)).state)
            raise Conflict("the session has just changed: look at it again", code="session_changed")
        if not put:
            raise Conflict(f"a session shows at most {MOST_OF_SESSION} cards: remove one", code="too_many_cards")
        return card

    async def remove(self, app: App, session_id: str, name: str) -> None:
        """Nothing happens if it is not there. ``NotFound`` unknown_session."""
        require(app, Scope.CARDS_WRITE)
        session = await self._sessions.get(app, session_id)
        await self._store.drop_card(session.id, name)

    async def shown(self, app: App, vehicle_id: str) -> tuple[Driving, Sequence[Card]]:
        """What the head unit of that vehicle shows now. ``NotFound`` unknown_vehicle for who does not speak for it."""
        vehicle = await self.head_unit(app, vehicle_id)
        state = self.driving(vehicle.id)
        found = await self._store.cards_on(vehicle.id, MOST_SHOWN)
        return state, [card for card in found if card.beyond(RULES[state]) is None]

    async def press(self, app: App, vehicle_id: str, session_id: str, name: str, button: str) -> None:
        """Somebody in the car has pressed a button. ``NotFound`` no_such_button for what is not shown any more."""
        _, shown = await self.shown(app, vehicle_id)
        now = int(self._clock())
        for card in shown:
            if (card.session_id, card.name) == (session_id, name) and any(each.name == button for each in card.buttons):
                data = {"session_id": session_id, "app_id": card.app_id, "vehicle_id": vehicle_id}
                event = OutboxEvent("card.action", vehicle_id, {**data, "card": name, "button": button}, now)
                if await self._store.tell_of_card(card, event, self._tell):
                    return
        raise NotFound("no card that is shown has such a button", code="no_such_button")

    def driving(self, vehicle_id: str) -> Driving:
        return driving(self._live(vehicle_id))

    async def head_unit(self, app: App, vehicle_id: str) -> Vehicle:
        """An operator, or the app that has the vehicle: to hold a key is not enough to see what others show there."""
        require(app, Scope.HEAD_UNIT_SHOW)
        vehicle = await self._access.vehicle(app, vehicle_id)
        if not app.operator and await self._store.claimant(vehicle.id) != app.id:
            raise NotFound("there is no such vehicle for this app", code="unknown_vehicle")
        return vehicle

    def _tell(self, told: Told) -> None:
        self._notify(told.event.type, dict(told.event.data), told.event_id)


def card_json(card: Card) -> dict[str, Any]:
    return {
        "session_id": card.session_id,
        "app_id": card.app_id,
        "name": card.name,
        "template": card.template.value,
        "title": card.title,
        "lines": list(card.lines),
        "buttons": [{"name": each.name, "label": each.label} for each in card.buttons],
    }


def must_be_active(state: SessionState) -> None:
    """Only an active one could negotiate: the same refusals, with the same remedies."""
    next_session_state(state, SessionEvent.NEGOTIATE)
