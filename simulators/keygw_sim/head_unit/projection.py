"""A head unit that asks its gateway for what apps show and send, and tells it what was pressed and said (ADR 21)."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from keygw.client.connection import Connection
from keygw.client.problem import Problem
from keygw_sim.head_unit.cards import Card, Pressed
from keygw_sim.head_unit.head_unit import Destination, HeadUnit

MAX_PRESSES = 16
"""That wait for the gateway; the oldest are dropped, for nobody wants them any more. So of answers and words."""
MAX_OFFERS = 64
"""Whose answers are remembered."""


class Projection:
    """``pressed`` is what a ``HeadUnit`` calls (``on_press``); ``look`` brings both sides together, and is called again
    and again. In the head unit a card's ``app`` is its session; its name is what the screen shows."""

    def __init__(self, gateway: Connection, vehicle_id: str) -> None:
        self._gateway = gateway
        self._path = f"/v1/vehicles/{vehicle_id}/head-unit"
        self._told: deque[tuple[str, dict[str, Any]]] = deque(maxlen=MAX_PRESSES)
        """What is to be told: the last word of its path, and the body."""
        self._offers: deque[str] = deque(maxlen=MAX_OFFERS)
        """Those that the head unit knows."""
        self._shown: dict[tuple[str, str], Card] = {}

    def pressed(self, what: Pressed) -> None:
        self._told.append(("press", {"session_id": what.app, "card": what.card, "button": what.button}))

    def say(self, session_id: str, intent: str, text: str = "") -> None:
        """Somebody in the car has spoken to the app of that session."""
        self._told.append(("say", {"session_id": session_id, "intent": intent, "text": text}))

    async def look(self, unit: HeadUnit) -> None:
        """``Problem``, ``Unreachable``, ``Stranger``: then the screen stays as it was. What was being
        told then is not told again: it may have arrived."""
        while self._told:
            await self._tell(*self._told.popleft())
        told = await self._gateway.ask("GET", self._path)
        found = {(card.app, card.name): card for card in map(_card, told["cards"])}
        for gone in self._shown.keys() - found.keys():
            unit.cards.remove(*gone)
        for place, card in found.items():
            if self._shown.get(place) != card:
                unit.cards.put(card)
        self._shown = found
        for event in (await self._gateway.ask("GET", f"{self._path}/events"))["events"]:
            if event["id"] not in self._offers:
                self._offers.append(event["id"])
                self._take(unit, event)

    def _take(self, unit: HeadUnit, event: dict[str, Any]) -> None:
        if event["type"] == "voice":
            unit.voice.append((event["app_name"], event["voice"]["text"] or event["voice"]["intent"]))
            return

        def answer(yes: bool) -> None:
            self._told.append(("answer", {"event_id": event["id"], "accept": yes}))

        unit.offer_destination(Destination(**event["destination"], app=event["app_name"]), answer)

    async def _tell(self, what: str, body: dict[str, Any]) -> None:
        try:
            await self._gateway.ask("POST", f"{self._path}:{what}", body=body)
        except Problem as refused:
            if refused.code not in _TOO_LATE:
                raise


_TOO_LATE = frozenset({"no_such_button", "unknown_event", "event_answered", "unknown_session"})
"""Its app has taken it away meanwhile, or has gone."""


def _card(data: dict[str, Any]) -> Card:
    shown = {name: data[name] for name in ("template", "title", "lines", "buttons")}
    return replace(Card.from_json(data["session_id"], data["name"], shown), app_name=data["app_name"])
