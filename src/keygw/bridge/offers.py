"""What apps send into cars: a destination to take, words that were said; and what people in the car answer and say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keygw.bridge.app_session import AppSession, SessionState
from keygw.bridge.cards import Cards, must_be_active
from keygw.bridge.distraction import Distraction
from keygw.bridge.driving import RULES, DrivingRestricted
from keygw.bridge.offer_ports import OFFER_SECONDS, Destination, Offer, OfferKind, OfferState, Voice
from keygw.bridge.ports import BridgeStore, Clock
from keygw.bridge.records import App
from keygw.bridge.sessions import Sessions
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.credentials.values import Notify
from keygw.model.errors import BadInput, Conflict, NotFound
from keygw.model.ids import Random, id_bytes, new_id
from keygw.model.times import rfc3339

MOST_SHOWN = 8
_VOICE_LINE = 96


class Offers:
    def __init__(
        self,
        store: BridgeStore,
        sessions: Sessions,
        cards: Cards,
        distraction: Distraction,
        notify: Notify,
        clock: Clock,
        random: Random,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._cards = cards
        self._distraction = distraction
        self._notify = notify
        self._clock = clock
        self._random = random

    async def send(self, app: App, session_id: str, what: Destination | Voice) -> Offer:
        """In the place of the one of its kind; the same once more is the one that waits already. ``DrivingRestricted``
        for a name that is too long to be read while driving; ``Conflict`` session_suspended, session_closed;
        ``NotFound`` unknown_session."""
        session = await self._sessions.get(app, session_id)
        must_be_active(session.state)
        await self._may_be_read(session, what)
        now = int(self._clock())
        fresh = Offer(new_id("off", self._random), session.id, session.app_id, app.name, session.vehicle_id, what, now)
        put = await self._store.put_offer(fresh, now)
        if put is None:
            must_be_active((await self._sessions.get(app, session_id)).state)
            raise Conflict("the session has just changed: look at it again", code="session_changed")
        return put

    async def get(self, app: App, session_id: str, offer_id: str) -> Offer:
        """``NotFound`` unknown_session, unknown_event: also one that is over, or that another has replaced."""
        session = await self._sessions.get(app, session_id)
        found = await self._find(offer_id)
        if found is None or found.session_id != session.id:
            raise _unknown()
        return found

    async def shown(self, app: App, vehicle_id: str) -> Sequence[Offer]:
        """What waits for somebody in that vehicle. ``NotFound`` unknown_vehicle for who does not speak for it."""
        vehicle = await self._cards.head_unit(app, vehicle_id)
        since = int(self._clock()) - OFFER_SECONDS
        found = await self._store.offers_on(vehicle.id, since, MOST_SHOWN)
        return [each for each in found if each.state is OfferState.OFFERED]

    async def answer(self, app: App, vehicle_id: str, offer_id: str, accept: bool) -> None:
        """Somebody in the car has decided; the same answer once more is a success. ``NotFound`` unknown_vehicle,
        unknown_event; ``Conflict`` event_answered."""
        vehicle = await self._cards.head_unit(app, vehicle_id)
        found = await self._find(offer_id)
        if found is None or found.vehicle_id != vehicle.id or found.kind is OfferKind.VOICE:
            raise _unknown()
        state = OfferState.ACCEPTED if accept else OfferState.REFUSED
        if await self._store.answer_offer(found, state, self._event(found, state), self._tell):
            return
        now = await self._find(offer_id)
        if now is None or now.state is OfferState.OFFERED:  # its session has been suspended or closed
            raise _unknown()
        if now.state is not state:
            raise Conflict(f"somebody has answered already: {now.state}", code="event_answered")

    async def say(self, app: App, vehicle_id: str, session_id: str, said: Voice) -> None:
        """Somebody in the car has said something to that app. ``NotFound`` unknown_vehicle, unknown_session."""
        vehicle = await self._cards.head_unit(app, vehicle_id)
        session = await self._store.session(session_id)
        if session is None or session.vehicle_id != vehicle.id or session.state is not SessionState.ACTIVE:
            raise NotFound("there is no such active session at this vehicle", code="unknown_session")
        data = {"session_id": session.id, "app_id": session.app_id, "vehicle_id": vehicle.id}
        told = {**data, "intent": said.intent, "text": said.text}
        event = OutboxEvent("session.voice", vehicle.id, told, int(self._clock()))
        await self._store.save_session(session, session, event, self._tell)

    async def sweep(self) -> None:
        """A chore of the upkeep."""
        await self._store.drop_offers(int(self._clock()) - OFFER_SECONDS)

    async def _may_be_read(self, session: AppSession, what: Destination | Voice) -> None:
        rules = RULES[self._cards.driving(session.vehicle_id)]
        most, text = (rules.title, what.name) if isinstance(what, Destination) else (_VOICE_LINE, what.text)
        if len(text) > most:
            await self._distraction.refused(session)
            raise DrivingRestricted(f"while the car moves, or may move: a name of at most {most} characters")

    async def _find(self, offer_id: str) -> Offer | None:
        try:
            id_bytes(offer_id, "off")
        except BadInput:
            return None
        found = await self._store.offer(offer_id)
        return found if found is not None and self._clock() < found.expires_at else None

    def _event(self, offer: Offer, state: OfferState) -> OutboxEvent:
        """Without the place: events are kept for longer than where somebody goes may be."""
        data = {"id": offer.id, "session_id": offer.session_id, "app_id": offer.app_id, "vehicle_id": offer.vehicle_id}
        return OutboxEvent("session.answered", offer.vehicle_id, {**data, "state": state.value}, int(self._clock()))

    def _tell(self, told: Told) -> None:
        self._notify(told.event.type, dict(told.event.data), told.event_id)


def offer_json(offer: Offer) -> dict[str, Any]:
    """The resource. ``null`` stands where its kind has nothing to say."""
    what = offer.what
    place = what if isinstance(what, Destination) else None
    voice = what if isinstance(what, Voice) else None
    return {
        "id": offer.id,
        "session_id": offer.session_id,
        "app_id": offer.app_id,
        "app_name": offer.app_name,
        "vehicle_id": offer.vehicle_id,
        "type": offer.kind.value,
        "state": offer.state.value,
        "destination": None
        if place is None
        else {"name": place.name, "latitude": place.latitude, "longitude": place.longitude},
        "voice": None if voice is None else {"intent": voice.intent, "text": voice.text},
        "created_at": rfc3339(offer.created_at),
        "expires_at": rfc3339(offer.expires_at),
    }


def _unknown() -> NotFound:
    return NotFound("there is no such event here, or it is over", code="unknown_event")
