"""A head unit that asks its gateway for the cards of apps, and tells it what was pressed (ADR 21)."""

from __future__ import annotations

from collections import deque
from typing import Any

from keygw.client.connection import Connection
from keygw.client.problem import Problem
from keygw_sim.head_unit.cards import Card, Pressed
from keygw_sim.head_unit.head_unit import HeadUnit

MAX_PRESSES = 16
"""That wait for the gateway; the oldest are dropped, for nobody wants them any more."""


class Projection:
    """``pressed`` is what a ``HeadUnit`` calls (``on_press``); ``look`` brings both sides together, and is called again
    and again. On the screen a card's ``app`` is its session."""

    def __init__(self, gateway: Connection, vehicle_id: str) -> None:
        self._gateway = gateway
        self._path = f"/v1/vehicles/{vehicle_id}/head-unit"
        self._presses: deque[Pressed] = deque(maxlen=MAX_PRESSES)
        self._shown: dict[tuple[str, str], Card] = {}

    def pressed(self, what: Pressed) -> None:
        self._presses.append(what)

    async def look(self, unit: HeadUnit) -> None:
        """``Problem``, ``Unreachable``, ``Stranger``: then the screen stays as it was. What was being
        told then is not told again: it may have arrived."""
        while self._presses:
            await self._tell(self._presses.popleft())
        told = await self._gateway.ask("GET", self._path)
        found = {(card.app, card.name): card for card in map(_card, told["cards"])}
        for gone in self._shown.keys() - found.keys():
            unit.cards.remove(*gone)
        for place, card in found.items():
            if self._shown.get(place) != card:
                unit.cards.put(card)
        self._shown = found

    async def _tell(self, what: Pressed) -> None:
        body = {"session_id": what.app, "card": what.card, "button": what.button}
        try:
            await self._gateway.ask("POST", f"{self._path}:press", body=body)
        except Problem as refused:
            if refused.code != "no_such_button":  # its app has taken the card away meanwhile
                raise


def _card(data: dict[str, Any]) -> Card:
    shown = {name: data[name] for name in ("template", "title", "lines", "buttons")}
    return Card.from_json(data["session_id"], data["name"], shown)
