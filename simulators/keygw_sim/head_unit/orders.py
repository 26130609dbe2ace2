"""What somebody presses, as JSON orders: for ``python -m keygw_sim.vehicle``.

* ``{"do": "screen"}`` -> ``{"screen": {...}, "picture": "..."}``: all that the head unit shows.
* ``{"do": "press", "what": "pair_phone"}``, or ``"remove_key"`` with ``"key"``: a question appears.
* ``{"do": "answer", "prompt": 1, "yes": true}``.
* ``{"do": "card", "app": ..., "name": ..., "card": {"template": "status", "title": ..., "buttons": [...]}}``: a card
  put there by hand; without ``card`` it is taken away. ``{"do": "press", "what": "button", "app": ..., "name": ...,
  "button": ...}`` presses it, and ``{"event": "card_pressed", ...}`` follows.

Each answers with ``"outcome"``: ``done``, or why not.
"""

from __future__ import annotations

from typing import Any

from keygw.model.errors import BadInput, Conflict, NotFound
from keygw_sim.head_unit.cards import Card
from keygw_sim.head_unit.head_unit import HeadUnit
from keygw_sim.head_unit.picture import picture

ORDERS = ("screen", "press", "answer", "card")


def obey(unit: HeadUnit, order: dict[str, Any]) -> dict[str, Any]:
    """``ValueError``, ``TypeError`` or ``KeyError`` for an order that is none of ``ORDERS``, or lacks something."""
    try:
        return {"outcome": "done", **_obey(unit, order)}
    except (Conflict, NotFound, BadInput) as refused:
        return {"outcome": refused.code, "why": str(refused)}


def _obey(unit: HeadUnit, order: dict[str, Any]) -> dict[str, Any]:
    match order["do"]:
        case "screen":
            return {"screen": unit.view(), "picture": picture(unit)}
        case "answer":
            if not isinstance(order["yes"], bool) or type(order["prompt"]) is not int:
                raise ValueError("prompt is a number, yes is true or false")
            unit.answer(order["prompt"], order["yes"])
            return {}
        case "card":
            app, name = str(order["app"]), str(order["name"])
            if order.get("card") is None:
                unit.cards.remove(app, name)
            else:
                unit.cards.put(Card.from_json(app, name, order["card"]))
            return {}
        case "press":
            return _press(unit, order)
    raise ValueError(f"unknown order {order['do']!r} to a head unit; known: {', '.join(ORDERS)}")


def _press(unit: HeadUnit, order: dict[str, Any]) -> dict[str, Any]:
    match order["what"]:
        case "pair_phone":
            return {"prompt": unit.pair_phone().number}
        case "remove_key":
            return {"prompt": unit.remove_key(str(order["key"])).number}
        case "button":
            unit.press(str(order["app"]), str(order["name"]), str(order["button"]))
            return {}
    raise ValueError(f"nothing to press is called {order['what']!r}; known: pair_phone, remove_key, button")
